"""Secrets at rest: encryption with one or several keys, and the key file of the embedded default (E4).

`SecretBox` is Fernet (AES-128-CBC with HMAC-SHA256). The newest key encrypts, every key decrypts, so an operator
replaces a key by putting the new one in front: `new,old`. A store that opens with such a pair re-encrypts everything;
after that the old key can be removed. On a database with several instances, re-encryption waits until each of them has
the new key: until then they all write with the old one (`hold_back`).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from ..errors import InvalidInput, SecretKeyError

GENERATE = "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
"""The command shown to people who need a key."""

# Fixed: a random salt could only be stored beside the secrets, and the same passphrase has to give the same key on
# every instance. A fixed salt still makes tables that were computed for other programs useless.
_SALT = b"rookery/secret-key/v1"

_REMEMBERED = 4096  # decrypted secrets
_LONGEST_REMEMBERED = 4096  # characters of a token; callers choose how long their secrets are


class SecretBox:
    """Encrypts and decrypts texts and JSON documents.

    Args:
        keys: newest first. A Fernet key (32 bytes, URL-safe base64) is used as it is, any other text is stretched.

    Raises:
        SecretKeyError: there is no key.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        usable = [key.strip() for key in keys if key.strip()]
        if not usable:
            raise SecretKeyError(
                f"no secret key: set `secret_key` to a long random text and keep it safe, for example from {GENERATE}"
            )
        self._fernets = [_fernet(key) for key in usable]
        self._writing = self._fernets[0]
        self.names = tuple(_name(key) for key in usable)
        """The names of the keys, in order: hashes that show only whether two keys are the same."""
        self._all = MultiFernet(self._fernets)
        # Sessions are listed often, and decrypting each secret costs 30 µs; running sessions keep them in memory
        # anyway.
        self._decrypt = lru_cache(maxsize=_REMEMBERED)(self._open)

    @classmethod
    def from_text(cls, text: str | None) -> SecretBox:
        """From `secret_key` of `open_engine`: several keys, comma separated, newest first."""
        return cls((text or "").split(","))

    @classmethod
    def generated(cls) -> SecretBox:
        """With a fresh random key that is stored nowhere else: for stores that live in memory."""
        return cls([Fernet.generate_key().decode()])

    @property
    def rotating(self) -> bool:
        """True when there are older keys: an operator is replacing them."""
        return len(self._fernets) > 1

    @property
    def holds_back(self) -> bool:
        """True while it encrypts with an older key, because other instances cannot decrypt the newest key's tokens."""
        return self._writing is not self._fernets[0]

    def hold_back(self, token: str) -> None:
        """From now on, encrypt with the key that encrypted `token`."""
        for fernet in self._fernets:
            with contextlib.suppress(InvalidToken, ValueError):
                fernet.decrypt(token.encode("ascii"))
                self._writing = fernet
                return

    def go_on(self) -> None:
        """From now on, encrypt with the newest key."""
        self._writing = self._fernets[0]

    def encrypt(self, plain: str) -> str:
        """Returns a token of printable ASCII, different each time."""
        return self._writing.encrypt(plain.encode("utf-8", "surrogatepass")).decode("ascii")

    def decrypt(self, token: str) -> str:
        """The inverse of `encrypt`.

        Raises:
            SecretKeyError: none of the keys fits.
        """
        return self._decrypt(token) if len(token) <= _LONGEST_REMEMBERED else self._open(token)

    def _open(self, token: str) -> str:
        try:
            return self._all.decrypt(token.encode("ascii")).decode("utf-8", "surrogatepass")
        except (InvalidToken, ValueError):
            raise SecretKeyError(
                "a stored secret cannot be decrypted: `secret_key` lacks the key that it was encrypted with"
            ) from None

    def encrypt_bytes(self, plain: bytes) -> bytes:
        """For large values that are not kept: a third smaller than `encrypt`, and not cached."""
        return base64.urlsafe_b64decode(self._writing.encrypt(plain))

    def decrypt_bytes(self, token: bytes) -> bytes:
        """The inverse of `encrypt_bytes`. Raises SecretKeyError."""
        try:
            return self._all.decrypt(base64.urlsafe_b64encode(token))
        except (InvalidToken, ValueError):
            raise SecretKeyError(
                "a message of another instance cannot be decrypted: every instance needs the same `secret_key`"
            ) from None

    def seal(self, document: Mapping[str, Any]) -> str:
        """Encrypt a JSON document. An empty document becomes the empty string: it contains nothing to hide.

        Raises:
            InvalidInput: it is not JSON.
        """
        if not document:
            return ""
        try:
            plain = msgspec.json.encode(document)
        except (TypeError, UnicodeEncodeError, OverflowError, RecursionError):
            # Without the cause: its text may quote the secret.
            raise InvalidInput("credentials and settings have to be JSON: texts, numbers, lists, objects") from None
        return self.encrypt(plain.decode())

    def unseal(self, token: str) -> dict[str, Any]:
        """The inverse of `seal`. Raises SecretKeyError."""
        return msgspec.json.decode(self.decrypt(token), type=dict[str, Any]) if token else {}

    def renewed(self, rows: Iterable[tuple[int, str]]) -> list[tuple[str, int]]:
        """New tokens, by the newest key, for those of (number, token) that another key encrypted. Tokens that no key
        decrypts are left unchanged: their own session or webhook reports the problem."""
        found = []
        for number, token in rows:
            if not self.is_current(token):
                with contextlib.suppress(SecretKeyError):
                    found.append((self.encrypt(self.decrypt(token)), number))
        return found

    def is_current(self, token: str) -> bool:
        """True when the newest key encrypted it."""
        try:
            self._fernets[0].decrypt(token.encode("ascii"))
        except (InvalidToken, ValueError):
            return False
        return True

    def __repr__(self) -> str:
        return f"<SecretBox with {len(self._fernets)} key(s)>"


def load_or_create_key(path: str | os.PathLike[str]) -> str:
    """The key in this file; without the file a new random key is written to it, readable by its owner only.

    An existing file is never overwritten, and the file appears complete or not at all, even when two processes do
    this at once.

    Raises:
        SecretKeyError: the file is empty or cannot be read or created.
    """
    file = Path(path)
    try:
        with contextlib.suppress(FileExistsError):
            if not file.exists():
                _create(file)
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is not text"
        if not file.exists():
            raise SecretKeyError(
                f"the key file {file} cannot be created ({why}): make the directory {file.parent} writable for this user, or "
                "set `secret_key`"
            ) from None
        raise SecretKeyError(
            f"the key file {file} cannot be used ({why}): make it readable, or set `secret_key`"
        ) from None
    if not key:
        raise SecretKeyError(
            f"the key file {file} is empty: restore it from a backup, or set `secret_key`; "
            f"when no secrets are stored yet, remove it and a new one is made"
        )
    return key


def _create(file: Path) -> None:
    """Write a new key beside `file` and link it into place; the link fails when another process was faster."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(Fernet.generate_key() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.link(draft, file)
    finally:
        draft.unlink()
    # Secrets will be encrypted with this key at once: the name must survive a power cut too.
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@lru_cache(maxsize=16)
def _name(key: str) -> str:
    return hashlib.sha256(b"rookery/key-name/v1" + _material(key)).hexdigest()[:16]


@lru_cache(maxsize=16)
def _fernet(key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(_material(key)))


@lru_cache(maxsize=16)
def _material(key: str) -> bytes:
    """The 32 bytes of a Fernet key, which are random already; any other text is stretched, which takes 70 ms."""
    try:
        Fernet(key)
        return base64.urlsafe_b64decode(key)
    except ValueError:
        return _stretched(key)


def _stretched(key: str) -> bytes:
    return hashlib.scrypt(key.encode(), salt=_SALT, n=2**15, r=8, p=1, maxmem=2**26, dklen=32)
