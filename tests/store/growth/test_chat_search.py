"""Searches in a session's list of chats: a page examines a fixed number of chats, and following `next` finds each match."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rookery.errors import NotFound
from rookery.features.chats import CHATS_SEARCHED
from rookery.model.chat import ChatNews, ChatPlace
from rookery.model.session import Lease
from rookery.store.contract import Store
from rookery.store.open import MemoryStore
from store.building import create_and_claim, new_session, sqlite_steps


async def write(store: Store, lease: Lease, chats: Sequence[tuple[str, str | None, float]]) -> None:
    """Chats as (id, name, time of the newest message)."""
    news = [ChatNews(uid=lease.uid, chat=chat, name=name, last_at=at) for chat, name, at in chats]
    await store.write_chats([], news, position=None)


async def follow(
    store: Store, text: str, *, limit: int, among: int, after: ChatPlace | None = None
) -> list[tuple[list[str], ChatPlace | None]]:
    """All pages of a search."""
    pages: list[tuple[list[str], ChatPlace | None]] = []
    while True:
        page = await store.find_chats("shop", text, after=after, limit=limit, among=among)
        pages.append(([row.chat for row in page.rows], page.next))
        if (after := page.next) is None:
            return pages


async def test_chats_are_found_by_name_and_id(store: Store) -> None:
    lease = await create_and_claim(store)
    await write(store, lease, [(f"c{number}", f"Name {number}", 1000.0 + number) for number in range(7)])
    await write(store, lease, [("100%", None, 900.0), ("a_b", "50! off", 800.0)])
    for text, found in (
        ("NAME 3", ["c3"]),
        ("C3", ["c3"]),
        ("name", [f"c{number}" for number in reversed(range(7))]),
        ("%", ["100%"]),
        ("_", ["a_b"]),
        ("!", ["a_b"]),
        ("nothing like it", []),
    ):
        assert await follow(store, text, limit=9, among=100) == [(found, None)]
    with pytest.raises(NotFound):
        await store.find_chats("absent", "name", after=None, limit=9, among=100)


async def test_a_page_examines_so_many_chats_and_lists_so_many(store: Store) -> None:
    lease = await create_and_claim(store)
    assert await follow(store, "x", limit=9, among=4) == [([], None)]
    await write(
        store, lease, [(f"c{number}", "even" if number % 2 == 0 else "odd", 100.0 - number) for number in range(10)]
    )
    assert await follow(store, "absent", limit=9, among=4) == [([], (97.0, "c3")), ([], (93.0, "c7")), ([], None)]
    assert await follow(store, "c9", limit=9, among=4) == [([], (97.0, "c3")), ([], (93.0, "c7")), (["c9"], None)]
    assert await follow(store, "even", limit=1, among=4) == [
        (["c0"], (100.0, "c0")),
        (["c2"], (98.0, "c2")),
        (["c4"], (96.0, "c4")),
        (["c6"], (94.0, "c6")),
        (["c8"], None),
    ]
    assert await follow(store, "even", limit=2, among=4) == [
        (["c0", "c2"], (97.0, "c3")),
        (["c4", "c6"], (93.0, "c7")),
        (["c8"], None),
    ]
    assert await follow(store, "even", limit=5, among=11) == [(["c0", "c2", "c4", "c6", "c8"], None)]
    assert await follow(store, "even", limit=5, among=1, after=(91.0, "c9")) == [([], None)]


async def test_each_match_is_found_once_whatever_moves(store: Store) -> None:
    """Half of the chats share their time with others. Between two pages some chats get a message, and new ones begin."""
    rng = random.Random(7)
    lease = await create_and_claim(store)
    for attempt in range(20):
        begin = 1000.0 * attempt
        mark = f"mark{attempt}-"
        chats = [
            (f"{attempt}-{number}", f"{mark if rng.random() < 0.3 else 'other'}", begin + rng.randrange(20))
            for number in range(60)
        ]
        await write(store, lease, chats)
        wanted = {chat for chat, name, _ in chats if name == mark}
        moved: set[str] = set()
        seen: list[str] = []
        places: list[ChatPlace] = []
        after: ChatPlace | None = None
        while True:
            page = await store.find_chats("shop", mark, after=after, limit=rng.randint(1, 6), among=rng.randint(1, 12))
            seen += [row.chat for row in page.rows]
            if (after := page.next) is None:
                break
            places.append(after)
            now = begin + 500.0 + len(places)
            moving = [chat for chat, *_ in rng.sample(chats, 2)]
            moved.update(moving)
            await write(store, lease, [(chat, None, now) for chat in moving])
            await write(store, lease, [(f"{attempt}-new-{len(places)}", mark, now)])
        assert len(seen) == len(set(seen))
        assert wanted - moved <= set(seen) <= wanted
        assert places == sorted(set(places), reverse=True), "each page begins behind the one before"
        again = [chat for chats, _ in await follow(store, mark, limit=7, among=9) for chat in chats]
        assert wanted <= set(again), "another search finds those that moved"


def rows(size: int) -> Callable[[Any], None]:
    def insert(database: Any) -> None:
        connection: sqlite3.Connection = database.connection
        [(uid,)] = connection.execute("SELECT uid FROM sessions WHERE id = 'shop'")
        connection.executemany(
            "INSERT INTO chats (uid, chat, name, last_at) VALUES (?, ?, ?, ?)",
            [(uid, f"chat-{number}", f"Person {number}", 1000.0 + number) for number in range(size)],
        )

    return insert


async def test_a_page_costs_the_same_however_many_chats_there_are() -> None:
    """Counted in SQLite's own steps, in hundreds: a store with as many chats as a page examines, and one with ten times as
    many."""
    for text in ("absent", "person"):
        for after in (None, (1000.0 + CHATS_SEARCHED / 2, "")):
            steps = []
            for size in (CHATS_SEARCHED, 10 * CHATS_SEARCHED):
                store: Any = MemoryStore()
                async with store.open():
                    await store.create_session(new_session())
                    await store._write(rows(size))
                    find = store.find_chats
                    steps.append(
                        await sqlite_steps(
                            store,
                            lambda: find("shop", text, after=after, limit=10, among=CHATS_SEARCHED),  # noqa: B023
                        )
                    )
            short, long = steps
            assert long <= 1.1 * short + 3, (text, after, short, long)
