"""One Signal session between two devices: X3DH, then the double ratchet.

Source: the X3DH and Double Ratchet specifications of Signal; the constants (`Whisper...`), the version byte and the
field numbers are those of libsignal's protocol version 3.
"""

from __future__ import annotations

import copy
import hmac
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7

from . import wire
from .curve import KeyPair, untyped

VERSION = b"\x33"  # current version 3, oldest accepted version 3
MAC_SIZE = 8  # bytes
SKIP_LIMIT = 2000  # messages that may be missing before one that arrives


class UndecryptableMessage(Exception):
    """No session decrypts it: lost state, a foreign key, or a message seen before."""


class PreKeyBundle(NamedTuple):
    """The keys that the server gives a stranger to begin a session; each has 32 bytes."""

    registration_id: int
    identity: bytes
    signed_id: int
    signed_key: bytes
    signature: bytes
    one_time_id: int | None
    one_time_key: bytes | None


def derive(secret: bytes, info: bytes, size: int, salt: bytes = bytes(32)) -> bytes:
    return HKDF(SHA256(), size, salt, info).derive(secret)


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def encrypt_cbc(key: bytes, iv: bytes, data: bytes) -> bytes:
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


def decrypt_cbc(key: bytes, iv: bytes, data: bytes) -> bytes:
    """Raises ValueError when length or padding are wrong."""
    unpadder = PKCS7(128).unpadder()
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()


class _MessageKeys(NamedTuple):
    cipher: bytes
    mac: bytes
    iv: bytes


@dataclass
class _Chain:
    key: bytes
    index: int = 0

    def step(self) -> _MessageKeys:
        derived = derive(hmac_sha256(self.key, b"\x01"), b"WhisperMessageKeys", 80)
        self.key = hmac_sha256(self.key, b"\x02")
        self.index += 1
        return _MessageKeys(derived[:32], derived[32:64], derived[64:])


@dataclass
class Session:
    """The state that two devices share. Made by `begin` (we write first) or `answer` (they wrote first)."""

    our_identity: bytes
    their_identity: bytes
    base_key: bytes
    root: bytes
    our_ratchet: KeyPair
    sending: _Chain
    previous_count: int = 0
    receiving: dict[bytes, _Chain] = field(default_factory=dict)
    skipped: dict[tuple[bytes, int], _MessageKeys] = field(default_factory=dict)
    # Until they answer, each message carries the data to build the session: fields of a PreKeySignalMessage.
    introduction: dict[int, int | bytes | None] | None = None

    @classmethod
    def begin(cls, identity: KeyPair, registration_id: int, bundle: PreKeyBundle) -> Session:
        base = KeyPair()
        secret = b"\xff" * 32
        secret += identity.agree(bundle.signed_key) + base.agree(bundle.identity) + base.agree(bundle.signed_key)
        if bundle.one_time_key is not None:
            secret += base.agree(bundle.one_time_key)
        derived = derive(secret, b"WhisperText", 64)
        ratchet = KeyPair()
        root, chain = _ratchet(derived[:32], ratchet.agree(bundle.signed_key))
        return cls(
            identity.public,
            bundle.identity,
            base.public,
            root,
            ratchet,
            _Chain(chain),
            receiving={bundle.signed_key: _Chain(derived[32:])},
            introduction={
                1: bundle.one_time_id,
                2: base.typed_public,
                3: identity.typed_public,
                5: registration_id,
                6: bundle.signed_id,
            },
        )

    @classmethod
    def answer(
        cls, identity: KeyPair, signed: KeyPair, one_time: KeyPair | None, their_identity: bytes, base_key: bytes
    ) -> Session:
        secret = b"\xff" * 32
        secret += signed.agree(their_identity) + identity.agree(base_key) + signed.agree(base_key)
        if one_time is not None:
            secret += one_time.agree(base_key)
        derived = derive(secret, b"WhisperText", 64)
        return cls(identity.public, their_identity, base_key, derived[:32], signed, _Chain(derived[32:]))

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        """WhatsApp's name of the message type (`pkmsg` or `msg`) and the serialised message."""
        index = self.sending.index
        keys = self.sending.step()
        body = VERSION + wire.encode(
            {
                1: self.our_ratchet.typed_public,
                2: index,
                3: self.previous_count,
                4: encrypt_cbc(keys.cipher, keys.iv, plaintext),
            }
        )
        message = body + self._mac(keys, self.our_identity, self.their_identity, body)
        if self.introduction is None:
            return "msg", message
        return "pkmsg", VERSION + wire.encode({**self.introduction, 4: message})

    def decrypt(self, message: bytes) -> bytes:
        """The plaintext of a `msg` (or of the message inside a `pkmsg`).

        Raises UndecryptableMessage and leaves the session as it was.
        """
        # A message of another session would turn the ratchet before its authentication code is found wrong.
        trial = copy.deepcopy(self, {id(self.our_ratchet): self.our_ratchet})
        plaintext = trial._decrypt(message)
        self.__dict__.update(trial.__dict__)
        self.introduction = None
        return plaintext

    def _decrypt(self, message: bytes) -> bytes:
        body, mac = message[:-MAC_SIZE], message[-MAC_SIZE:]
        try:
            numbers, blobs = wire.decode(body[1:])
            keys = self._keys_for(untyped(blobs[1]), numbers.get(2, 0))
            if not hmac.compare_digest(mac, self._mac(keys, self.their_identity, self.our_identity, body)):
                raise UndecryptableMessage("the authentication code does not match")
            return decrypt_cbc(keys.cipher, keys.iv, blobs[4])
        except (KeyError, ValueError) as error:
            raise UndecryptableMessage(repr(error)) from error

    def _keys_for(self, ratchet_key: bytes, index: int) -> _MessageKeys:
        known = self.skipped.pop((ratchet_key, index), None)
        if known is not None:
            return known
        if ratchet_key not in self.receiving:
            self._turn(ratchet_key)
        chain = self.receiving[ratchet_key]
        if not chain.index <= index <= chain.index + SKIP_LIMIT:
            raise UndecryptableMessage(f"message {index} of a chain that is at {chain.index}")
        while chain.index < index:
            skipped = chain.index
            self.skipped[ratchet_key, skipped] = chain.step()
        return chain.step()

    def _turn(self, ratchet_key: bytes) -> None:
        """They made a new ratchet key: derive its receiving chain and a sending chain of our own."""
        self.root, chain = _ratchet(self.root, self.our_ratchet.agree(ratchet_key))
        self.receiving[ratchet_key] = _Chain(chain)
        self.our_ratchet = KeyPair()
        self.previous_count = self.sending.index
        self.root, chain = _ratchet(self.root, self.our_ratchet.agree(ratchet_key))
        self.sending = _Chain(chain)

    @staticmethod
    def _mac(keys: _MessageKeys, sender: bytes, receiver: bytes, body: bytes) -> bytes:
        return hmac_sha256(keys.mac, b"\x05" + sender + b"\x05" + receiver + body)[:MAC_SIZE]


def _ratchet(root: bytes, secret: bytes) -> tuple[bytes, bytes]:
    derived = derive(secret, b"WhisperRatchet", 64, salt=root)
    return derived[:32], derived[32:]
