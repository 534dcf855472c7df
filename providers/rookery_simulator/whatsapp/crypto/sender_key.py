"""Signal's sender keys: one symmetric chain for everything that a device writes to a group.

Source: libsignal's protocol version 3 (`WhisperGroup`); a message is followed by a 64-byte signature over all before it.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field

from . import wire
from .curve import KeyPair, untyped, verify
from .ratchet import SKIP_LIMIT, VERSION, UndecryptableMessage, decrypt_cbc, derive, encrypt_cbc, hmac_sha256

SIGNATURE_SIZE = 64


@dataclass
class SenderKey:
    """`signer` is known for our own key only; `public` verifies."""

    key_id: int
    chain: bytes
    public: bytes
    signer: KeyPair | None = None
    iteration: int = 0
    skipped: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)

    @classmethod
    def create(cls) -> SenderKey:
        signer = KeyPair()
        return cls(secrets.randbelow(2**31), os.urandom(32), signer.public, signer)

    def distribution(self) -> bytes:
        """The message that lets a member read what follows."""
        return VERSION + wire.encode({1: self.key_id, 2: self.iteration, 3: self.chain, 4: b"\x05" + self.public})

    def encrypt(self, plaintext: bytes) -> bytes:
        if self.signer is None:
            raise ValueError("this is the sender key of another device")
        iteration = self.iteration
        iv, key = self._step()
        body = VERSION + wire.encode({1: self.key_id, 2: iteration, 3: encrypt_cbc(key, iv, plaintext)})
        return body + self.signer.sign(body)

    def decrypt(self, message: bytes) -> bytes:
        """Raises UndecryptableMessage."""
        body, signature = message[:-SIGNATURE_SIZE], message[-SIGNATURE_SIZE:]
        if not verify(self.public, body, signature):
            raise UndecryptableMessage("the group message is not signed by its sender")
        numbers, blobs = wire.decode(body[1:])
        iteration = numbers.get(2, 0)
        if iteration in self.skipped:
            iv, key = self.skipped.pop(iteration)
        elif self.iteration <= iteration <= self.iteration + SKIP_LIMIT:
            while self.iteration < iteration:
                skipped = self.iteration
                self.skipped[skipped] = self._step()
            iv, key = self._step()
        else:
            raise UndecryptableMessage(f"group message {iteration}, the chain is at {self.iteration}")
        return decrypt_cbc(key, iv, blobs[3])

    def _step(self) -> tuple[bytes, bytes]:
        derived = derive(hmac_sha256(self.chain, b"\x01"), b"WhisperGroup", 48)
        self.chain = hmac_sha256(self.chain, b"\x02")
        self.iteration += 1
        return derived[:16], derived[16:]


def parse_distribution(message: bytes) -> SenderKey:
    """Another device's key, from its distribution message."""
    numbers, blobs = wire.decode(message[1:])
    return SenderKey(numbers.get(1, 0), blobs[3], untyped(blobs[4]), iteration=numbers.get(2, 0))
