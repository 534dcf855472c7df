"""The whole state of the simulated WhatsApp."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from ...crypto.noise import Authority
from ...feed import Feed
from ...stanza.jid import LID_SERVER, Jid
from ...stanza.node import Node
from ..connection import ClientConnection
from ..media import MediaStore
from .accounts import Account, LinkedDevice
from .channel import Channel
from .group import Group
from .registration import Refusal
from .settings import Settings

LID_PREFIX = "1000"  # a phone number with this before it is its hidden identifier here


@dataclass
class CodeRequest:
    """A device is waiting for its pairing code to be typed into the phone `number`."""

    number: str
    connection: ClientConnection
    wrapped_device_key: bytes
    reference: bytes = field(default_factory=lambda: secrets.token_urlsafe(30).encode())
    on_finish: Callable[[bytes, bytes], None] | None = None


class World:
    """One instance per simulator; no I/O, so every method but one returns at once."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.authority = Authority()
        self.media = MediaStore()
        self.phones: dict[str, Account] = {}
        self.groups: dict[Jid, Group] = {}
        # Numbers as people write them, and the one under which the account is known.
        self.other_numbers: dict[str, str] = {}
        self.channels: dict[Jid, Channel] = {}
        self.connections: set[ClientConnection] = set()
        # Connections that have logged in, and the device of each.
        self.devices: dict[ClientConnection, LinkedDevice] = {}
        self.references: dict[str, ClientConnection] = {}
        self.code_requests: Feed[CodeRequest] = Feed()
        # Set it to answer every login and every pairing with a failure.
        self.refusal: Refusal | None = None
        # Queries that the simulator does not know; it answered them with an empty result.
        self.unknown_queries: Feed[Node] = Feed()
        # Actions to do later, with the seconds until then.
        self.agenda: Feed[tuple[float, Callable[[], None]]] = Feed()

    async def keep_agenda(self) -> None:
        """Run the scripted phones' agenda items when they are due, until cancelled."""

        async def wait(seconds: float, action: Callable[[], None]) -> None:
            await trio.sleep(seconds)
            action()

        position = 0
        async with trio.open_nursery() as nursery:
            while True:
                seconds, action = await self.agenda.wait_for(start=position)
                position += 1
                nursery.start_soon(wait, seconds, action)

    def now(self) -> int:
        """Seconds since 1970."""
        return int(time.time())

    def new_id(self) -> str:
        return os.urandom(9).hex().upper()

    def hidden(self, number: str) -> Jid:
        """The hidden address of the account with this number."""
        return Jid(LID_PREFIX + number, LID_SERVER)

    def phone_at(self, jid: Jid) -> Account | None:
        """The phone behind either form of address, or None."""
        number = jid.user.removeprefix(LID_PREFIX) if jid.server == LID_SERVER else jid.user
        return self.phones.get(number)

    def device_at(self, jid: Jid) -> LinkedDevice | None:
        """The linked device behind either form of address; None for a phone itself."""
        phone = self.phone_at(jid)
        return phone.devices.get(jid.device) if phone else None

    def connection_closed(self, connection: ClientConnection) -> None:
        self.connections.discard(connection)
        for reference in [key for key, value in self.references.items() if value is connection]:
            del self.references[reference]
        device = self.devices.pop(connection, None)
        if device is not None:
            device.disconnected(connection)
