"""An engine with Telegram bots against the simulator, for tests over real sockets: everything quick."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from rookery import Engine, EngineSettings, Event, EventQuery, Session, SessionStatus, open_engine
from rookery.store.contract import Store
from rookery.store.open import MemoryStore
from rookery_simulator import BotApiSimulator, open_bot_api_simulator
from rookery_simulator.bot_api import SimulatedBot
from rookery_telegram import Rates, Telegram

TOKEN = "123456:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"
SECRET = TOKEN.partition(":")[2]
DEADLINE = 30.0
UNLIMITED = Rates(overall=0, per_chat=0, per_group=0)

QUICK = EngineSettings(
    backoff_network=0.05,
    backoff_server_error=0.05,
    backoff_rate_limit=0.05,
    backoff_conflict=0.05,
    backoff_internal_error=0.05,
    backoff_jitter=0.0,
    send_timeout=5.0,
)


class Setup:
    """One engine, one simulator; `bot` is the simulator's side of the session `shop`."""

    def __init__(self, engine: Engine, simulator: BotApiSimulator) -> None:
        self.engine = engine
        self.simulator = simulator

    @property
    def bot(self) -> SimulatedBot:
        return self.simulator.bot(TOKEN)

    async def add(self, id: str = "shop", token: str = TOKEN, **fields: Any) -> Session:
        return await self.engine.create_session(id=id, platform="telegram", credentials={"token": token}, **fields)

    async def status(self, *statuses: SessionStatus, id: str = "shop") -> Session:
        with trio.fail_after(DEADLINE):
            return await self.engine.wait_status(id, *statuses)

    async def connected(self, id: str = "shop") -> Session:
        return await self.status(SessionStatus.CONNECTED, id=id)

    async def polling(self) -> None:
        """Return when a poll of the bot waits at the server."""
        await self.until(lambda: self.bot.polls.has_waiting)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Looked at whenever a request reaches the simulator or ends."""
        with trio.fail_after(DEADLINE):
            await self.simulator.wait_until(condition)

    async def events(self, count: int, **query: Any) -> list[Event]:
        """The first `count` events of the platform, once there are so many; what happens to sessions only by `types`."""
        with trio.fail_after(DEADLINE):
            found: list[Event] = []
            async for event in self.engine.events(after=0, **query):
                if "types" in query or not event.type.startswith("session."):
                    found.append(event)
                if len(found) == count:
                    break
        return found

    async def texts(self, count: int) -> list[str]:
        return [event.body["text"] for event in await self.events(count, types=["message"])]

    async def stored(self) -> int:
        return len(await self.engine.read_events(EventQuery(types=("message",), limit=100_000)))


@asynccontextmanager
async def open_setup(
    simulator: BotApiSimulator,
    *,
    store: Store | None = None,
    settings: EngineSettings = QUICK,
    poll_timeout: int = 20,
    rates: Rates = UNLIMITED,
    add: bool = True,
    clock: Callable[[], float] = time.time,
    **fields: Any,
) -> AsyncIterator[Setup]:
    """With `add` the session `shop` exists and is connected."""
    telegram = Telegram(api_url=simulator.url, poll_timeout=poll_timeout, rates=rates)
    async with open_engine(
        providers=[telegram], store=store or MemoryStore(), settings=settings, clock=clock
    ) as engine:
        setup = Setup(engine, simulator)
        if add:
            await setup.add(**fields)
            await setup.connected()
            await setup.polling()
        yield setup


@asynccontextmanager
async def open_quick_simulator(**settings: Any) -> AsyncIterator[BotApiSimulator]:
    """Without the waits of the real server that make tests slow."""
    async with open_bot_api_simulator(
        **{"repeat_wait": 0, "repeat_single": 0, "conflict_hold": 0, **settings}
    ) as simulator:
        yield simulator
