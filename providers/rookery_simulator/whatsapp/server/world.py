"""Everything that the simulated WhatsApp knows, and the dispatch of what clients say."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from ..crypto.noise import Authority
from ..feed import Feed
from ..phone.phone import Phone
from ..stanza.jid import LID_SERVER, Jid
from ..stanza.node import Node
from . import channels, groups, pairing_flow, queries, routing
from .media import MediaStore

if TYPE_CHECKING:
    from .connection import ClientConnection
    from .linked_device import LinkedDevice
    from .login import Refusal

LID_PREFIX = "1000"  # a phone number with this before it is its hidden identifier here


@dataclass
class Settings:
    """The server's behaviour; tests may change it at any time."""

    # References in one round. WhatsApp sends six, which last 60 + 5 * 20 s; with fewer each lasts 20 s.
    qr_codes: int = 6
    # The form of the address that messages come from: "lid" as today, "pn" as it was before, "hidden" for a lid alone.
    addressing: str = "lid"
    # The server asks for more one-time keys when this many are left.
    low_prekeys: int = 10
    # New devices make 812 one-time keys, as on the real server; without, 50, which takes half of the time of linking one.
    many_prekeys: bool = True
    # Seconds that a scripted phone takes to send again what a device could not decrypt.
    retry_delay: float = 0.2
    # Acknowledgements say when a message was accepted.
    ack_times: bool = True
    # The server makes devices log in again after pairing; otherwise they stay on a connection that sends nothing more.
    restart_is_heard: bool = True
    # Scripted phones confirm what they receive.
    delivery_receipts: bool = True


class World:
    """One instance per simulator; no I/O, so every method but one returns at once."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.authority = Authority()
        self.media = MediaStore()
        self.phones: dict[str, Phone] = {}
        self.groups: dict[Jid, groups.Group] = {}
        # Numbers as people write them, and the one under which the account is known.
        self.other_numbers: dict[str, str] = {}
        self.channels: dict[Jid, channels.Channel] = {}
        self.connections: set[ClientConnection] = set()
        self.references: dict[str, ClientConnection] = {}
        self.code_requests: Feed[pairing_flow.CodeRequest] = Feed()
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

    def phone(self, number: str, name: str | None = None) -> Phone:
        """The phone with this number (digits, country code first), made on first use."""
        if number not in self.phones:
            if not number.isdecimal():
                raise ValueError(f"a phone number is digits only: {number!r}")
            self.phones[number] = Phone(self, number, Jid(LID_PREFIX + number, LID_SERVER), name or f"User {number}")
        elif name is not None:
            self.phones[number].name = name
        return self.phones[number]

    def phone_at(self, jid: Jid) -> Phone | None:
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
        if connection.device is not None:
            connection.device.disconnected(connection)

    def handle(self, connection: ClientConnection, stanza: Node) -> None:
        """Act on one stanza from a client."""
        if stanza.tag == "iq":
            queries.handle(self, connection, stanza)
        elif connection.device is not None:
            routing.handle(self, connection.device, stanza)
