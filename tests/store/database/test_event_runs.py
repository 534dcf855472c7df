"""The runs by which SQLite finds the events of a session and type."""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from rookery.model.event import EventQuery, NewEvent
from rookery.model.session import Reason, SessionStatus
from rookery.store.migrations import load_migrations
from rookery.store.pieces import in_pieces
from rookery.store.sqlite.database.event_rows import LONGEST_RUN
from store.backends import SqliteBackend
from store.building import all_events, create_and_claim, event, set_status

RUNS = "SELECT session, type, first, last FROM event_runs ORDER BY last"
TYPES = ("message", "reaction", "callback")


def runs_of(path: Path) -> list[tuple[str, str, int, int]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(RUNS).fetchall()


def check(path: Path) -> None:
    """Each event lies in one run, of its own session and type; each run holds an event, and is not too long."""
    with closing(sqlite3.connect(path)) as connection:
        runs = connection.execute(RUNS).fetchall()
        events = connection.execute("SELECT id, session, type FROM events ORDER BY id").fetchall()
    assert all(before[3] < after[2] for before, after in pairwise(runs))
    assert all(0 <= last - first < LONGEST_RUN for _, _, first, last in runs)
    found = [
        (id, *run[:2])
        for run in runs
        for id in sorted({id for id, _, _ in events} & set(range(run[2], run[3] + 1))) or [0]
    ]
    assert found == events


async def test_runs_match_the_log_whatever_is_stored_repeated_and_deleted(tmp_path: Path) -> None:
    rng = random.Random(22)
    path = tmp_path / "rookery.db"
    store = SqliteBackend(path).make()
    async with store.open():
        leases = [await create_and_claim(store, id) for id in ("a", "b")]
        for turn in range(40):
            first, type = rng.randrange(2000), rng.choice(TYPES)
            events = [
                event(key, type=type if rng.random() < 0.9 else rng.choice(TYPES), chat=rng.choice("123"))
                for key in range(first, first + rng.choice([1, 2, 50, 100, 700]))
            ]
            await store.append(rng.choice(leases), events, None)
            if turn % 5 == 0:
                await set_status(store, leases[0], SessionStatus.CONNECTED, Reason.CONNECTED)
                await set_status(store, leases[0], SessionStatus.DISCONNECTED, Reason.NETWORK)
            if turn % 10 == 9:
                check(path)
                await store.prune_events(before=time.time() + 60, limit=rng.randrange(1, 300))
                check(path)
        await store.erase_chat("a", "1")
        check(path)
        left = len(await all_events(store))
        assert left > 1000
        now = time.time() + 60
        await in_pieces(lambda limit: store.prune_events(before=now, limit=limit))
    assert runs_of(path) == []


async def test_events_that_are_stored_together_need_one_run(tmp_path: Path) -> None:
    path = tmp_path / "rookery.db"
    store = SqliteBackend(path).make()
    async with store.open():
        lease = await create_and_claim(store)
        await store.append(lease, [event(key) for key in range(100)], None)
        assert [last - first + 1 for _, _, first, last in runs_of(path)] == [100]
        await store.append(lease, [event(key) for key in range(100)], None)  # all of them are known
        await store.append(lease, [event(key, type=type) for type in TYPES for key in (f"{type} 1", f"{type} 2")], None)
        assert [(type, last - first + 1) for _, type, first, last in runs_of(path)[1:]] == [(type, 2) for type in TYPES]


async def test_a_run_ends_with_a_stored_event(tmp_path: Path) -> None:
    path = tmp_path / "rookery.db"
    store = SqliteBackend(path).make()
    async with store.open():
        lease = await create_and_claim(store)
        await store.append(lease, [event(key) for key in range(10)], None)
        await store.append(lease, [event("new"), *(event(key) for key in range(10))], None)  # ten ids stay unused
        [*_, (_, _, first, last)] = runs_of(path)
        assert first == last == (await all_events(store))[-1].id


async def test_a_log_of_an_older_version_gets_its_runs(tmp_path: Path) -> None:
    path = tmp_path / "rookery.db"
    migrations = load_migrations("sqlite")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT, applied_at REAL)")
        for migration in migrations:
            if migration.version < 22:
                connection.executescript(migration.sql)
                connection.execute(
                    "INSERT INTO schema_migrations VALUES (?, ?, 0)", (migration.version, migration.name)
                )
        rng = random.Random(7)
        log: list[tuple[int, str, str]] = []
        id, session, type = 0, "a", "message"
        while len(log) < 3000:
            id += rng.choice([1, 1, 1, 1, 1, 1, 1, 1, 2, 300])
            if rng.random() < 0.02:
                session, type = rng.choice("ab"), rng.choice(TYPES)
            log.append((id, session, type))
        log += [(id + number, "a", "message") for number in range(1, 1001)]
        connection.executemany(
            "INSERT INTO events VALUES (?1, 1, 0, ?1, ?2, 'telegram', ?3, 1.0, '7', '9', '{}', '{}', 1.0)", log
        )
    store = SqliteBackend(path).make()
    async with store.open():
        check(path)
        assert len(runs_of(path)) < 1500
        for session in "ab":
            for type in TYPES:
                page = await store.read_events(EventQuery(session=session, types=(type,), limit=10_000))
                assert [one.id for one in page] == [id for id, *place in log if place == [session, type]]
        lease = await create_and_claim(store, "a")
        await store.append(lease, [NewEvent("new", "message", 1.0, "7", None, b"{}", b"{}")], None)
        check(path)
