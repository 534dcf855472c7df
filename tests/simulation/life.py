"""One life of a cluster, from a seed to a verdict."""

from __future__ import annotations

import hashlib
import logging
import random
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import msgspec
import trio

from rookery import EngineSettings
from rookery.model import Health, Reason, Session, SessionStatus, Webhook
from rookery.store.rows.sessions import NEW_SESSION_COLUMNS, session_to_row
from rookery.store.rows.webhooks import WEBHOOK_COLUMNS, webhook_to_row
from rookery_telegram import Telegram as TelegramProvider
from rookery_telegram.receiving.position import Position
from rookery_whatsapp.provider import WhatsApp as WhatsAppProvider

from . import checks
from .determinism import deterministic
from .faults import Fault, draw, draw_rare
from .injection import Injector
from .load import Clients, Load
from .machines import Machine, Process, release
from .outside.database import SharedDatabase
from .outside.endpoints import Endpoints
from .outside.sqlite_file import SqliteFile
from .outside.telegram import SimulatedApi, Telegram
from .outside.whatsapp import WhatsApp
from .outside.whatsapp_worker import CALM, SimulatedWorker
from .watch import Watch
from .world import EPOCH, VirtualClock, World

MACHINES = 3
SESSIONS = 20
PHONES = 5
"""Of the sessions, the last so many are WhatsApp accounts."""
ENDPOINTS = 2
FAULTS_UNTIL = 2400.0
"""Seconds; then everything is mended, and has to recover."""
LIFE = 3660.0
"""Seconds of a whole life."""
WEEK = 8 * 86_400.0
SLOWNESS = (4.0, 10.0, 20.0, 30.0, 40.0, 40.0, 40.0, 40.0)
"""How many times longer than usual the intervals of a life may be."""
RARER = {
    "rookery.background.chat_view.DUTY_SECONDS": 900.0,
    "rookery.background.chat_view.POLL_INTERVAL": 300.0,
    "rookery.background.chat_view.DELAY": 120.0,
    "rookery.background.clock_watch.LOOK_INTERVAL": 120.0,
    "rookery.background.keyring.FLUSH_INTERVAL": 240.0,
    "rookery.background.minutes.MINUTE": 1200.0,
    "rookery.background.probes.TICK": 15.0,
    "rookery.background.retention.EXPIRY_INTERVAL": 100.0,
    "rookery.background.scheduler.LOOK_INTERVAL": 240.0,
    "rookery.outbound.strays.SWEEP_INTERVAL": 120.0,
}
"""Constants of periodic work without any part in what is tested, and what they are here: a third of the time otherwise."""


RETRIES = {
    "rookery.cluster.listener.DEAF_POLL_INTERVAL": 1.0,
    "rookery.cluster.calls.STORE_RETRY_DELAY": 0.5,
    "rookery.background.scheduler.STORE_RETRY_DELAY": 0.5,
    "rookery.delivery.dispatcher.STORE_RETRY_DELAY": 0.5,
    "rookery.delivery.endpoint.STORE_RETRY_DELAY": 0.5,
    "rookery.runtime.status_board.RETRY_DELAY": 0.25,
    "rookery.supervisor.leases.RETRY_DELAY": 0.5,
    "rookery.supervisor.supervisor.STORE_RETRY_DELAY": 0.5,
}
"""Pauses while the database does not answer, multiplied by the slowness of the life, like its intervals."""


class Result(msgspec.Struct):
    """What became of one life."""

    seed: int
    violations: list[str]
    faults: list[Fault]
    story: list[tuple[float, str]]
    arrows: Counter[tuple[str, str]]
    meetings: Counter[tuple[str, str]]  # (kind of fault, status of a session that it met)
    counts: dict[str, int]

    @property
    def text(self) -> str:
        """The story, one line for each thing that happened."""
        return "".join(f"{at:12.6f}  {what}\n" for at, what in self.story)

    @property
    def digest(self) -> str:
        """Equal for equal stories."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def settings_of(dice: random.Random, *, focused: bool = False) -> EngineSettings:
    """Slower than in production, mostly, with the same proportions: an hour costs less, and more of it is faults."""
    slow = dice.choice(SLOWNESS)
    if focused:  # short leases, so that more of them end
        slow = SLOWNESS[0]
    return EngineSettings(
        lease_ttl=15.0 * slow,
        lease_renew_interval=4.0 * slow,
        lease_margin=2.0 + 0.2 * slow,
        cluster_poll_interval=3.0 * slow,
        claim_patience=0.5 * slow,
        rebalance_interval=5.0 * slow,
        rebalance_batch=dice.choice((1, 3, 20)),
        recovery_interval=60.0 * slow,
        cleaner_interval=900.0,
        prune_interval=dice.choice((300.0, 900.0)),
        health_interval=1200.0,
        deep_check_interval=dice.choice((400.0, 1200.0)),
        health_warmup=dice.choice((15.0, 120.0)),
        memory_interval=1e6,
        backlog_interval=5.0 * slow,
        backoff_max=dice.choice((60.0, 300.0)),
        reconnect_attempts=dice.choice((5, 20)),
        webhook_attempts=dice.choice((4, 12)),
        webhook_backoff_max=dice.choice((30.0, 120.0)),
        webhook_timeout=15.0,
        status_events=dice.random() < 0.3,
        max_event_backlog=dice.choice((5, 100_000)),
        start_concurrency=dice.choice((2, 32)),
        message_ttl=dice.choice((300.0, 86_400.0)),
    )


class Life:
    """Everything in one world."""

    def __init__(
        self,
        nursery: trio.Nursery,
        world: World,
        faults: Sequence[Fault] | None,
        *,
        on_file: bool,
        focus: Collection[str] = (),
    ) -> None:
        self.world = world
        self.brief = False
        dice = world.random("plan")
        self.settings = settings_of(dice, focused=bool(focus))
        self.poll_timeout = dice.choice((50, 300, 600))  # a longer poll than Telegram's costs less
        bots = SESSIONS - PHONES
        self.sessions = [f"bot{number:02}" if number < bots else f"phone{number}" for number in range(SESSIONS)]
        database: Any = SqliteFile(world) if on_file else SharedDatabase(world)
        self.database = database
        self.telegram = Telegram(world, self.database)
        self.telegram.lease = self.settings.lease_ttl
        self.whatsapp = WhatsApp(world, self.database)
        self.endpoints = Endpoints(world)
        machines = 1 if on_file else MACHINES
        self.machines = [Machine(f"m{number}", world, nursery, self._parts) for number in range(machines)]
        self.clients = Clients(world, self.machines, self.database.observer)
        self.faults = (
            list(faults)
            if faults is not None
            else draw(
                dice,
                until=FAULTS_UNTIL,
                lease=self.settings.lease_ttl,
                machines=machines,
                sessions=SESSIONS,
                endpoints=ENDPOINTS,
                focus=focus,
            )
            + ([] if focus else draw_rare(world.random("rare"), until=FAULTS_UNTIL, sessions=SESSIONS))
        )
        self.load = Load(world.random("load"), self.sessions, until=FAULTS_UNTIL + 200.0, busy=bool(focus))
        self.injector = Injector(self)
        self.watch = Watch(self)
        SimulatedApi.telegram = self.telegram
        SimulatedWorker.model = self.whatsapp

    def _parts(self, process: Process) -> dict[str, Any]:
        telegram = TelegramProvider(api_url="http://telegram")
        telegram._poll_timeout = self.poll_timeout
        whatsapp = WhatsAppProvider(workers=CALM)
        whatsapp._devices = self.whatsapp
        pool: Any = whatsapp.pool
        pool._dismiss_idle = trio.sleep_forever  # it would look every second
        return {
            "providers": [telegram, whatsapp],
            "store": self.database.store(process),
            "settings": self.settings,
        }

    def prepare(self) -> None:
        """Sessions, some of them with a past, and webhooks."""
        dice, connection = self.world.random("sessions"), self.database.connection
        for number, name in enumerate(self.sessions):
            enabled = dice.random() < 0.95
            if name.startswith("phone"):
                phone = self.whatsapp.add(name, number)
                self._insert(name, "whatsapp", {"jid": phone.jid, "account": phone.number}, None, enabled=enabled)
                continue
            bot = self.telegram.add(name, 1000 + number, dice.randrange(1000, 500_000_000))
            cursor = None
            if dice.random() < 0.2:  # it was silent for more than a week: its ids begin anew
                cursor = Position(dice.randrange(1000, 500_000_000), 3, EPOCH - WEEK, bot.id).dump()
            self._insert(name, "telegram", {"token": bot.token}, cursor, enabled=enabled)
        for number in range(ENDPOINTS):
            session = self.sessions[0] if number else None
            webhook = Webhook(
                id=f"hook{number}",
                url="http://endpoint",
                secret="s",
                events=("message",),
                session=session,
            )
            row = webhook_to_row(webhook, self.database.box)
            places = ", ".join("?" * len(row))
            uid = connection.execute("SELECT uid FROM sessions WHERE id = ?", (session,)).fetchone()
            connection.execute(
                f"INSERT INTO webhooks (uid, {WEBHOOK_COLUMNS}) VALUES (?, {places})",
                (uid and uid[0], *row),
            )
            self.endpoints.of(webhook.id)

    def _insert(
        self, name: str, platform: str, credentials: dict[str, str], cursor: str | None, *, enabled: bool
    ) -> None:
        health = Health(status=SessionStatus.DISCONNECTED, reason=Reason.CREATED, detail="new", since=EPOCH)
        session = Session(
            id=name,
            platform=platform,
            name=name,
            enabled=enabled,
            credentials=credentials,
            health=health,
            cursor=cursor,
            created_at=EPOCH,
            updated_at=EPOCH,
        )
        row = session_to_row(session, self.database.box)
        places = ", ".join("?" * len(row))
        self.database.connection.execute(f"INSERT INTO sessions ({NEW_SESSION_COLUMNS}) VALUES ({places})", row)
        self.database.observer.enabled[name] = enabled
        self.database.observer.status[name] = "DISCONNECTED/CREATED"

    def write(self, session: str, chat: int, text: str) -> None:
        """Somebody writes to the session."""
        if session in self.whatsapp.by_session:
            self.whatsapp.write(session, text)
        else:
            self.telegram.write(self.telegram.by_session[session], chat, text)

    def arrived(self, session: str, text: str) -> int:
        """How often a text of the session has reached its platform."""
        phone = self.whatsapp.by_session.get(session)
        return (phone or self.telegram.by_session[session]).arrived[text]

    def schedule(self) -> None:
        """Put the plan on the calendar."""
        world = self.world
        for at, session, chat, text in self.load.writes:
            world.at(at, self.write, session, chat, text)
        for at, session, chat, text, delay in self.load.sends:
            world.at(at, self.clients.send, session, chat, text, delay)
        for fault in self.faults:
            world.at(fault.at, self.injector.apply, fault)
        world.at(FAULTS_UNTIL, self.injector.mend)
        world.at(FAULTS_UNTIL + 120.0, self.injector.revive)

    async def run(self) -> None:
        """Live until the end, then look at everything once more."""
        self.prepare()
        self.schedule()
        self.watch.begin()
        start = self.world.random("start")
        for machine in self.machines:
            self.world.at(start.uniform(0.0, 5.0), machine.start)
        with trio.move_on_at(LIFE) as scope:
            if self.brief:
                self.world.on_violation = scope.cancel
            await trio.sleep_forever()
        if self.world.now >= LIFE:
            checks.at_the_end(self)


def live(
    seed: int,
    faults: Sequence[Fault] | None = None,
    *,
    on_file: bool = False,
    brief: bool = False,
    focus: Collection[str] = (),
) -> Result:
    """One life; the same arguments give the same story.

    Args:
        on_file: one engine on the SQLite store, instead of three on a shared database.
        brief: the life ends with the first violation.
        focus: kinds of faults of which the life mostly consists; its leases are short and its people busy.
    """
    world = World(seed)
    found: list[Life] = []
    slow = settings_of(world.random("plan"), focused=bool(focus)).lease_ttl / 15.0
    with deterministic(world), _quiet(world), _outside(slow):

        async def main() -> None:
            async with trio.open_nursery() as nursery:
                life = Life(nursery, world, faults, on_file=on_file, focus=focus)
                life.brief = brief
                found.append(life)
                try:
                    await life.run()
                finally:
                    world.over = True
                    processes = [m.process for m in life.machines if m.process is not None]
                    for process in [*processes, *sorted(world.frozen, key=lambda one: one.name)]:
                        process.scope.cancel()
                        if process.engine is not None:
                            process.engine.stop_now()
                    frozen, world.frozen = world.frozen, set()
                    for process in sorted(frozen, key=lambda one: one.name):
                        release(process)

        with patch("rookery.delivery.dispatcher.open_transport", lambda *a: found[0].endpoints.open_transport(*a)):
            trio.run(main, clock=VirtualClock(world))
    life = found[0]
    if on_file:
        life.database.close()
    return Result(
        seed,
        world.violations,
        life.faults,
        world.story,
        life.database.observer.arrows,
        life.injector.meetings,
        {
            "updates": len(life.load.writes),
            "stored": sum(life.database.observer.received.values()),
            "sends": len(life.database.observer.states),
            "deliveries": sum(sum(one.taken.values()) for one in life.endpoints.by_webhook.values()),
            "claims": life.database.observer.claims,
            "faults": len(life.faults),
        },
    )


@contextmanager
def _outside(slow: float) -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(patch("rookery_telegram.bot_api.api.BotApi", SimulatedApi))
        stack.enter_context(patch("rookery_whatsapp.worker_pool.pool.WorkerProcess", SimulatedWorker))
        for name, value in RARER.items():
            stack.enter_context(patch(name, value))
        for name, value in RETRIES.items():
            stack.enter_context(patch(name, value * slow))
        yield


class _Unexpected(logging.Handler):
    """What a part did not expect is a bug, whatever became of it."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or getattr(record, "exception", None) or "unexpected" in record.getMessage():
            self._world.violate(f"logged: {record.getMessage()} {getattr(record, 'exception', '')}"[-1500:])


@contextmanager
def _quiet(world: World) -> Iterator[None]:
    logger = logging.getLogger("rookery")
    level, propagate = logger.level, logger.propagate
    handler = _Unexpected(world)
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
