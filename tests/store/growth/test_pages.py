"""Pages of sends, files and the audit log: the same rows as a look at every row finds, at a cost that does not grow."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from rookery.model.key import AuditEntry, AuditQuery
from rookery.model.media import MediaFile, MediaOrigin, MediaQuery, MediaState
from rookery.model.message import MessageQuery, MessageState, OutboundMessage, SendOutcome
from rookery.store.contract import Store
from rookery.store.migrations import load_migrations
from rookery.store.open import MemoryStore
from rookery.store.postgres.store import PostgresStore
from rookery.store.sqlite.messages.waiting import COUNT_WAITING
from store.backends import Backend, SqliteBackend
from store.building import claim, create_and_claim, message, new_session, sqlite_steps

Q = MessageQuery
SESSIONS = ("shop", "other")


def file(number: int, session: str | None, state: MediaState, origin: MediaOrigin) -> MediaFile:
    return MediaFile(
        id=f"file-{number}",
        session=session,
        origin=origin,
        state=state,
        content_type="image/png",
        created_at=1000.0,
        expires_at=2000.0,
    )


async def test_pages_of_sends_have_what_matches(store: Store) -> None:
    rng = random.Random(3)
    sent: list[OutboundMessage] = []
    leases = {session: await create_and_claim(store, session) for session in SESSIONS}
    for number in range(900):
        scheduled = {"state": MessageState.SCHEDULED, "send_at": 9e9} if rng.random() < 0.1 else {}
        # Half of the time of two neighbours is the wrong way round.
        changes = {"to": rng.choice("1112"), "created_at": 1000.0 + number // 2 + rng.random(), **scheduled}
        sent.append(message(rng.choice(SESSIONS), **changes))
    for session in SESSIONS:
        outcomes: list[SendOutcome] = []
        mine = [one for one in sent if one.session == session]
        for begin in range(0, len(mine), 100):
            await store.enqueue_batch(mine[begin : begin + 100], pending_limit=10_000)
        for one in mine:
            state = rng.choice([*[MessageState.SENT] * 5, *MessageState])
            if one.state is MessageState.QUEUED and state is not MessageState.SCHEDULED:
                outcomes.append(SendOutcome(id=one.id, state=state, at=1500.0))
        await store.record_sends(leases[session], outcomes)
    stored = {session: await store.list_messages(Q(session=session, limit=10_000)) for session in SESSIONS}
    assert {one.id for page in stored.values() for _, one in page} == {one.id for one in sent}
    found = 0
    for _ in range(400):
        all_of_it = stored[session := rng.choice(SESSIONS)]
        query = Q(
            session=session,
            states=rng.choice([None, None, (), tuple(rng.sample(list(MessageState), rng.randint(1, 3)))]),
            chat=rng.choice([None, None, "1", "2", "9"]),
            since=rng.choice([None, None, 1000.0 + rng.randrange(450)]),
            until=rng.choice([None, None, 1000.0 + rng.randrange(450)]),
            before=rng.choice([None, rng.choice(all_of_it)[0]]),
            limit=rng.choice([1, 3, 50, 1000]),
        )
        page = await store.list_messages(query)
        assert page == [row for row in all_of_it if wanted(*row, query)][: query.limit], query
        found += len(page)
    assert found > 2000


TIMES: dict[str, list[list[float]]] = {
    "slow writes": [[1000.0], [1001.0], [1050.0], [1051.0], [1041.0], [1042.0], [1052.0]],
    "a clock that was an hour ahead": [[1000.0, 1001.0], [4600.0, 4601.0], [1010.0], [1011.0, 1012.0], [5000.0]],
    "a clock that was set back again and again": [[5000.0 - 100 * n, 5001.0 - 100 * n] for n in range(10)],
    "batches out of order": [[2000.0 + 10 * n, 1000.0 + 10 * n, 3000.0 - 10 * n] for n in range(10)],
    "drifting back": [[3000.0 - 4 * n] for n in range(20)],
}


async def check_times(store: Store, batches: Sequence[Sequence[float]]) -> None:
    """Every page by time has what a look at all sends finds."""
    everything = await store.list_messages(Q(session="shop", limit=10_000))
    assert len(everything) == sum(map(len, batches))
    moments = sorted({time + apart for batch in batches for time in batch for apart in (-6.0, 0.0, 6.0)})
    middle = everything[len(everything) // 2][0]
    for moment in random.Random(6).sample(moments, min(20, len(moments))):
        for bounds in ({"since": moment}, {"until": moment}, {"since": moment - 20.0, "until": moment}):
            for chat, states in ((None, None), ("1", None), (None, (MessageState.SENT,))):
                for limit, before in ((10_000, None), (2, middle)):
                    query = Q(session="shop", chat=chat, states=states, limit=limit, before=before, **bounds)
                    page = await store.list_messages(query)
                    assert page == [row for row in everything if wanted(*row, query)][:limit], query


async def store_batches(store: Store, batches: Sequence[Sequence[float]]) -> None:
    """Sends to two chats, some of which are over."""
    lease = await claim(store)
    for batch in batches:
        sends = [message(to="12"[int(time) % 2], created_at=time) for time in batch]
        await store.enqueue_batch(sends, pending_limit=10_000)
        await store.record_sends(lease, [SendOutcome(id=sends[0].id, state=MessageState.SENT, at=9e8)])
    await store.release(lease)


@pytest.mark.parametrize("case", TIMES)
async def test_pages_by_time_are_complete_however_the_clock_went(case: str, store: Store) -> None:
    await store.create_session(new_session())
    await store_batches(store, TIMES[case])
    await check_times(store, TIMES[case])


@pytest.mark.parametrize("case", ["slow writes", "a clock that was an hour ahead"])
async def test_pages_by_time_are_complete_however_often_the_store_was_opened(case: str, durable: Backend) -> None:
    for number, batch in enumerate(TIMES[case]):
        store = durable.make()
        async with store.open():
            if number == 0:
                await store.create_session(new_session())
            await store_batches(store, [batch])
    store = durable.make()
    async with store.open():
        await check_times(store, TIMES[case])


async def test_steps_of_the_clock_are_forgotten_with_the_sends_before_them(store: Any) -> None:
    await store.create_session(new_session())
    await store_batches(store, [[5000.0], [1000.0], [900.0, 2000.0]])
    everything = await store.list_messages(Q(session="shop", limit=10))
    for _, one in everything[1:]:
        await store.cancel_message(one.id, now=9e8)
    await store.prune_messages(before=9e9, limit=100)
    if isinstance(store, PostgresStore):
        assert await store._value("SELECT count(*) FROM rookery.send_steps WHERE number < $1", everything[0][0]) == 0
    else:
        sql = "SELECT count(*) FROM send_steps"
        assert await store._read(lambda connection: connection.execute(sql).fetchone()[0]) == 0


async def test_an_older_database_learns_where_the_clock_went_back(tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path / "rookery.db")
    batches = [batch for batches in TIMES.values() for batch in batches]
    store: Any = backend.make()
    async with store.open():
        await store.create_session(new_session())
        await store_batches(store, batches)
    steps = "SELECT number FROM send_steps ORDER BY number"
    [migration] = [one.sql for one in load_migrations("sqlite") if one.name == "send_steps"]
    with closing(sqlite3.connect(backend.path)) as connection:
        noted = connection.execute(steps).fetchall()
        connection.executescript(f"DROP TABLE send_steps; {migration}")
        assert connection.execute(steps).fetchall() == noted
    assert len(noted) > 10
    async with store.open():
        await check_times(store, batches)


def wanted(number: int, one: OutboundMessage, query: MessageQuery) -> bool:
    return (
        (query.states is None or one.state in query.states)
        and (query.chat is None or one.to == query.chat)
        and (query.since is None or one.created_at >= query.since)
        and (query.until is None or one.created_at < query.until)
        and (query.before is None or number < query.before)
    )


async def test_pages_of_files_have_what_matches(store: Store) -> None:
    rng = random.Random(4)
    for session in SESSIONS:
        await store.create_session(new_session(session))
    for number in range(300):
        await store.put_media(
            file(number, rng.choice([None, *SESSIONS]), rng.choice(list(MediaState)), rng.choice(list(MediaOrigin)))
        )
    everything = await store.list_media(MediaQuery(limit=1000))
    assert len(everything) == 300
    for _ in range(200):
        query = MediaQuery(
            session=rng.choice([None, None, *SESSIONS, "absent"]),
            sessions=rng.choice([None, None, (), ("shop",), ("other", "shop", "shop")]),
            state=rng.choice([None, *MediaState]),
            origin=rng.choice([None, *MediaOrigin]),
            before=rng.choice([None, rng.choice(everything)[0]]),
            limit=rng.choice([1, 5, 1000]),
        )
        matching = [
            (number, one)
            for number, one in everything
            if (query.session is None or one.session == query.session)
            and (query.sessions is None or one.session in query.sessions)
            and (query.state is None or one.state is query.state)
            and (query.origin is None or one.origin is query.origin)
            and (query.before is None or number < query.before)
        ]
        assert await store.list_media(query) == matching[: query.limit], query


async def test_pages_of_the_audit_log_have_what_matches(store: Store) -> None:
    rng = random.Random(5)

    def entry(number: int) -> AuditEntry:
        key, session = ("a", rng.choice([None, "s"])) if number < 700 else (rng.choice("bc"), rng.choice("stu"))
        return AuditEntry(at=number, key=key, call="x", session=session, target=None, outcome=200)

    await store.append_audit([entry(number) for number in range(1000)])
    everything = await store.read_audit(AuditQuery(limit=10_000))
    for key in (None, "a", "b", "absent"):
        for session in (None, "s", "t", "absent"):
            for before in (None, everything[500].id):
                for limit in (1, 7, 5000):
                    found = await store.read_audit(AuditQuery(before=before, key=key, session=session, limit=limit))
                    matching = [
                        one
                        for one in everything
                        if (key is None or one.key == key)
                        and (session is None or one.session == session)
                        and (before is None or one.id < before)
                    ]
                    assert list(found) == matching[:limit]


def lists(query: MessageQuery) -> Callable[[Store], Awaitable[object]]:
    return lambda store: store.list_messages(query)


READS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "sends": lists(Q(session="shop", limit=10)),
    "a rare state": lists(Q(session="shop", states=(MessageState.FAILED,))),
    "an absent state": lists(Q(session="shop", states=(MessageState.EXPIRED, MessageState.SCHEDULED))),
    "what waits": lists(Q(session="shop", states=(MessageState.QUEUED, MessageState.SENDING), limit=10)),
    "a chat": lists(Q(session="shop", chat="1", limit=10)),
    "an absent chat": lists(Q(session="shop", chat="absent")),
    "a chat and a rare state": lists(Q(session="shop", chat="1", states=(MessageState.FAILED,))),
    "a chat and an absent state": lists(Q(session="shop", chat="1", states=(MessageState.READ,))),
    "until the beginning": lists(Q(session="shop", until=900.0)),
    "since the end": lists(Q(session="shop", since=9e9)),
    "a chat since the end": lists(Q(session="shop", chat="1", since=9e9)),
    "the last sends of the first half": lists(Q(session="shop", until=2000.0, limit=10)),
    "a chat's queued sends": lists(Q(session="shop", chat="2", states=(MessageState.QUEUED,))),
    "a chat's sends that went": lists(Q(session="shop", chat="1", states=(MessageState.SENT,), limit=10)),
    "files": lambda store: store.list_media(MediaQuery(limit=10)),
    "files in a rare state": lambda store: store.list_media(MediaQuery(state=MediaState.FAILED)),
    "files in an absent state": lambda store: store.list_media(MediaQuery(state=MediaState.WAITING)),
    "a session's files in a rare state": lambda store: store.list_media(
        MediaQuery(session="shop", state=MediaState.FAILED)
    ),
    "a session's uploaded files": lambda store: store.list_media(
        MediaQuery(session="shop", origin=MediaOrigin.UPLOADED)
    ),
    "the files of sessions": lambda store: store.list_media(MediaQuery(sessions=SESSIONS, limit=10)),
    "the audit of a key in a session": lambda store: store.read_audit(AuditQuery(key="rare", session="shop")),
    "the audit of an absent key in a session": lambda store: store.read_audit(AuditQuery(key="absent", session="shop")),
    "the audit of a session": lambda store: store.read_audit(AuditQuery(session="shop", limit=10)),
}


def rows(connection: sqlite3.Connection, size: int) -> None:
    """As the store writes them: sends of both sessions, the first of them failed, `size` of each queued and sent; files,
    the first of them failed; the audit."""
    uids = dict(connection.execute("SELECT id, uid FROM sessions"))
    step = 2000.0 / size

    def send(number: int, session: str, state: str) -> tuple[Any, ...]:
        at = 1000.0 + number * step
        return f"{session}{state}{number}", uids[session], session, str(number % 2), state, at, at, at + 1e6

    sends = [send(number, session, "failed") for number in range(5) for session in SESSIONS]
    sends += [send(number, session, "sent") for number in range(size) for session in SESSIONS]
    sends += [send(number, session, "queued") for number in range(size) for session in SESSIONS]
    connection.executemany(
        "INSERT INTO messages (id, uid, session, recipient, content, options, state, attempts, created_at, updated_at, "
        "expires_at, is_entry) "
        """VALUES (?1, ?2, ?3, ?4, '{"type":"text","text":"hello"}', '{}', ?5, 1, ?6, ?7, ?8, 1)""",
        sends,
    )
    files = [(f"{n}", uids["shop"], "shop", "inbound", "failed" if n < 5 else "stored") for n in range(size)]
    connection.executemany(
        "INSERT INTO media (id, uid, session, origin, state, content_type, attempts, created_at, expires_at) "
        "VALUES (?, ?, ?, ?, ?, 'image/png', 1, 1000, 2000)",
        files,
    )
    audit = [(n, "rare" if n < 5 else str(n % 3), "shop" if n < 5 or n % 2 else "other") for n in range(size)]
    connection.executemany("INSERT INTO audit (at, key, call, session, outcome) VALUES (?, ?, 'x', ?, 200)", audit)


@pytest.fixture
async def stores() -> Any:
    """A store with little in it, and one with twenty times as much."""
    small, large = MemoryStore(), MemoryStore()
    async with small.open(), large.open():
        for store, size in ((small, 1_000), (large, 20_000)):
            for session in SESSIONS:
                await store.create_session(new_session(session))
            await store._write(lambda database: rows(database.connection, size))  # noqa: B023
        yield small, large


async def test_a_page_costs_the_same_however_much_there_is(stores: tuple[Store, Store]) -> None:
    """Counted in SQLite's own steps, in hundreds."""
    grown = {}
    for name, read in READS.items():
        short, long = [await sqlite_steps(store, lambda: read(store)) for store in stores]  # noqa: B023
        if long > 1.5 * short + 3:
            grown[name] = short, long
    assert not grown


async def test_sends_that_wait_are_counted_in_an_index(stores: tuple[Any, Any]) -> None:
    store = stores[1]
    assert await store.count_waiting() == dict.fromkeys(SESSIONS, 20000)
    plan = await store._read(lambda connection: connection.execute(f"EXPLAIN QUERY PLAN {COUNT_WAITING}").fetchall())
    assert any("COVERING INDEX messages_under_way" in row[3] for row in plan), plan
