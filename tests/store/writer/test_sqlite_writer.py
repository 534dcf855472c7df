"""The order in which SQLite's writer does what waits for it."""

from __future__ import annotations

import sqlite3
import threading
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from rookery.store.background_work import Job
from rookery.store.sqlite.database import checkpoints
from rookery.store.sqlite.database import writer as sqlite_writer
from rookery.store.sqlite.database.connection import Database
from rookery.store.sqlite.database.doorbell import Doorbell
from store.backends import SqliteBackend
from store.building import create_and_claim, event


async def test_deleting_lets_waiting_writers_go_first_and_shares_no_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, transactions = sqlite_writer._together, list[int]()

    def noted(database: Database, group: list[Job]) -> None:
        transactions.append(len(group))
        together(database, group)

    store = SqliteBackend(tmp_path / "rookery.db").make()
    async with store.open(), trio.open_nursery() as nursery:
        lease = await create_and_claim(store)
        await store.append(lease, [event(1)], None)
        writer = store._writer  # type: ignore[attr-defined]
        begun, gate = trio.Event(), threading.Event()

        def hold(database: Database) -> None:
            trio.from_thread.run_sync(begun.set, trio_token=token)
            assert gate.wait(20)

        async def prune() -> None:
            assert await store.prune_events(before=9e12, limit=10) == 3  # sees what was stored meanwhile

        token = trio.lowlevel.current_trio_token()
        monkeypatch.setattr(sqlite_writer, "_together", noted)
        nursery.start_soon(writer.run, hold)
        await begun.wait()
        nursery.start_soon(prune)
        await trio.testing.wait_all_tasks_blocked()
        for key in (2, 3):
            nursery.start_soon(store.append, lease, [event(key)], None)
        await trio.testing.wait_all_tasks_blocked()
        gate.set()
    assert transactions == [1, 2, 1]  # the held one, both writers, the deletion


async def test_every_ring_is_answered_before_the_end() -> None:
    heard: list[str] = []
    closed = trio.Event()
    asked: list[int] = []

    def answer() -> None:
        heard.append(f"{len(asked)}")
        asked.clear()

    bell = Doorbell(answer, closed.set)

    def thread() -> None:
        for number in range(1000):
            asked.append(number)
            bell.ring()
        bell.close()

    threading.Thread(target=thread).start()
    with trio.fail_after(30):
        await closed.wait()
    assert asked == []  # the answer to the last ring came after it
    assert heard
    assert len(heard) <= 1000


def test_a_ring_after_the_run_is_over_does_nothing() -> None:
    heard: list[str] = []

    async def main() -> Doorbell:
        return Doorbell(lambda: heard.append("answer"), lambda: heard.append("closed"))

    bell = trio.run(main)
    bell.ring()
    bell.close()
    assert heard == []


async def test_a_writer_comes_between_two_pieces_of_background_work(tmp_path: Path) -> None:
    order: list[str] = []
    store = SqliteBackend(tmp_path / "rookery.db").make()
    async with store.open(), trio.open_nursery() as nursery:
        writer = store._writer  # type: ignore[attr-defined]
        token = trio.lowlevel.current_trio_token()

        async def write() -> None:
            nursery.start_soon(writer.run, lambda _: order.append("writer"))
            await trio.testing.wait_all_tasks_blocked()

        def first(_: Database) -> None:
            order.append("first")
            trio.from_thread.run(write, trio_token=token)

        gate, begun = threading.Event(), trio.Event()

        def hold(_: Database) -> None:
            trio.from_thread.run_sync(begun.set, trio_token=token)
            assert gate.wait(20)

        nursery.start_soon(writer.run, hold)
        await begun.wait()
        for work in (first, lambda _: order.append("second")):
            nursery.start_soon(partial(writer.run, work, background=True))
            await trio.testing.wait_all_tasks_blocked()
        gate.set()
    assert order == ["first", "writer", "second"]


async def test_background_work_lets_the_log_be_copied_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk is busy with the copy, each commit takes long; ordinary writers go on."""
    monkeypatch.setattr(checkpoints, "STEP", 20)
    monkeypatch.setattr(sqlite_writer, "COPY_WAIT", 60.0)
    began, copied = threading.Event(), threading.Event()

    def slow(self: checkpoints.Checkpointer, connection: sqlite3.Connection) -> None:
        began.set()
        assert copied.wait(30)

    monkeypatch.setattr(checkpoints.Checkpointer, "_catch_up", slow)
    order: list[str] = []
    store = SqliteBackend(tmp_path / "rookery.db").make()
    with trio.fail_after(30):
        async with store.open(), trio.open_nursery() as nursery:
            writer = store._writer  # type: ignore[attr-defined]
            lease = await create_and_claim(store)
            await writer.run(lambda _: None, background=True)
            key = 0
            while not began.is_set():
                await store.append(lease, [event(key := key + 1)], None)
            nursery.start_soon(partial(writer.run, lambda _: order.append("background"), background=True))
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(3):
                await writer.run(lambda _: order.append("writer"))
            copied.set()
    assert order == ["writer"] * 3 + ["background"]


async def test_background_work_that_waits_for_the_copy_is_done_before_the_store_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "COPY_WAIT", 600.0)
    monkeypatch.setattr(Database, "is_copying", True)
    done: list[bool] = []
    store = SqliteBackend(tmp_path / "rookery.db").make()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery, store.open():
            writer = store._writer  # type: ignore[attr-defined]
            await writer.run(lambda _: None, background=True)
            nursery.start_soon(partial(writer.run, lambda _: done.append(True), background=True))
            await trio.testing.wait_all_tasks_blocked()
    assert done == [True]
