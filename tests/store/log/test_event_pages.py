"""Pages of the log: what a query finds, and what finding it costs."""

from __future__ import annotations

import random
import sqlite3
import time
from functools import partial
from pathlib import Path

import pytest

from rookery.model.event import Event, EventQuery, NewEvent
from rookery.model.subscription import asks_for
from rookery.store.contract import Store
from rookery.store.sqlite.database.event_pages import read_page
from store.backends import MemoryBackend, SqliteBackend
from store.building import all_events, create_and_claim, event, sqlite_steps

SEED = 20_261_127
TYPES = ("message", "message.edited", "message.status", "reaction", "session.qr", "callback", "messages", "poll.answer")
ASKED = (
    "message",
    "message.*",
    "*",
    "reaction",
    "session.*",
    "poll.*",
    "poll.answer",
    "nothing",
    "nothing.*",
    "message.status",
)
SESSIONS = ("a", "b", "c")


def wanted(event: Event, query: EventQuery) -> bool:
    return (
        event.id > query.after
        and (query.before is None or event.id < query.before)
        and query.session in (None, event.session)
        and (query.sessions is None or event.session in query.sessions)
        and query.chat in (None, event.chat)
        and (query.types is None or asks_for(query.types, event.type))
    )


async def test_a_page_holds_the_first_events_that_match(store: Store) -> None:
    rng = random.Random(SEED)
    for session in SESSIONS:
        lease = await create_and_claim(store, session)
        for first in range(0, 60, 20):
            events = [
                NewEvent(str(key), rng.choice(TYPES), 1.0, rng.choice(["1", "2", None]), None, b"{}", b"{}")
                for key in range(first, first + 20)
            ]
            await store.append(lease, events, None)
    log = await all_events(store)
    assert len(log) == 180
    await store.write_chats([], [], position=log[100].id)  # the events of each chat are known up to here
    found = 0
    for _ in range(600):
        query = EventQuery(
            after=rng.choice([0, log[rng.randrange(180)].id]),
            before=rng.choice([None, None, log[-1].id + 1, log[rng.randrange(180)].id]),
            session=rng.choice([None, None, *SESSIONS, "nobody"]),
            sessions=rng.choice([None, None, (), ("a",), ("c", "a", "a"), ("b", "nobody")]),
            types=rng.choice([None, (), tuple(rng.sample(ASKED, rng.randint(1, 3)))]),
            chat=rng.choice([None, "1", "2", "9"]),
            limit=rng.choice([1, 3, 50, 1000]),
        )
        page = await store.read_events(query)
        matching = [event for event in log if wanted(event, query)]
        assert page == (matching[: query.limit] if query.before is None else matching[-query.limit :]), query
        found += len(page)
    assert found > 1000


def steps(path: Path, query: EventQuery) -> int:
    """Thousands of steps of SQLite's machine that a page takes."""
    connection = sqlite3.connect(path)
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    connection.set_progress_handler(count, 100)
    read_page(connection, query)
    connection.close()
    return taken


@pytest.mark.parametrize(
    "query",
    [
        EventQuery(types=("rare",)),
        EventQuery(types=("rare", "absent")),
        EventQuery(types=("rare.*",)),
        EventQuery(session="shop", types=("rare",)),
        EventQuery(session="shop", types=("rare.*", "absent")),
        EventQuery(sessions=("shop", "other"), types=("rare",)),
        EventQuery(sessions=("other",)),
        EventQuery(session="shop", limit=10),
        EventQuery(types=("rare",), before=2**60),
        EventQuery(session="shop", before=2**60, limit=10),
        EventQuery(sessions=("shop", "other"), types=("*",), limit=10),
        EventQuery(chat="absent"),
        EventQuery(chat="rare"),
        EventQuery(chat="rare", session="shop"),
        EventQuery(chat="rare", session="shop", types=("message",), before=2**60),
        EventQuery(chat="1", session="shop", types=("absent", "rare.*")),
        EventQuery(chat="1", limit=10),
    ],
    ids=repr,
)
async def test_a_page_costs_the_same_in_a_long_log(query: EventQuery, tmp_path: Path) -> None:
    taken = []
    path = tmp_path / "rookery.db"
    store = SqliteBackend(path).make()
    async with store.open():
        other = await create_and_claim(store, "other")
        await store.append(other, [NewEvent("first", "message", 1.0, "1", None, b"{}", b"{}")], None)
        lease = await create_and_claim(store)
        for size in (100, 6_000):
            for first in range(0, size, 1_000):
                events = [
                    NewEvent(f"{size}.{key}", "message", 1.0, "1", None, b"{}", b"{}")
                    for key in range(first, min(size, first + 1_000))
                ]
                await store.append(lease, events, None)
            await store.append(lease, [NewEvent(f"{size}.rare", "rare.kind", 1.0, "rare", None, b"{}", b"{}")], None)
            await store.write_chats([], [], position=await store.last_event_id() - 5)
            taken.append(steps(path, query))
    assert taken[1] <= taken[0] * 1.5 + 3, taken


@pytest.mark.parametrize("before", [None, 2**60])
async def test_types_that_are_rarer_than_others_cost_a_page_of_a_session_the_same_in_a_long_log(
    before: int | None, tmp_path: Path
) -> None:
    """A few events of each of them get into the page, however many there are."""
    taken = []
    path = tmp_path / "rookery.db"
    store = SqliteBackend(path).make()
    async with store.open():
        lease = await create_and_claim(store)
        for size in (250, 8_000):
            events = [
                NewEvent(f"{size}.{n}", f"less.{n % 5}" if n % 6 == 0 else "message", 1.0, "1", None, b"{}", b"{}")
                for n in range(size)
            ]
            for first in range(0, size, 1_000):
                await store.append(lease, events[first : first + 1_000], None)
            taken.append(steps(path, EventQuery(session="shop", before=before, limit=100)))
    assert taken[1] <= taken[0] * 1.3 + 3, taken


async def test_old_events_are_found_and_deleted_at_the_same_cost_in_a_long_log() -> None:
    taken = []
    store = MemoryBackend().make()
    async with store.open():
        lease = await create_and_claim(store)
        for size in (100, 6_000):
            for first in range(0, size, 1_000):
                keys = range(first, min(size, first + 1_000))
                await store.append(lease, [event(f"{size}.{key}") for key in keys], None)
            position = await store.last_event_id()
            await store.write_chats([], [], position=position)
            found = await sqlite_steps(store, partial(store.first_event_since, 1e12))
            deleted = await sqlite_steps(store, partial(store.prune_events, before=time.time() + 60, limit=10))
            taken.append((found, deleted))
    assert taken[1][0] <= taken[0][0] * 1.5 + 3, taken
    assert taken[1][1] <= taken[0][1] * 1.5 + 3, taken
