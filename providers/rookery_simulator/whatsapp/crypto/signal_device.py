"""The Signal side of a scripted phone: its identity, its prekeys, and a session with each other device."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from ..stanza.jid import Jid
from . import wire
from .curve import KeyPair, untyped
from .ratchet import PreKeyBundle, Session, UndecryptableMessage
from .sender_key import SenderKey, parse_distribution

ARCHIVE_LIMIT = 5  # sessions with one device that are kept after a newer one began


@dataclass
class SignalDevice:
    """Addresses are in their hidden (`@lid`) form, device number included."""

    identity: KeyPair = field(default_factory=KeyPair)
    registration_id: int = field(default_factory=lambda: secrets.randbelow(16_380) + 1)
    signed: KeyPair = field(default_factory=KeyPair)
    signed_id: int = 1

    def __post_init__(self) -> None:
        self._one_time: dict[int, KeyPair] = {}
        self._next_one_time = 1
        self._sessions: dict[Jid, list[Session]] = {}
        self._our_sender_keys: dict[Jid, SenderKey] = {}
        self._sender_keys: dict[tuple[Jid, Jid], dict[int, SenderKey]] = {}

    def bundle(self) -> PreKeyBundle:
        """A bundle with a one-time key of its own: phones never run out."""
        number = self._next_one_time
        self._next_one_time += 1
        one_time = self._one_time[number] = KeyPair()
        return PreKeyBundle(
            self.registration_id,
            self.identity.public,
            self.signed_id,
            self.signed.public,
            self.identity.sign(self.signed.typed_public),
            number,
            one_time.public,
        )

    def forget(self, address: Jid) -> None:
        """Drop the sessions with a device, as after its request to send again."""
        self._sessions.pop(address, None)

    def forget_all(self) -> None:
        self._sessions.clear()

    def encrypt(self, address: Jid, bundle: Callable[[], PreKeyBundle], plaintext: bytes) -> tuple[str, bytes]:
        """Type and bytes for one device; calls `bundle` only if there is no session yet."""
        sessions = self._sessions.setdefault(address, [])
        if not sessions:
            sessions.append(Session.begin(self.identity, self.registration_id, bundle()))
        return sessions[0].encrypt(_pad(plaintext))

    def decrypt(self, address: Jid, kind: str, message: bytes) -> bytes:
        """The plaintext of a `pkmsg` or `msg`; raises UndecryptableMessage."""
        sessions = self._sessions.setdefault(address, [])
        if kind == "pkmsg":
            numbers, blobs = wire.decode(message[1:])
            base_key, message = untyped(blobs[2]), blobs[4]
            if not any(session.base_key == base_key for session in sessions):
                sessions.insert(0, self._answer(numbers, blobs, base_key))
                del sessions[ARCHIVE_LIMIT:]
        for session in list(sessions):
            try:
                plaintext = session.decrypt(message)
            except UndecryptableMessage:
                continue
            # Answer in the session that the other side uses.
            sessions.remove(session)
            sessions.insert(0, session)
            return _unpad(plaintext)
        raise UndecryptableMessage(f"none of {len(sessions)} sessions with {address}")

    def _answer(self, numbers: dict[int, int], blobs: dict[int, bytes], base_key: bytes) -> Session:
        if numbers.get(6) != self.signed_id:
            raise UndecryptableMessage("an unknown signed prekey")
        one_time = self._one_time.pop(numbers[1], None) if 1 in numbers else None
        if 1 in numbers and one_time is None:
            raise UndecryptableMessage("a one-time prekey that was used before")
        return Session.answer(self.identity, self.signed, one_time, untyped(blobs[3]), base_key)

    def our_sender_key(self, group: Jid) -> SenderKey:
        """The key under which this phone writes to `group`; made on first use."""
        if group not in self._our_sender_keys:
            self._our_sender_keys[group] = SenderKey.create()
        return self._our_sender_keys[group]

    def encrypt_for_group(self, group: Jid, plaintext: bytes) -> bytes:
        return self.our_sender_key(group).encrypt(_pad(plaintext))

    def learn_sender_key(self, group: Jid, sender: Jid, distribution: bytes) -> None:
        """Keep the key that `sender` announced for its messages to `group`."""
        key = parse_distribution(distribution)
        self._sender_keys.setdefault((group, sender), {})[key.key_id] = key

    def decrypt_from_group(self, group: Jid, sender: Jid, message: bytes) -> bytes:
        """The plaintext of an `skmsg`; raises UndecryptableMessage."""
        numbers, _ = wire.decode(message[1:-64])
        key = self._sender_keys.get((group, sender), {}).get(numbers.get(1, 0))
        if key is None:
            raise UndecryptableMessage(f"no sender key of {sender} in {group}")
        return _unpad(key.decrypt(message))


def _pad(plaintext: bytes) -> bytes:
    """WhatsApp's padding: 1 to 15 bytes, each the number of bytes added."""
    size = os.urandom(1)[0] % 15 + 1
    return plaintext + bytes([size]) * size


def _unpad(plaintext: bytes) -> bytes:
    if not plaintext or plaintext[-1] > len(plaintext):
        raise UndecryptableMessage("wrong padding")
    return plaintext[: -plaintext[-1]]
