"""Decrypts content encrypted under the secret of an earlier message: edits, reactions, comments, answers to events.

Key: HKDF-SHA256 of the original's 32-byte secret, without salt; the info is the original's id, the address of its author,
the editor's address, and the use. Then AES-256-GCM. Answers to events carry `id NUL editor` as additional data, the others
carry none. Addresses have no device and the form that the editor's client used, so each known form is tried.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET_SIZE, KEY_SIZE, NONCE_SIZE = 32, 32, 12  # bytes
AUTHENTICATED = ("Event Response",)
"""Uses of a key whose ciphertext carries additional data."""


def decrypt(
    payload: bytes,
    nonce: bytes,
    *,
    secret: bytes,
    message_id: str,
    authors: Iterable[str],
    editors: Collection[str],
    uses: Collection[str],
) -> bytes | None:
    """The content, or None when no address and use decrypts it: then it was encrypted under another key."""
    if len(secret) != SECRET_SIZE or len(nonce) != NONCE_SIZE:
        return None
    for author in authors:
        for editor in editors:
            for use in uses:
                info = f"{message_id}{author}{editor}{use}".encode()
                key = HKDF(SHA256(), KEY_SIZE, None, info).derive(secret)
                extra = f"{message_id}\0{editor}".encode() if use in AUTHENTICATED else None
                try:
                    return AESGCM(key).decrypt(nonce, payload, extra)
                except InvalidTag:
                    continue
    return None
