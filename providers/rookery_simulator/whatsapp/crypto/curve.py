"""Curve25519 keys that agree (X25519) and sign (XEdDSA), as Signal and WhatsApp use them.

XEdDSA signs with the agreement key itself. `cryptography` offers no scalar arithmetic, but none is needed for keys that
we make ourselves: an Ed25519 key is a seed whose SHA-512 begins with the private scalar, and that scalar is also a
valid X25519 private key of the matching Montgomery point. So each pair is made from an Ed25519 seed, and a signature is
an ordinary Ed25519 signature which carries the sign of the Edwards point in its highest bit.
Source: the XEdDSA specification of Signal, sections 2.3 to 2.5.
"""

from __future__ import annotations

import hashlib
import os

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

KEY_TYPE = b"\x05"  # stands before a public key in Signal's own messages
_PRIME = 2**255 - 19


class KeyPair:
    """A private key; `public` is its 32-byte Montgomery form."""

    def __init__(self, seed: bytes | None = None) -> None:
        self._signing = Ed25519PrivateKey.from_private_bytes(seed or os.urandom(32))
        scalar = hashlib.sha512(self._signing.private_bytes_raw()).digest()[:32]
        self._agreement = X25519PrivateKey.from_private_bytes(scalar)
        self._sign_bit = self._signing.public_key().public_bytes_raw()[31] & 0x80
        self.public = self._agreement.public_key().public_bytes_raw()

    @property
    def typed_public(self) -> bytes:
        """33 bytes: the key type and the key."""
        return KEY_TYPE + self.public

    def agree(self, public: bytes) -> bytes:
        """The 32-byte shared secret with the owner of `public` (32 bytes)."""
        return self._agreement.exchange(X25519PublicKey.from_public_bytes(public))

    def sign(self, message: bytes) -> bytes:
        """A 64-byte signature that `verify` accepts for `public`."""
        signature = bytearray(self._signing.sign(message))
        signature[63] |= self._sign_bit
        return bytes(signature)


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the owner of the Montgomery key `public` (32 bytes) signed `message`."""
    if len(public) != 32 or len(signature) != 64:
        return False
    u = int.from_bytes(public, "little") & (2**255 - 1)
    y = (u - 1) * pow(u + 1, -1, _PRIME) % _PRIME
    edwards = bytearray(y.to_bytes(32, "little"))
    edwards[31] |= signature[63] & 0x80
    plain = signature[:63] + bytes([signature[63] & 0x7F])
    try:
        Ed25519PublicKey.from_public_bytes(bytes(edwards)).verify(plain, message)
    except InvalidSignature:
        return False
    return True


def untyped(public: bytes) -> bytes:
    """The 32 bytes of a key that may carry its type byte."""
    return public[1:] if len(public) == 33 else public
