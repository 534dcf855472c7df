"""The server's side of Noise_XX_25519_AESGCM_SHA256, without I/O.

The client begins its first frame with the prologue `WA`, 6, dictionary version. Three messages follow, each a protobuf
HandshakeMessage: ClientHello (ephemeral key), ServerHello (ephemeral key; static key and certificate, encrypted),
ClientFinish (static key and ClientPayload, encrypted). Then both sides encrypt each frame with AES-256-GCM under a
32-bit counter as the nonce. Source: the Noise specification, and tulir/whatsmeow `handshake.go` for the framing.
"""

from __future__ import annotations

import hashlib
import time

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..stanza import protobufs
from ..stanza.codec import DICTIONARY_VERSION
from .curve import KeyPair

PATTERN = b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0"
PROLOGUE = b"WA\x06" + bytes([DICTIONARY_VERSION])
CERTIFICATE_LIFETIME = 30 * 24 * 3600  # seconds
ROOT_SERIAL = 0  # clients demand this serial as the issuer of the intermediate certificate


def _nonce(counter: int) -> bytes:
    return counter.to_bytes(12)


def _two_keys(salt: bytes, secret: bytes) -> tuple[bytes, bytes]:
    derived = HKDF(SHA256(), 64, salt, b"").derive(secret)
    return derived[:32], derived[32:]


class Authority:
    """The keys of the simulated WhatsApp: a root that clients must trust, an intermediate and the server's own."""

    def __init__(self) -> None:
        self._root = KeyPair()
        self._intermediate = KeyPair()
        self.static = KeyPair()
        self.root_public_key = self._root.public
        self.chain = self._issue_chain()

    def _issue_chain(self) -> bytes:
        """A serialised CertChain: the intermediate signed by the root, the leaf signed by the intermediate."""
        schema = protobufs.certificates()
        now = int(time.time())
        chain = schema.CertChain()
        for certificate, serial, issuer, key, signer in (
            (chain.intermediate, 1, ROOT_SERIAL, self._intermediate.public, self._root),
            (chain.leaf, 2, 1, self.static.public, self._intermediate),
        ):
            details = schema.CertChain.NoiseCertificate.Details(
                serial=serial,
                issuerSerial=issuer,
                key=key,
                notBefore=now - CERTIFICATE_LIFETIME,
                notAfter=now + CERTIFICATE_LIFETIME,
            ).SerializeToString()
            certificate.details = details
            certificate.signature = signer.sign(details)
        return bytes(chain.SerializeToString())


class Transport:
    """The two ciphers of an established connection."""

    def __init__(self, receive_key: bytes, send_key: bytes) -> None:
        self._receive = AESGCM(receive_key)
        self._send = AESGCM(send_key)
        self._received = 0
        self._sent = 0

    def encrypt(self, frame: bytes) -> bytes:
        self._sent += 1
        return self._send.encrypt(_nonce(self._sent - 1), frame, b"")

    def decrypt(self, frame: bytes) -> bytes:
        """Raises cryptography's InvalidTag for a frame that the client did not encrypt."""
        self._received += 1
        return self._receive.decrypt(_nonce(self._received - 1), frame, b"")


class Handshake:
    """Feed the client's two frames; `finish` returns who it is and the ciphers."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._ephemeral = KeyPair()
        self._hash = PATTERN
        self._salt = PATTERN
        self._cipher = AESGCM(PATTERN)
        self._counter = 0
        self._authenticate(PROLOGUE)

    def _authenticate(self, data: bytes) -> None:
        self._hash = hashlib.sha256(self._hash + data).digest()

    def _mix(self, secret: bytes) -> None:
        self._salt, key = _two_keys(self._salt, secret)
        self._cipher = AESGCM(key)
        self._counter = 0

    def _encrypt(self, data: bytes) -> bytes:
        sealed = self._cipher.encrypt(_nonce(self._counter), data, self._hash)
        self._counter += 1
        self._authenticate(sealed)
        return sealed

    def _decrypt(self, data: bytes) -> bytes:
        opened = self._cipher.decrypt(_nonce(self._counter), data, self._hash)
        self._counter += 1
        self._authenticate(data)
        return opened

    def respond(self, client_hello: bytes) -> bytes:
        """Take the frame with the ClientHello; returns the frame with the ServerHello."""
        schema = protobufs.handshake()
        ephemeral = schema.HandshakeMessage.FromString(client_hello).clientHello.ephemeral
        self._client_ephemeral = bytes(ephemeral)
        self._authenticate(self._client_ephemeral)
        self._authenticate(self._ephemeral.public)
        self._mix(self._ephemeral.agree(self._client_ephemeral))
        static = self._encrypt(self._authority.static.public)
        self._mix(self._authority.static.agree(self._client_ephemeral))
        payload = self._encrypt(self._authority.chain)
        message = schema.HandshakeMessage()
        message.serverHello.ephemeral = self._ephemeral.public
        message.serverHello.static = static
        message.serverHello.payload = payload
        return bytes(message.SerializeToString())

    def finish(self, client_finish: bytes) -> tuple[bytes, bytes, Transport]:
        """Take the ClientFinish frame; returns the client's static key, its serialised ClientPayload, the ciphers."""
        finish = protobufs.handshake().HandshakeMessage.FromString(client_finish).clientFinish
        static = self._decrypt(bytes(finish.static))
        self._mix(self._ephemeral.agree(static))
        payload = self._decrypt(bytes(finish.payload))
        receive_key, send_key = _two_keys(self._salt, b"")
        return static, payload, Transport(receive_key, send_key)
