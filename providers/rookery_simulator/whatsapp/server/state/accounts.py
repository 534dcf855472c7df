"""An account and its linked devices: the server's record of them, and the acts that a device is subject to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Literal, Protocol

import trio

from ...crypto.ratchet import PreKeyBundle
from ...crypto.signal_device import SignalDevice
from ...feed import Feed
from ...stanza.jid import SERVER, Jid
from ...stanza.node import Attrs, Node, node
from ..connection import ClientConnection
from .app_state import AppState
from .registration import Refusal, Registration
from .settings import Settings

TEMPORARY_BAN = 402
CLIENT_OUTDATED = 405


class Surroundings(Protocol):
    """The part of the world that an account uses."""

    settings: Settings

    def now(self) -> int: ...

    def new_id(self) -> str: ...


class Account(ABC):
    """The server's record of an account, and the account's phone as the server uses it."""

    def __init__(self, world: Surroundings, number: str, lid: Jid, name: str) -> None:
        self.world = world
        self.number = number
        self.jid = Jid(number)
        self.lid = lid
        self.name = name
        self.about = "Hey there! I am using a simulator."
        self.picture = b""
        self.blocked: set[Jid] = set()
        # Who sees statuses: "contacts", all but the listed ("blacklist"), or only the listed ("whitelist").
        self.status_audience: tuple[str, tuple[Jid, ...]] = ("contacts", ())
        self.contacts: dict[Jid, str] = {}  # the phone's address book; set it before a device is linked
        self.platform = "android"
        self.business_name = ""
        # Link a device only if it proves the account's passkey: "asked" or, in a form that no client reads, "unreadable".
        self.passkey: Literal["asked", "unreadable"] | None = None
        self.signal = SignalDevice()
        self.app_state = AppState()
        self.devices: dict[int, LinkedDevice] = {}
        self.calls: Feed[Node] = Feed()  # what linked devices did with calls from here
        self.chat_states: Feed[Node] = Feed()
        self._last_device = 0

    def next_device_number(self) -> int:
        self._last_device += 1
        return self._last_device

    @abstractmethod
    def greet(self, device: LinkedDevice) -> None:
        """A linked device is ready for messages, perhaps for the first time."""

    @abstractmethod
    def receive(self, device: LinkedDevice, stanza: Node, group: Jid | None, encrypted: list[Node]) -> None:
        """A linked device sent a message to this account; `encrypted` are the parts meant for the phone."""

    @abstractmethod
    def on_receipt(self, device: LinkedDevice, stanza: Node) -> None:
        """A linked device confirms messages that the phone sent, or asks for one again."""


class LinkedDevice:
    """Made by `Phone.scan` and `Phone.enter_code`; `number` counts from 1 on each phone."""

    def __init__(self, phone: Account, number: int, registration: Registration) -> None:
        self.phone = phone
        self.number = number
        self.registration = registration
        self.refusal: Refusal | None = None
        self.removed = False
        # Fault of logging in: accept the connection and never say whether it is welcome.
        self.ignore_logins = False
        self.connection: ClientConnection | None = None
        self.logins = 0
        self.greeted = False
        self.undelivered: dict[str, Node] = {}
        # Faults of sending: answer each message with this error code, or do not answer at all.
        self.send_error: int | None = None
        self.next_send_errors: deque[int | None] = deque()  # for the next messages, before `send_error` applies
        self.hold_acks = False
        # Stanzas that the device sent to the server.
        self.receipts: Feed[Node] = Feed()
        self.presences: Feed[Node] = Feed()
        self._one_time: deque[tuple[int, bytes]] = deque()
        self._active = False
        self._changed = trio.Event()

    @property
    def jid(self) -> Jid:
        return self.phone.jid.with_device(self.number)

    @property
    def lid(self) -> Jid:
        return self.phone.lid.with_device(self.number)

    @property
    def is_active(self) -> bool:
        """Logged in, and past everything that a client does before it reports itself connected."""
        return self._active and self.connection is not None

    async def wait_active(self) -> None:
        """Wait until the device is logged in and ready for messages; the caller brings the timeout."""
        while not self.is_active:
            await self._changed.wait()

    async def wait_gone(self) -> None:
        """Wait until the device has no connection."""
        while self.connection is not None:
            await self._changed.wait()

    # Sent by the server

    def connected(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.logins += 1
        self._active = False
        self._notify()

    def disconnected(self, connection: ClientConnection) -> None:
        if self.connection is connection:
            self.connection = None
            self._active = False
            self._notify()

    def activated(self) -> None:
        """The device wants its messages: those that wait go first."""
        self._active = True
        waiting = list(self.undelivered.values())
        if self.connection is not None and waiting:
            counts: Attrs = {
                "count": len(waiting),
                "message": len(waiting),
                "notification": 0,
                "receipt": 0,
                "appdata": 0,
            }
            self.connection.post(node("ib", {"from": SERVER}, [node("offline_preview", counts)]))
            for stanza in waiting:
                self.connection.post(Node(stanza.tag, {**stanza.attrs, "offline": "0"}, stanza.content))
            self.connection.post(node("ib", {"from": SERVER}, [node("offline", {"count": len(waiting)})]))
        self._notify()

    def deliver(self, stanza: Node) -> None:
        """Send a message, and keep it until the device confirms it."""
        self.undelivered[stanza.get("id")] = stanza
        if self.is_active and self.connection is not None:
            self.connection.post(stanza)

    def tell(self, stanza: Node) -> None:
        """Send something that is not worth keeping."""
        if self.is_active and self.connection is not None:
            self.connection.post(stanza)

    def acknowledge(self, stanza: Node) -> None:
        """Send an acknowledgement, which does not wait until the device asks for its messages."""
        if self.connection is not None:
            self.connection.post(stanza)

    def confirmed(self, message_id: str) -> None:
        self.undelivered.pop(message_id, None)

    # Keys

    @property
    def prekey_count(self) -> int:
        return len(self._one_time)

    def store_prekeys(self, keys: list[tuple[int, bytes]]) -> None:
        self._one_time.extend(keys)

    def drop_prekeys(self) -> None:
        """Lose the one-time keys, as after many strangers wrote."""
        self._one_time.clear()

    def take_bundle(self) -> PreKeyBundle:
        """A bundle for a stranger: uses up one one-time key, or has none when they are used up."""
        number, key = self._one_time.popleft() if self._one_time else (None, None)
        own = self.registration
        if self._one_time and len(self._one_time) == self.phone.world.settings.low_prekeys:
            self.ask_for_prekeys()
        return PreKeyBundle(
            own.registration_id, own.identity_public, own.signed_id, own.signed_key, own.signature, number, key
        )

    def ask_for_prekeys(self) -> None:
        """Tell the device how many one-time keys are left; below five it uploads more."""
        attrs: Attrs = {"from": SERVER, "type": "encrypt", "id": self.phone.world.new_id(), "t": self.phone.world.now()}
        self.tell(node("notification", attrs, [node("count", {"value": self.prekey_count})]))

    # Faults and decisions

    def remove(self) -> None:
        """Unlink the device, as its owner does on the phone: a connected client learns of it and forgets its keys."""
        self.removed = True
        self.phone.devices.pop(self.number, None)
        if self.connection is not None:
            self.stream_error(401, node("conflict", {"type": "device_removed"}))

    def replace(self) -> None:
        """Close the connection as when the same device logs in elsewhere."""
        if self.connection is not None:
            replaced = node("stream:error", {}, [node("conflict", {"type": "replaced"})])
            connection, self.connection = self.connection, None
            connection.farewell(replaced)
            self._notify()

    def stream_error(self, code: int, detail: Node | None = None, *, close: bool = True) -> None:
        """Send `<stream:error code=...>`; with `close=False` the connection stays open, as WhatsApp does at times."""
        if self.connection is not None:
            stanza = node("stream:error", {"code": code}, [detail] if detail else None)
            if close:
                self.connection.farewell(stanza)
            else:
                self.connection.post(stanza)

    def refuse(self, reason: int, **details: str | int) -> None:
        """Answer each further login with `<failure reason=...>`; cut the connection if there is one."""
        self.refusal = Refusal(reason, {name: str(value) for name, value in details.items()})
        self.drop()

    def ban(self, *, code: int = 101, seconds: int = 3600) -> None:
        """Ban the account for a time."""
        self.refuse(TEMPORARY_BAN, code=code, expire=seconds)

    def admit(self) -> None:
        """Take back a refusal."""
        self.refusal = None

    def drop(self) -> None:
        """Cut the connection without a word."""
        if self.connection is not None:
            self.connection.drop()

    def silence(self, silent: bool = True) -> None:
        """Swallow the traffic in both directions, or stop doing so; the connection stays open."""
        if self.connection is not None:
            self.connection.silent = silent

    def slow(self, seconds: float) -> None:
        """Wait that long before each stanza that is sent."""
        if self.connection is not None:
            self.connection.delay = seconds

    def malformed(self, data: bytes = b"\0\xf8\x05\xff") -> None:
        """Send a frame that is not a stanza."""
        if self.connection is not None:
            self.connection.post_raw(data)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
