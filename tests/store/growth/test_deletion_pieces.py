"""Deleting a session, a webhook or a chat with very much behind it: complete, and in pieces between which others write."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from rookery.errors import NotFound, StoreError
from rookery.model.event import Event
from rookery.model.instance import StoreChange
from rookery.model.media import MediaFile, MediaOrigin, MediaQuery, MediaState, id_of_event
from rookery.model.message import MessageQuery
from rookery.store.contract import Store
from rookery.store.pieces import FIRST, PIECE_TIMEOUT, announced
from rookery.store.sqlite.database import writer as sqlite_writer
from store.backends import PostgresBackend, SqliteBackend, run_sql
from store.building import all_events, create_and_claim, event, message, webhook
from support.waiting import until

MANY = 230
"""More than are deleted in the first pieces."""


async def fill(store: Store, count: int = MANY) -> None:
    """Two sessions; events of `shop` in two chats, with deliveries to a webhook of its own and to one for all."""
    lease, other = await create_and_claim(store), await create_and_claim(store, "other")
    await store.create_webhook(webhook("own", session="shop"))
    await store.create_webhook(webhook("all"))
    for begin in range(0, count, 50):
        of_chat = [event(f"{chat}-{begin + n}", chat=chat) for n in range(min(50, count - begin)) for chat in "78"]
        await store.append(lease, of_chat, None)
        sends = [message(to=chat) for _ in range(min(50, count - begin)) for chat in "78"]
        await store.enqueue_batch(sends, pending_limit=2 * count)
    await store.append(other, [event("7-other")], None)
    await store.enqueue(message("other"), pending_limit=10)


async def pending(store: Store, hook: str) -> set[tuple[str, str | None]]:
    rows = await store.pending_deliveries(hook, now=9e9, busy=(), limit=10 * MANY)
    return {(row.event.session, row.event.chat) for row in rows}


def file_of(one: Event) -> MediaFile:
    return MediaFile(
        id=id_of_event(one.id),
        session="shop",
        origin=MediaOrigin.INBOUND,
        state=MediaState.STORED,
        content_type="image/png",
        event=one.id,
        created_at=1.0,
        expires_at=9e9,
    )


async def test_a_chat_with_much_in_it_is_erased(store: Store) -> None:
    await fill(store)
    log = await all_events(store)
    first = next(one for one in log if one.chat == "7")
    for one in (first, log[1]):
        await store.put_media(file_of(one))
    erased = await store.erase_chat("shop", "7")
    assert (erased.events, erased.messages, erased.media) == (MANY, MANY, (id_of_event(first.id),))
    left = await all_events(store)
    assert len(left) == MANY + 1
    assert {(one.session, one.chat) for one in left} == {("shop", "8"), ("other", "7")}
    assert {one.to for _, one in await store.list_messages(MessageQuery(session="shop", limit=1000))} == {"8"}
    assert len(await store.list_messages(MessageQuery(session="other"))) == 1
    assert await pending(store, "own") == {("shop", "8")}
    assert await pending(store, "all") == {("shop", "8"), ("other", "7")}
    assert (await store.delivery_counts())["own"] == (MANY, 0)
    lease = await create_and_claim(store, "third")
    await store.append(lease, [event("new")], None)  # deliveries go on
    assert ("third", "7") in await pending(store, "all")


async def test_a_session_with_much_behind_it_is_deleted(store: Store) -> None:
    await fill(store)
    assert await store.delete_session("shop")
    assert not await store.delete_session("shop")
    with pytest.raises(NotFound):
        await store.get_session("shop")
    with pytest.raises(NotFound):
        await store.get_webhook("own")
    assert len(await store.list_messages(MessageQuery(session="other"))) == 1
    assert len(await all_events(store)) == 2 * MANY + 1, "events stay"
    assert (await store.delivery_counts())["all"] == (2 * MANY + 1, 0)
    await create_and_claim(store)  # a successor begins with nothing
    assert await store.list_messages(MessageQuery(session="shop")) == []
    assert await store.list_media(MediaQuery(session="shop")) == []


async def test_a_webhook_with_many_deliveries_is_deleted(store: Store) -> None:
    await fill(store)
    assert await store.delete_webhook("all")
    assert not await store.delete_webhook("all")
    assert await store.delivery_counts() == {"own": (2 * MANY, 0)}
    await store.create_webhook(webhook("all"))
    assert (await store.delivery_counts())["all"] == (0, 0)


DELETIONS: dict[str, Callable[[Any], Awaitable[object]]] = {
    "session": lambda store: store.delete_session("shop"),
    "webhook": lambda store: store.delete_webhook("all"),
    "chat": lambda store: store.erase_chat("shop", "7"),
}


async def test_a_caller_that_leaves_hears_of_the_piece_that_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "PIECE_SECONDS", 60.0)  # the piece is not cut
    store: Any = SqliteBackend(tmp_path / "rookery.db").make()
    begun, go = threading.Event(), threading.Event()

    def statement(text: str) -> None:
        if "DELETE FROM events" in text:
            begun.set()
            go.wait(30)

    told: list[Sequence[str]] = []
    async with store.open():
        lease = await create_and_claim(store)
        await store.append(lease, [event(number) for number in range(FIRST + 10)], None)
        newest = (await all_events(store))[-1]
        await store.put_media(file_of(newest))
        connection = await store._write(lambda database: database.connection)
        connection.set_trace_callback(statement)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(store.erase_chat, "shop", "7", gone=told.append))
            assert await trio.to_thread.run_sync(begun.wait, 30)
            nursery.cancel_scope.cancel()
            go.set()
        connection.set_trace_callback(None)
        assert len(await all_events(store)) == 10
        assert [list(each) for each in told] == [[id_of_event(newest.id)]]


async def test_other_instances_hear_of_each_piece_of_a_chat_that_is_erased(postgres: PostgresBackend) -> None:
    """The second piece fails."""
    schema = postgres.schema
    broken = f"""
        CREATE FUNCTION {schema}.broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF (SELECT count(*) FROM {schema}.events) <= 10 THEN
                RAISE EXCEPTION 'broken by the test';
            END IF;
            RETURN OLD;
        END $$;
        CREATE TRIGGER broken BEFORE DELETE ON {schema}.events FOR EACH ROW EXECUTE FUNCTION {schema}.broken();"""
    one: Any = postgres.make()
    two: Any = postgres.make()
    heard = trio.Event()

    def listen(change: StoreChange) -> None:
        if change.kind == "erased":
            heard.set()

    async with one.open(), two.open(), trio.open_nursery() as nursery:
        lease = await create_and_claim(one)
        await one.append(lease, [event(number) for number in range(FIRST + 10)], None)
        await trio.to_thread.run_sync(run_sql, postgres.url, broken)
        nursery.start_soon(two.watch, listen)
        await until(lambda: two.hears)
        with pytest.raises(StoreError, match="broken by the test"):
            await one.erase_chat("shop", "7")
        assert len(await all_events(two)) == 10
        with trio.fail_after(30):
            await heard.wait()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("which", DELETIONS)
async def test_no_transaction_deletes_most_of_it(which: str, tmp_path: Path) -> None:
    """The longest transaction is a small part of all of them, counted in SQLite's own steps of the writer."""
    store: Any = SqliteBackend(tmp_path / "rookery.db").make()
    async with store.open():
        await fill(store, 5_000)
        connection = await store._write(lambda database: database.connection)
        transactions = [0]

        def step() -> int:
            transactions[-1] += 1
            return 0

        def statement(text: str) -> None:
            if text.startswith("BEGIN"):
                transactions.append(0)

        connection.set_trace_callback(statement)
        connection.set_progress_handler(step, 100)
        await DELETIONS[which](store)
        connection.set_trace_callback(None)
        connection.set_progress_handler(None, 0)
        assert sum(transactions) > 500
        assert max(transactions) < 0.5 * sum(transactions), transactions


async def test_a_caller_waits_for_a_piece_as_long_as_it_takes(autojump_clock: MockClock) -> None:
    heard: list[Sequence[str]] = []

    async def delete() -> Sequence[str]:
        await trio.sleep(4 * PIECE_TIMEOUT)  # a backup holds the database
        return ("file",)

    assert await announced(delete, heard.append) == ("file",) == heard[0]

    async def refuse() -> Sequence[str]:
        await trio.sleep(4 * PIECE_TIMEOUT)
        raise StoreError("the database is locked")

    with pytest.raises(StoreError, match="locked"):
        await announced(refuse, None)


async def test_a_caller_that_leaves_waits_a_moment_for_the_piece_that_has_begun(autojump_clock: MockClock) -> None:
    heard: list[Sequence[str]] = []

    async def delete(seconds: float) -> Sequence[str]:
        await trio.sleep(seconds)
        return (f"{seconds:g}",)

    for seconds in (PIECE_TIMEOUT, 100 * PIECE_TIMEOUT):
        began = trio.current_time()
        with trio.move_on_after(1) as scope:
            await announced(partial(delete, seconds), heard.append)
        assert scope.cancelled_caught
        assert trio.current_time() - began <= 1 + PIECE_TIMEOUT
    assert heard == [(f"{PIECE_TIMEOUT:g}",)]
