"""WhatsApp at the level of the worker's protocol: a library that acknowledges before anything is stored.

The server forgets a message once the library has it; the worker keeps up to a hundred in a file, and gives the engine one at
a time. What a worker holds when it dies stays on the disk of its machine, for the next client of the session there.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
import trio

from rookery_whatsapp import protocol as p

from ..machines import Process
from ..world import World
from .database import SharedDatabase

CHANNEL = 100
"""Messages that the library holds."""

PATIENCE = 1.2
"""Seconds that a client which was asked to stop waits for the engine to store what it holds."""


class Phone:
    """One account at WhatsApp."""

    def __init__(self, session: str, number: int) -> None:
        self.session = session
        self.number = f"49151{number:08}"
        self.jid = f"{self.number}:1@s.whatsapp.net"
        self.devices = 1
        self.waiting: deque[str] = deque()  # at the server
        self.texts: list[str] = []
        self.arrived: Counter[str] = Counter()
        self.disks: dict[str, list[str]] = {}  # acknowledged and not stored, by the machine whose disk has them
        self.machine = ""  # where its last client ran
        self.late: set[str] = set()  # stored after the session had run on another machine
        self.client: Client | None = None
        self.linked = True
        self.asked = 0  # codes that were never scanned
        self.half_dead_until = -1.0  # until then, the library says that its login is gone
        self.ignored_until = -1.0  # until then, its owner scans no code
        self.types = True  # its owner types the codes that are asked for
        self.passkey = False  # it can be linked only with its passkey


class WhatsApp:
    """The server, and the phones of all accounts."""

    def __init__(self, world: World, database: SharedDatabase) -> None:
        self.world = world
        self.database = database
        self.chance = world.random("whatsapp")
        self.by_session: dict[str, Phone] = {}
        self.pids = 0

    def add(self, session: str, number: int) -> Phone:
        """A linked account."""
        phone = self.by_session[session] = Phone(session, number)
        return phone

    def write(self, session: str, text: str) -> None:
        """Somebody writes to the account."""
        phone = self.by_session[session]
        phone.texts.append(text)
        phone.waiting.append(text)
        self.world.tell(f"{session}: {text} arrives at WhatsApp")
        if phone.client is not None:
            phone.client.pull()

    def unlink(self, phone: Phone, reason: int = 401) -> None:
        """The owner of the phone removes the device, or WhatsApp does."""
        phone.linked = False
        self.database.observer.may_disable.add(phone.session)
        if phone.client is not None:
            phone.client.tell("logged_out", reason=reason, on_connect=False)
            phone.client.gone()

    def unstored(self, phone: Phone) -> list[str]:
        """Texts that are neither in the log nor on the disk of a machine that does not run the session now."""
        received = self.database.observer.received
        elsewhere = {text for machine, left in phone.disks.items() if machine != phone.machine for text in left}
        return [text for text in phone.texts if not received[text] and text not in elsewhere]

    # The devices' keys, as `rookery_whatsapp.device.devices.DeviceStore`

    shared = False

    async def database_for(self, session: str) -> str:
        await trio.lowlevel.checkpoint()
        return "keys"

    async def holds(self, session: str, jid: str) -> bool:
        await trio.lowlevel.checkpoint()
        return self.by_session[session].jid == jid

    async def message_secrets(self, session: str, jid: str, message_id: str) -> list[Any]:
        return []

    async def keep_history(self, session: str, slices: Sequence[bytes]) -> None:
        raise NotImplementedError("its phones have no past")

    async def next_history(self, session: str, done: int | None) -> tuple[int, bytes] | None:
        return None

    async def other_names(self, session: str, user: str) -> list[str]:
        return []

    async def forget(self, session: str, jid: str | None) -> None:
        await trio.lowlevel.checkpoint()


class Host(Protocol):
    """The worker of a client: `whatsapp_worker.SimulatedWorker`."""

    model: WhatsApp
    clients: dict[int, Client]
    process: Process

    @property
    def dead(self) -> bool:
        """True when its process has ended."""

    def say(self, frame: Any) -> None:
        """Send a frame to the engine."""

    def die(self, why: str) -> None:
        """End its process."""


class Client:
    """One connection of the library, in a worker."""

    def __init__(self, worker: Host, start: p.Start, phone: Phone) -> None:
        self.worker = worker
        self.number = start.client
        self.phone = phone
        left = phone.disks.pop(self.machine, [])
        if phone.machine != self.machine:
            phone.late.update(left)
        phone.machine = self.machine
        self.held = deque(left)  # acknowledged, not stored
        self.given = 0  # the number of the event that the engine stores now
        self.online = False
        self.stopping = False
        self.paired = False  # a phone has scanned its code, or typed it

    @property
    def machine(self) -> str:
        """Whose disk it writes to."""
        return self.worker.process.machine.name

    def tell(self, kind: str, **detail: Any) -> None:
        """A notice for the engine."""
        self.worker.say(p.Notice(self.number, kind, detail))

    def online_now(self) -> None:
        """The server has accepted the login."""
        phone, other = self.phone, self.phone.client
        if self.worker.dead or self.stopping:
            return
        if not phone.linked:
            self.tell("logged_out", reason=401, on_connect=True)
            return
        if other is not None and other is not self:
            if other.worker.process.running and not other.stopping:
                self.worker.model.world.violate(f"two clients of {phone.session} at once")
            other.tell("replaced")
            other.gone()
        phone.client, self.online = self, True
        self.tell("connected")
        self.pull()

    def pull(self) -> None:
        """The library takes what the server has, and acknowledges it."""
        while self.online and not self.stopping and self.phone.waiting and len(self.held) < CHANNEL:
            self.held.append(self.phone.waiting.popleft())
        self.give()

    def give(self) -> None:
        """One event at a time goes to the engine."""
        if not self.held or self.given or self.worker.dead:
            return
        model, text = self.worker.model, self.held[0]
        model.pids += 1
        self.given = model.pids
        body = msgspec.json.encode(
            {
                "kind": "text",
                "message_id": text,
                "text": f"<<{text}>>",
                "from_me": False,
                "chat_type": "private",
                "sender": {"id": "a", "lid": None},
            }
        )
        raw = msgspec.json.encode({"text": f"<<{text}>>"})
        self.worker.say(p.Happened(self.number, self.given, "message", text, model.world.wall, "100", "a", body, raw))

    def stored(self, number: int) -> None:
        """The engine has stored it."""
        if number == self.given and self.held:
            self.held.popleft()
            self.given = 0
            self.pull()
            if self.stopping and not self.held:
                self.end()

    def stop(self) -> None:
        """Disconnect; what the library holds is given first."""
        self.stopping = True
        self.leave()
        if not self.held:
            self.end()
        else:
            self.worker.model.world.after(PATIENCE, self.abandon)

    def abandon(self) -> None:
        """The engine stores nothing, as when the database does not answer."""
        if self.held and not self.worker.dead:
            self.end()

    def end(self, error: str = "") -> None:
        """What it holds stays on the disk."""
        self.die()
        self.tell("ended", error=error)
        self.worker.clients.pop(self.number, None)

    def leave(self) -> None:
        """End the connection, and let the server know."""
        self.online = False
        if self.phone.client is self:
            self.phone.client = None

    def gone(self) -> None:
        """The library gives the connection up."""
        self.leave()

    def die(self) -> None:
        """With its worker, or because it ends: what it holds stays on the disk."""
        self.leave()
        received = self.worker.model.database.observer.received
        if left := [text for text in self.held if not received[text]]:
            self.phone.disks.setdefault(self.machine, []).extend(left)
            self.worker.model.world.tell(f"{self.phone.session}: {left} stay on the disk of {self.machine}")
        self.held.clear()
