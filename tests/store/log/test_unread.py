"""The number of unread messages that the store remembers is what a count of all its messages finds."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from rookery.model.chat import ChatEntry, ChatNews
from rookery.model.content import Read
from rookery.model.event import Event, EventQuery
from rookery.model.message import MessageState, Receipt, SendOutcome
from rookery.model.session import Lease
from rookery.store.contract import Store
from rookery.store.open import MemoryStore
from rookery.store.postgres.store import PostgresStore
from rookery.store.rows.chats import UNREAD_MOST
from rookery.store.sqlite.database import writer as sqlite_writer
from rookery.store.sqlite.database.connection import Database
from store.backends import PostgresBackend, SqliteBackend, run_sql, until_asleep
from store.building import all_events, create_and_claim, event, message, sqlite_steps

CHATS = ("1", "2", "3")
REMEMBERED = """
    SELECT c.chat, u.unread FROM rookery.chats AS c
    JOIN rookery.chat_unread AS u ON u.uid = c.uid AND u.chat = c.chat AND u.read_at = coalesce(c.read_at, 0)"""


@pytest.fixture(autouse=True)
def _remember_all(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "ordinary" not in request.fixturenames:
        monkeypatch.setattr("rookery.store.rows.chats.REMEMBERED_FROM", 1)
        monkeypatch.setattr("rookery.store.rows.chats.REMEMBER_SECONDS", 60)


@pytest.fixture
def ordinary() -> None:
    """Only large numbers are remembered, as in operation."""


async def unread(store: Store) -> dict[str, int]:
    return {row.chat: row.unread for row in await store.list_chats("shop", after=None, limit=500)}


async def remembered(store: Any) -> dict[str, int]:
    if isinstance(store, PostgresStore):
        rows = await store._all(REMEMBERED, of=tuple)
    else:
        rows = await store._read(lambda connection: connection.execute(REMEMBERED.replace("rookery.", "")).fetchall())
    return {row[0]: row[1] for row in rows}


class World:
    """Does at random what changes the unread messages of a few chats, and knows what they are."""

    def __init__(self, store: Store, lease: Lease, seed: int) -> None:
        self.store = store
        self.lease = lease
        self.rng = random.Random(seed)
        self.numbers = 0
        self.now = 1000.0
        self.entries: dict[tuple[int, str], ChatEntry] = {}
        self.read: dict[str, float] = {}

    async def step(self) -> None:
        kinds = [self.receive] * 8 + [self.repeat, self.mark, self.mark, self.send_mark, self.move]
        await self.rng.choice([*kinds, self.erase, self.prune, self.tidy, self.drop_empty])()

    def news(self, chat: str, at: float) -> ChatNews:
        news = ChatNews(uid=self.lease.uid, chat=chat, kind="private", last_at=at)
        if self.rng.random() < 0.2:
            news.read_at = self.some_time()
            self.read[chat] = max(self.read.get(chat, 0.0), news.read_at)
        return news

    def some_time(self) -> float:
        """Often the time of an entry, to compare equal times."""
        times = [entry.at for entry in self.entries.values()] or [self.now]
        return self.rng.choice([self.rng.choice(times[-30:]), self.now, self.now - 50 * self.rng.random()])

    async def receive(self) -> None:
        """New messages, sometimes older than others or the mark; sometimes many."""
        new = [event(f"e{self.numbers + n}", chat=self.rng.choice(CHATS)) for n in range(self.rng.choice((1, 3, 9)))]
        self.numbers += len(new)
        await self.store.append(self.lease, new, None)
        entries: list[ChatEntry] = []
        latest: dict[str, float] = {}
        for one in (await all_events(self.store))[-len(new) :]:
            self.now += self.rng.choice((0.0, 1.0, 2.5))
            at = self.some_time() if self.rng.random() < 0.3 else self.now
            chat, role = one.chat or "", self.rng.choice(("in", "in", "in", "out", "edit"))
            many = 700 if self.rng.random() < 0.1 else 1
            entries += [ChatEntry(one.id, self.lease.uid, chat, at, role, f"m{n}") for n in range(many)]
            latest[chat] = max(latest.get(chat, 0.0), at)
        await self.write(entries, [self.news(chat, at) for chat, at in latest.items()])

    async def repeat(self) -> None:
        """Entries that are there already, and some whose events are gone."""
        known = list(self.entries.values())
        chosen = self.rng.sample(known, min(len(known), 20))
        await self.write(chosen, [self.news(chat, self.now) for chat in sorted({entry.chat for entry in chosen})])

    async def write(self, entries: Sequence[ChatEntry], news: Sequence[ChatNews]) -> None:
        await self.store.write_chats(entries, news, position=None)
        self.entries |= {(entry.event, entry.message_id): entry for entry in entries}

    async def mark(self) -> None:
        chat, at = self.rng.choice(CHATS), self.some_time()
        if chat in await unread(self.store):
            self.read[chat] = max(self.read.get(chat, 0.0), at)
        await self.store.write_chats([], [ChatNews(uid=self.lease.uid, chat=chat, read_at=at)], position=None)

    async def send_mark(self) -> None:
        chat, at = self.rng.choice(CHATS), self.some_time()
        if chat in await unread(self.store):
            self.read[chat] = max(self.read.get(chat, 0.0), at)
        await self.send(message(content=Read(message_id="9"), to=chat, created_at=at), chat)

    async def move(self) -> None:
        """A send to a name whose chat is known afterwards."""
        await self.send(message(to="@ann", created_at=self.now), self.rng.choice(CHATS))

    async def send(self, one: Any, chat: str) -> None:
        await self.store.enqueue(one, pending_limit=1000)
        receipt = Receipt(f"r{self.numbers}", one.created_at, chat)
        await self.store.record_sends(
            self.lease, [SendOutcome(id=one.id, state=MessageState.SENT, at=one.created_at, receipt=receipt)]
        )

    async def erase(self) -> None:
        chat = self.rng.choice(CHATS)
        await self.store.erase_chat("shop", chat)
        self.read.pop(chat, None)

    async def prune(self) -> None:
        await self.store.prune_events(before=2e10, limit=self.rng.choice((1, 5, 20)))

    async def tidy(self) -> None:
        chat = self.rng.choice(CHATS)
        if await self.store.keep_chat("shop", chat, 5.0):
            await self.store.tidy_chats(now=self.now - 50 * self.rng.random(), before=0.0)
            await self.store.keep_chat("shop", chat, None)

    async def drop_empty(self) -> None:
        await self.store.tidy_chats(now=0.0, before=self.now)
        self.read = {chat: at for chat, at in self.read.items() if chat in await unread(self.store)}

    async def expected(self) -> dict[str, int]:
        alive = {one.id for one in await all_events(self.store)}
        self.entries = {key: entry for key, entry in self.entries.items() if entry.event in alive}
        found = dict.fromkeys(await unread(self.store), 0)
        for entry in self.entries.values():
            if entry.role == "in" and entry.at > self.read.get(entry.chat, 0.0):
                found[entry.chat] += 1
        return {chat: min(number, UNREAD_MOST) for chat, number in found.items()}


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_happens_the_number_is_that_of_a_count(
    store: Store, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Database, "is_late", lambda _: False)  # what is deleted depends on the seed alone
    world = World(store, await create_and_claim(store), seed)
    looks = most = 0
    for _ in range(150):
        await world.step()
        if world.rng.random() < 0.6:
            expected = await world.expected()
            assert await unread(store) == expected
            known = await remembered(store)
            assert known.items() <= expected.items()
            looks += len(known)
            most = max(most, *expected.values(), 0)
    assert looks > 50, "hardly anything was remembered"
    assert most == UNREAD_MOST


async def test_a_number_is_remembered_until_the_chat_is_read(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.append(lease, [event(n) for n in range(6)], None)
    entries = [
        ChatEntry(one.id, lease.uid, "7", 1000.0 + n, "in", "m") for n, one in enumerate(await all_events(store))
    ]
    news = ChatNews(uid=lease.uid, chat="7", last_at=1005.0)
    await store.write_chats(entries[:3], [news], position=None)
    assert await remembered(store) == {}, "a chat that nobody looks at costs nothing"
    assert await unread(store) == {"7": 3}
    assert await remembered(store) == {"7": 3}
    await store.write_chats(entries, [news], position=None)
    assert await remembered(store) == {"7": 6}
    await store.write_chats([], [ChatNews(uid=lease.uid, chat="7", read_at=1003.0)], position=None)
    assert await remembered(store) == {}
    assert await unread(store) == {"7": 2}
    assert await remembered(store) == {"7": 2}
    await store.delete_session("shop")
    await create_and_claim(store)
    assert await unread(store) == {}


async def test_few_unread_messages_are_not_written(
    store: Store, ordinary: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rookery.store.rows.chats.REMEMBER_SECONDS", 60)  # a busy machine remembers as well
    lease = await create_and_claim(store)
    await store.append(lease, [event("a", chat="few"), event("b", chat="many")], None)
    few, many = await all_events(store)
    entries = [ChatEntry(few.id, lease.uid, "few", 1.0, "in", f"m{n}") for n in range(9)]
    entries += [ChatEntry(many.id, lease.uid, "many", 1.0, "in", f"m{n}") for n in range(10)]
    await store.write_chats(
        entries, [ChatNews(uid=lease.uid, chat=chat, last_at=1.0) for chat in ("few", "many")], position=None
    )
    assert await unread(store) == {"few": 9, "many": 10}
    assert await remembered(store) == {"many": 10}


async def test_unread_messages_are_remembered_while_the_log_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "COPY_WAIT", 600.0)
    store: Any = SqliteBackend(tmp_path / "rookery.db").make()
    async with store.open():
        lease = await create_and_claim(store)
        await store.append(lease, [event("a")], None)
        (one,) = await all_events(store)
        chats = [str(number) for number in range(25)]
        entries = [ChatEntry(one.id, lease.uid, chat, 1.0, "in", f"m{chat}") for chat in chats]
        await store.write_chats(
            entries, [ChatNews(uid=lease.uid, chat=chat, last_at=1.0) for chat in chats], position=None
        )
        await store.prune_events(before=0.0, limit=1)
        monkeypatch.setattr(Database, "is_copying", True)
        with trio.fail_after(30):
            assert await unread(store) == dict.fromkeys(chats, 1) == await remembered(store)


async def test_a_page_costs_the_same_with_few_and_with_many_unread_messages(
    ordinary: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted in SQLite's own steps, in hundreds."""
    monkeypatch.setattr("rookery.store.rows.chats.REMEMBER_SECONDS", 60)  # a busy machine counts as well
    taken = []
    for count in (1, 45, 1_000, 1_500):
        store = MemoryStore()
        async with store.open():
            lease = await create_and_claim(store)
            await store.append(lease, [event(n, chat=str(n)) for n in range(100)], None)
            log: Sequence[Event] = await all_events(store)
            for one in log:
                chat = one.chat or ""
                entries = [ChatEntry(one.id, lease.uid, chat, 1000.0 + n, "in", f"m{n}") for n in range(count)]
                await store.write_chats(entries, [ChatNews(uid=lease.uid, chat=chat, last_at=1000.0)], position=None)
            await unread(store)
            taken.append(await sqlite_steps(store, partial(unread, store)))
            news = [ChatEntry(one.id, lease.uid, one.chat or "", 9000.0, "in", "new") for one in log]
            await store.write_chats(news, [], position=None)
            taken.append(await sqlite_steps(store, partial(unread, store)))
            assert set((await unread(store)).values()) == {min(count + 1, UNREAD_MOST)}
    assert max(taken[2:]) <= 1.1 * taken[0] + 3, taken


async def test_entries_that_come_while_others_count(postgres: PostgresBackend) -> None:
    """A transaction that has not committed its entries keeps the number from being remembered, also in a chat that is new."""
    store = postgres.make()
    async with store.open():
        lease = await create_and_claim(store)
        await store.append(lease, [event(n) for n in range(4)], None)
        entries = [ChatEntry(one.id, lease.uid, "7", 1000.0, "in", "m") for one in await all_events(store)]
        insert = (
            f"INSERT INTO {postgres.schema}.chat_entries (event, message_id, uid, chat, at, role) "
            "VALUES ({}, 'm', {}, '7', 1000.0, 'in')"
        )
        slow = insert.format(entries[0].event, lease.uid) + "; SELECT pg_sleep(0.5)"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, run_sql, postgres.url, slow)
            await until_asleep(postgres.url, 1)
            news = ChatNews(uid=lease.uid, chat="7", last_at=1000.0)
            await store.write_chats([entries[1]], [news], position=None)
            assert await unread(store) == {"7": 1}
            assert await remembered(store) == {}
        assert await unread(store) == {"7": 2}
        assert await remembered(store) == {"7": 2}
        await trio.to_thread.run_sync(run_sql, postgres.url, insert.format(entries[2].event, lease.uid))
        assert await remembered(store) == {"7": 3}, "an older program added it"
        gone = f"DELETE FROM {postgres.schema}.events WHERE id = {entries[0].event}; SELECT pg_sleep(0.5)"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, run_sql, postgres.url, gone)
            await until_asleep(postgres.url, 1)
            assert await unread(store) == {"7": 3}
        assert await remembered(store) == {}
        assert await unread(store) == {"7": 2}


async def test_writers_and_readers_on_two_instances_agree(postgres: PostgresBackend) -> None:
    one, two = postgres.make(), postgres.make()
    async with one.open(), two.open():
        lease = await create_and_claim(one)
        await one.append(lease, [event(n, chat=CHATS[n % 3]) for n in range(240)], None)
        log = await all_events(one)
        is_done = False

        async def write(store: Store, shift: int) -> None:
            for begin in range(shift, 240, 12):
                some = log[begin : begin + 12]
                entries = [ChatEntry(each.id, lease.uid, each.chat or "", 1000.0, "in", "m") for each in some]
                news = [ChatNews(uid=lease.uid, chat=chat, last_at=1000.0) for chat in CHATS]
                await store.write_chats(entries, news, position=None)

        async def look(store: Store) -> None:
            while not is_done:
                await unread(store)

        async with trio.open_nursery() as readers:
            readers.start_soon(look, one)
            readers.start_soon(look, two)
            async with trio.open_nursery() as writers:
                for store, shift in ((one, 0), (two, 0), (one, 6), (two, 3)):
                    writers.start_soon(write, store, shift)
                writers.start_soon(partial(two.prune_events, before=2e10, limit=30))
            is_done = True
        left = await one.read_events(EventQuery(limit=1000))
        assert len(left) == 210
        expected = {chat: sum(each.chat == chat for each in left) for chat in CHATS}
        assert await unread(one) == expected
        assert await remembered(one) == expected
        assert await unread(two) == expected


async def test_a_look_does_not_wait_for_a_writer_that_is_held_up(tmp_path: Path, ordinary: None) -> None:
    store = SqliteBackend(tmp_path / "rookery.db").make()
    async with store.open():
        lease = await create_and_claim(store)
        await store.append(lease, [event(number) for number in range(60)], None)
        entries = [ChatEntry(one.id, lease.uid, "7", 1000.0 + one.id, "in", one.key) for one in await all_events(store)]
        await store.write_chats(entries, [ChatNews(uid=lease.uid, chat="7", last_at=1060.0)], position=None)
        with closing(sqlite3.connect(tmp_path / "rookery.db", isolation_level=None)) as backup:
            backup.execute("BEGIN IMMEDIATE")
            with trio.fail_after(4):  # the writer waits five seconds for the lock
                assert await unread(store) == {"7": 60}
            backup.execute("ROLLBACK")
        assert await unread(store) == {"7": 60}
