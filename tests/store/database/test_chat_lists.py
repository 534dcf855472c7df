"""The list of each chat's events in PostgreSQL, which is filled behind the log."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import asyncpg
import pytest
import trio

from rookery.errors import StoreUnavailable
from rookery.model.event import EventQuery
from rookery.model.session import Lease
from rookery.store.contract import Store
from store.backends import PostgresBackend, older, run_sql, until_asleep
from store.building import all_events, create_and_claim, event

LISTED = "SELECT string_agg(event::text, ' ' ORDER BY event) FROM {}.event_chats"


async def listed(postgres: PostgresBackend) -> list[int]:
    found = await trio.to_thread.run_sync(run_sql, postgres.url, LISTED.format(postgres.schema))
    return [int(each) for each in str(found or "").split()]


async def chats_of(store: Store, *chats: str) -> list[list[str]]:
    return [[one.key for one in await store.read_events(EventQuery(chat=chat))] for chat in chats]


async def fill(store: Store, lease: Lease, count: int) -> Sequence[int]:
    """Events in the chats 0, 1 and 2, and as many without a chat."""
    await store.append(
        lease, [event(number, chat=(None, "0", "1", "2")[number % 4]) for number in range(1, count + 1)], None
    )
    return [one.id for one in await all_events(store)]


async def test_each_event_is_listed_once_whoever_moves_the_position(postgres: PostgresBackend) -> None:
    one, two = postgres.make(), postgres.make()
    async with one.open(), two.open():
        lease = await create_and_claim(one)
        ids = await fill(one, lease, 400)
        async with trio.open_nursery() as nursery:
            for store, shift in ((one, 0), (two, 3), (one, 5), (two, 7)):
                for place in range(20 + shift, 400, 20):
                    nursery.start_soon(partial(store.write_chats, [], [], position=ids[place]))
            nursery.start_soon(partial(one.write_chats, [], [], position=ids[-1]))
        assert await one.chat_position() == ids[-1]
        assert await listed(postgres) == [id for number, id in enumerate(ids, 1) if number % 4]


async def test_an_older_program_that_moves_the_position_fills_the_list(postgres: PostgresBackend) -> None:
    store = postgres.make()
    async with store.open():
        ids = await fill(store, await create_and_claim(store), 8)
        await move(postgres, ids[3])
        assert await listed(postgres) == list(ids[:3])
        await move(postgres, ids[6])
        assert await listed(postgres) == [*ids[:3], *ids[4:7]]
        assert await chats_of(store, "0", "1", "2") == [["1", "5"], ["2", "6"], ["3", "7"]]


async def test_a_failed_move_lists_nothing_and_the_page_is_whole(postgres: PostgresBackend) -> None:
    store = postgres.make()
    async with store.open():
        ids = await fill(store, await create_and_claim(store), 8)
        await store.write_chats([], [], position=ids[1])
        broken = f"UPDATE {postgres.schema}.meta SET value = '{ids[6]}' WHERE key = 'chats_position'; SELECT 1 / 0"
        with pytest.raises(Exception, match="division by zero"):
            await trio.to_thread.run_sync(run_sql, postgres.url, broken)
        assert await listed(postgres) == list(ids[:2])
        assert await chats_of(store, "0", "1", "2") == [["1", "5"], ["2", "6"], ["3", "7"]]


async def test_events_that_are_deleted_while_they_are_listed_leave_the_list(postgres: PostgresBackend) -> None:
    store = postgres.make()
    async with store.open():
        ids = await fill(store, await create_and_claim(store), 8)
        schema = postgres.schema
        move = f"INSERT INTO {schema}.meta VALUES ('chats_position', '{ids[-1]}'); SELECT pg_sleep(0.5)"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, run_sql, postgres.url, move)
            await until_asleep(postgres.url, 1)
            erased = await store.erase_chat("shop", "0")
        assert erased.events == 2
        assert await listed(postgres) == [ids[1], ids[2], ids[5], ids[6]]
        await store.prune_events(before=2e10, limit=100)
        assert await listed(postgres) == []


async def test_events_that_are_listed_while_they_are_deleted_do_not_enter_the_list(postgres: PostgresBackend) -> None:
    store = postgres.make()
    async with store.open():
        ids = await fill(store, await create_and_claim(store), 8)
        delete = f"DELETE FROM {postgres.schema}.events WHERE chat = '0'; SELECT pg_sleep(0.5)"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, run_sql, postgres.url, delete)
            await until_asleep(postgres.url, 1)
            await store.write_chats([], [], position=ids[-1])
        assert await listed(postgres) == [ids[1], ids[2], ids[5], ids[6]]
        assert await chats_of(store, "0", "1") == [[], ["2", "6"]]


async def move(postgres: PostgresBackend, position: int) -> None:
    """Move the position as any program does."""
    await run(
        postgres,
        f"INSERT INTO {postgres.schema}.meta VALUES ('chats_position', '{position}') "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )


async def run(postgres: PostgresBackend, sql: str) -> None:
    await trio.to_thread.run_sync(run_sql, postgres.url, sql + ";")


async def test_the_list_of_an_older_database_is_made_when_it_is_updated(
    postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with older(postgres, monkeypatch, 27) as before:
        ids = await fill(before, await create_and_claim(before), 40)
        await move(postgres, ids[29])
    store = postgres.make()
    async with store.open():
        assert await listed(postgres) == [id for number, id in enumerate(ids[:30], 1) if number % 4]
        everything = await all_events(store)
        for chat in ("0", "1", "2"):
            assert await store.read_events(EventQuery(chat=chat)) == [one for one in everything if one.chat == chat]
        assert (await store.erase_chat("shop", "1")).events == 10
        assert await chats_of(store, "1") == [[]]


async def test_what_comes_between_the_steps_of_the_update_is_listed_once(
    postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with older(postgres, monkeypatch, 27) as before:
        ids = await fill(before, await create_and_claim(before), 40)
        await move(postgres, ids[9])
    async with older(postgres, monkeypatch, 28):
        await move(postgres, ids[19])
        await run(postgres, f"DELETE FROM {postgres.schema}.events WHERE id IN ({ids[1]}, {ids[14]})")
    store = postgres.make()
    async with store.open():
        assert await listed(postgres) == [
            id for number, id in enumerate(ids[:20], 1) if number % 4 and number not in (2, 15)
        ]


async def test_an_index_that_a_reader_keeps_is_dropped_at_the_next_start(
    postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with older(postgres, monkeypatch, 29):
        pass

    async def read() -> None:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError):  # it is ended below
            await run(postgres, f"BEGIN; SELECT count(*) FROM {postgres.schema}.events; SELECT pg_sleep(30)")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await until_asleep(postgres.url, 1)
        with pytest.raises(StoreUnavailable, match="a lock was not granted in time"):
            async with postgres.make().open():
                pass
        await run(postgres, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    async with postgres.make().open():
        pass
