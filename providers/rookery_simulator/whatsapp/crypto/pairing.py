"""The cryptography of linking a device to a phone, by QR code and by pairing code. No I/O.

Source: tulir/whatsmeow `pair.go` and `pair-code.go`, read from the other side.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from base64 import b64decode
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..stanza import protobufs
from .curve import KeyPair, verify

QR_PREFIX = "https://wa.me/settings/linked_devices#"
ACCOUNT_SIGNATURE_PREFIX = b"\x06\x00"
DEVICE_SIGNATURE_PREFIX = b"\x06\x01"
CODE_ITERATIONS = 131_072  # rounds of PBKDF2 that stretch the pairing code


class PairingRefused(Exception):
    """The error that a phone shows its user: an unknown or used QR code, a wrong pairing code, a bad signature."""


@dataclass(frozen=True)
class QrCode:
    """The content of a QR code: the server's reference and the device's keys (32 bytes each)."""

    reference: str
    noise_public: bytes
    identity_public: bytes
    secret: bytes

    @classmethod
    def parse(cls, text: str) -> QrCode:
        """Raises PairingRefused for a code that is not WhatsApp's."""
        try:
            reference, noise, identity, secret, *_ = text.removeprefix(QR_PREFIX).split(",")
            return cls(reference, b64decode(noise), b64decode(identity), b64decode(secret))
        except ValueError as error:
            raise PairingRefused(f"not a code to link a device: {text!r}") from error


def sign_device(account: KeyPair, identity_public: bytes, secret: bytes, key_index: int) -> bytes:
    """The ADVSignedDeviceIdentityHMAC with which a phone admits the device `identity_public`."""
    schema = protobufs.identities()
    details = schema.ADVDeviceIdentity(
        rawID=int.from_bytes(os.urandom(4)), timestamp=int(time.time()), keyIndex=key_index
    ).SerializeToString()
    signed = schema.ADVSignedDeviceIdentity(
        details=details,
        accountSignatureKey=account.public,
        accountSignature=account.sign(ACCOUNT_SIGNATURE_PREFIX + details + identity_public),
    ).SerializeToString()
    sealed = schema.ADVSignedDeviceIdentityHMAC(details=signed, HMAC=hmac.digest(secret, signed, "sha256"))
    return bytes(sealed.SerializeToString())


def check_device_signature(account: KeyPair, identity_public: bytes, self_signed: bytes) -> None:
    """Check the ADVSignedDeviceIdentity with which the device accepts; raises PairingRefused."""
    signed = protobufs.identities().ADVSignedDeviceIdentity.FromString(self_signed)
    message = DEVICE_SIGNATURE_PREFIX + signed.details + identity_public + account.public
    if not verify(identity_public, message, signed.deviceSignature):
        raise PairingRefused("the device's signature is wrong")


def _code_cipher(code: str, wrapped: bytes) -> bytes:
    """Encrypt or decrypt the key in `wrapped`: 32 bytes of salt, 16 of counter, 32 of key."""
    salt, counter, key = wrapped[:32], wrapped[32:48], wrapped[48:80]
    stretched = hashlib.pbkdf2_hmac("sha256", code.encode(), salt, CODE_ITERATIONS, 32)
    cipher = Cipher(algorithms.AES(stretched), modes.CTR(counter)).encryptor()
    return cipher.update(key) + cipher.finalize()


class CodePairing:
    """The phone's side of pairing by an eight-character code."""

    def __init__(self, account: KeyPair, code: str, wrapped_device_key: bytes) -> None:
        code = code.replace("-", "").upper()
        self._account = account
        self._ephemeral = KeyPair()
        self._device_ephemeral = _code_cipher(code, wrapped_device_key)
        header = os.urandom(48)
        self.wrapped_phone_key = header + _code_cipher(code, header + self._ephemeral.public)

    def finish(self, wrapped_bundle: bytes, identity_public: bytes) -> bytes:
        """The 32-byte ADV secret; raises PairingRefused when the code was wrong.

        `wrapped_bundle` is 32 bytes of salt, 12 of nonce, and the sealed keys: the device's identity, the phone's, and
        32 random bytes.
        """
        shared = self._ephemeral.agree(self._device_ephemeral)
        salt, nonce, sealed = wrapped_bundle[:32], wrapped_bundle[32:44], wrapped_bundle[44:]
        key = HKDF(SHA256(), 32, salt, b"link_code_pairing_key_bundle_encryption_key").derive(shared)
        try:
            bundle = AESGCM(key).decrypt(nonce, sealed, None)
        except InvalidTag as error:
            raise PairingRefused("wrong pairing code") from error
        if bundle[:64] != identity_public + self._account.public:
            raise PairingRefused("the keys in the bundle are not those of the two sides")
        secret = shared + self._account.agree(identity_public) + bundle[64:96]
        return HKDF(SHA256(), 32, None, b"adv_secret").derive(secret)
