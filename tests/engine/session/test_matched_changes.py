"""The tests' own check that every change of status is one `session.status` event: it detects a missing and a repeated one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import trio

from rookery import Engine
from rookery.store.contract import Store
from rookery.store.open import MemoryStore
from rookery_simulator.bot_api import BotApiSimulator, open_bot_api_simulator
from store.backends import PostgresBackend, run_sql
from support.engines.shared_engines import open_shared
from support.fake_platform import FakePlatform, add, connected, open_fake_engine, wall_clock
from support.server_process import open_server_process
from support.traffic import add_sessions, all_poll, settings_for
from support.waiting import until_found

NEWEST = "(SELECT max(id) FROM events WHERE type = 'session.status')"
MISSING = f"DELETE FROM events WHERE id = {NEWEST}"
COLUMNS = "uid, epoch, session, platform, type, time, chat, sender, body, raw, stored_at"
TWICE = (
    f"INSERT INTO events (id, key, {COLUMNS}) SELECT id + 1000, key || 'x', {COLUMNS} FROM events WHERE id = {NEWEST}"
)
RUN = (
    f"INSERT INTO event_runs (session, type, first, last) SELECT session, type, id, id FROM events WHERE id = {NEWEST}"
)
FOUND = "is not what the log tells"


def change(file: Path, statement: str) -> None:
    connection = sqlite3.connect(file, timeout=10)
    with connection:
        assert connection.execute(statement).rowcount == 1
        if statement == TWICE:
            connection.execute(RUN)
    connection.close()


async def come_up(engine: Engine) -> None:
    await add(engine)
    await connected(engine)
    await until_found(engine.read_events, lambda events: len(events) >= 2, seconds=30)


@pytest.mark.parametrize("statement", [MISSING, TWICE])
async def test_in_an_engine_of_a_test(tmp_path: Path, statement: str) -> None:
    async def live() -> None:
        async with open_fake_engine(FakePlatform(), f"sqlite:///{tmp_path}/rookery.db") as engine:  # type: ignore[arg-type]
            await come_up(engine)
            change(tmp_path / "rookery.db", statement)

    with pytest.raises(AssertionError, match=FOUND):
        await live()


async def test_in_an_engine_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    store: Store = MemoryStore(clock=wall_clock)

    async def live() -> None:
        async with open_fake_engine(FakePlatform(), store) as engine:
            await come_up(engine)
            await store.prune_events(before=1e12, limit=1)
            store.removals = frozenset()  # type: ignore[attr-defined]

    with pytest.raises(AssertionError, match=FOUND):
        await live()


async def test_in_an_engine_on_a_shared_database(postgres: PostgresBackend) -> None:
    async def live() -> None:
        async with open_shared(postgres, FakePlatform(), "one") as engine:
            await come_up(engine)
            statement = MISSING.replace("events", f"{postgres.schema}.events")
            await trio.to_thread.run_sync(run_sql, postgres.url, statement + ";")

    with pytest.raises(AssertionError, match=FOUND):
        await live()


async def serve(simulator: BotApiSimulator, data: Path, ends: str) -> None:
    bots = {"shop": simulator.new_bot().token}
    async with open_server_process(data, environment=settings_for(simulator)) as server:
        await server.listening()
        await add_sessions(server, bots)
        await all_poll(simulator, bots)
        async with server.client() as client:
            await until_found(
                lambda: client.get("/v1/events"), lambda answer: len(answer.json()["events"]) >= 2, seconds=30
            )
        change(data / "rookery.db", MISSING)
        if ends == "stopped":
            server.process.terminate()
            await server.ended(15)


@pytest.mark.slow
@pytest.mark.parametrize("ends", ["killed", "stopped"])
async def test_in_a_server_of_its_own(tmp_path: Path, ends: str) -> None:
    async with open_bot_api_simulator() as simulator:
        with pytest.raises(AssertionError, match=f"session shop: .* {FOUND}"):
            await serve(simulator, tmp_path, ends)
