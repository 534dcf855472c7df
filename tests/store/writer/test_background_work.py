"""When background work of SQLite's writer comes while the write-ahead log is copied."""

from __future__ import annotations

import itertools
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from rookery.model.message import MessageQuery
from rookery.store.background_work import BackgroundWork, Job
from rookery.store.pieces import FIRST, in_pieces
from rookery.store.sqlite.database import writer as sqlite_writer
from rookery.store.sqlite.database.connection import Database
from store.backends import SqliteBackend
from store.building import all_events, create_and_claim, event, message, webhook


def job(patience: float) -> Job:
    return Job(lambda _: None, background=True, task=None, patience=patience)


def test_work_that_was_withdrawn_takes_no_turn() -> None:
    waiting = BackgroundWork()
    waiting.ran(0.0)
    gone, last = [job(1.0) for _ in range(5)], job(1.0)
    waiting.add([*gone, last])
    for one in gone:
        one.withdrawn = True
    assert waiting.take(0.9, is_busy=True) is None
    assert list(waiting) == [last]
    assert waiting.take(1.0, is_busy=True) is last
    assert not waiting


def test_patient_work_gets_its_turn_beside_work_with_less_patience() -> None:
    waiting = BackgroundWork()
    waiting.ran(0.0)
    patient = job(1.0)
    waiting.add([patient])
    ran: list[tuple[float, Job]] = []
    for tick in range(1, 30):
        now = tick / 10
        if len(waiting) == (patient in waiting):
            waiting.add([job(0.1)])
        if (one := waiting.take(now, is_busy=True)) is not None:
            waiting.ran(now)
            ran.append((now, one))
    assert [now for now, one in ran if one is patient] == [1.0]
    assert len(ran) > 20


def test_work_comes_in_its_order_when_the_disk_is_not_busy() -> None:
    waiting = BackgroundWork()
    waiting.ran(0.0)
    first, second = job(9.0), job(0.0)
    waiting.add([first, second])
    assert [waiting.take(0.0, is_busy=False) for _ in range(3)] == [first, second, None]


async def test_a_withdrawn_piece_does_not_hold_up_those_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(sqlite_writer, "perf_counter", lambda: now)
    monkeypatch.setattr(Database, "is_copying", True)
    store: Any = SqliteBackend(tmp_path / "rookery.db").make()
    with trio.fail_after(30):
        async with store.open():
            background = partial(store._writer.run, lambda _: None, background=True)
            await background()
            await store._writer.run(lambda _: None)  # the thread has noted when that was
            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(background)
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(background)
                await trio.testing.wait_all_tasks_blocked()
                now += sqlite_writer.COPY_WAIT


async def test_the_wait_for_the_copy_makes_no_piece_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rookery.store.pieces.perf_counter", lambda: 0.0)  # quick rows
    seconds = itertools.count()
    monkeypatch.setattr(sqlite_writer, "perf_counter", lambda: time.perf_counter() + 0.2 * next(seconds))
    monkeypatch.setattr(Database, "is_copying", True)
    monkeypatch.setattr(Database, "is_late", lambda _: False)
    limits: list[int] = []
    store: Any = SqliteBackend(tmp_path / "rookery.db").make()

    async def delete(limit: int) -> int:
        limits.append(limit)
        gone: int = await store.prune_events(before=9e12, limit=limit)
        return gone

    async with store.open():
        lease = await create_and_claim(store)
        await store.append(lease, [event(number) for number in range(500)], None)
        await in_pieces(delete, rest=False)
        assert limits[:5] == [FIRST, 75, 112, 168, 250]
        assert await all_events(store) == []


async def erase_chat(store: Any) -> None:
    await store.erase_chat("shop", "7")
    assert await store.list_messages(MessageQuery(session="shop")) == []


AWAITED: dict[str, Callable[[Any], Awaitable[object]]] = {
    "chat": erase_chat,
    "session": lambda store: store.delete_session("shop"),
    "webhook": lambda store: store.delete_webhook("hook"),
}


@pytest.mark.parametrize("which", AWAITED)
async def test_a_deletion_that_somebody_waits_for_hardly_waits_for_the_copy(
    which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "COPY_WAIT", 600.0)
    store: Any = SqliteBackend(tmp_path / "rookery.db").make()
    async with store.open():
        lease = await create_and_claim(store)
        await store.create_webhook(webhook())
        await store.append(lease, [event(number) for number in range(2 * FIRST)], None)
        await store.enqueue_batch([message(to="7") for _ in range(2 * FIRST)], pending_limit=1000)
        await store.prune_events(before=0.0, limit=1)
        monkeypatch.setattr(Database, "is_copying", True)
        with trio.fail_after(30):
            await AWAITED[which](store)
