"""The host is cancelled at random moments, again and again, also while it opens: every update is stored once and in order,
and no send leaves twice."""

from __future__ import annotations

import random
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import trio

from rookery import Engine, EventQuery, open_engine
from rookery.errors import RookeryError
from rookery_simulator import BotApiSimulator
from rookery_telegram import Telegram
from support.telegram_engine import QUICK, UNLIMITED, open_quick_simulator
from support.waiting import until_found

BOTS = 3
LIVES = 6
PATIENCE = 30.0


class Host:
    """A program that embeds the engine, writes to people and reads what they write."""

    def __init__(self, simulator: BotApiSimulator, database: Path, rng: random.Random) -> None:
        self.simulator = simulator
        self.bots = {f"bot-{number}": simulator.new_bot() for number in range(BOTS)}
        self.written: dict[str, list[str]] = {id: [] for id in self.bots}
        self._database = database
        self._rng = rng

    def open(self) -> AbstractAsyncContextManager[Engine]:
        telegram = Telegram(api_url=self.simulator.url, poll_timeout=5, rates=UNLIMITED)
        return open_engine(store=f"sqlite:///{self._database}", providers=[telegram], settings=QUICK)

    async def run(self, life: int) -> None:
        async with self.open() as engine, trio.open_nursery() as nursery:
            await self.add(engine)
            for id in self.bots:
                nursery.start_soon(self._send, engine, id, life)
            async for _ in engine.events(after=0):
                pass

    async def add(self, engine: Engine) -> None:
        for id, bot in self.bots.items():
            await engine.create_session(id=id, platform="telegram", credentials={"token": bot.token}, exist_ok=True)

    async def _send(self, engine: Engine, id: str, life: int) -> None:
        for number in range(10_000):
            text = f"{life}-{number}"
            to = str(self._rng.randrange(1, 6))
            try:
                await engine.send(id, to=to, text=text, idempotency_key=f"{id}-{text}")
            except RookeryError:
                await trio.sleep(0.01)

    async def people(self, steps: int) -> None:
        """People write now and then, for this many turns of the scheduler."""
        for _ in range(steps):
            if self._rng.random() < 0.3:
                id = self._rng.choice(list(self.bots))
                update = self.bots[id].push_text("hello", chat_id=self._rng.randrange(1, 5))
                assert update is not None
                self.written[id].append(str(update.id))
            await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_or_repeated(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    async with open_quick_simulator() as simulator:
        host = Host(simulator, tmp_path / "bots.db", rng)
        for life in range(LIVES):
            with trio.fail_after(PATIENCE):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(host.run, life)
                    await host.people(rng.choice([rng.randrange(60), rng.randrange(1500)]))
                    nursery.cancel_scope.cancel()
        async with host.open() as engine:
            await host.add(engine)
            total = sum(map(len, host.written.values()))
            events = await until_found(
                lambda: engine.read_events(EventQuery(types=("message",), limit=10_000)),
                lambda events: len(events) >= total,
                seconds=PATIENCE,
            )
        for id, bot in host.bots.items():
            assert [event.key for event in events if event.session == id] == host.written[id]
            sent = [message.text for message in bot.sent]
            assert len(sent) == len(set(sent))
            assert bot.errors[409] == 0
