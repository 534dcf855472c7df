"""The write-ahead log of SQLite is copied into the database beside the writer, and stays short."""

from __future__ import annotations

import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio

from rookery.model.session import Lease
from rookery.store.contract import Store
from rookery.store.sqlite.database import checkpoints
from rookery.store.sqlite.database.checkpoints import Checkpointer, LogGauge
from store.backends import SqliteBackend
from store.building import create_and_claim, event, event_keys

PAGE = 4096 + 24


@pytest.fixture
def backend(tmp_path: Path) -> SqliteBackend:
    return SqliteBackend(tmp_path / "rookery.db")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy the log when it is 80 KiB long; wait for the writer at 240 KiB."""
    monkeypatch.setattr(checkpoints, "STEP", 20)
    monkeypatch.setattr(checkpoints, "WAIT_FROM", 60)
    monkeypatch.setattr(checkpoints, "PATIENCE", 30.0)


def log_of(backend: SqliteBackend) -> Path:
    return Path(f"{backend.path}-wal")


async def write(store: Store, lease: Lease, first: int, count: int) -> None:
    for number in range(first, first + count):
        await store.append(lease, [event(number)], None)


async def until_changed(store: Store, lease: Lease, gauge: LogGauge, salt: bytes, first: int) -> None:
    """Write without a pause until the log begins anew."""
    number = first
    while gauge.salt == salt:
        await write(store, lease, number, 1)
        number += 1


def test_the_gauge_counts_pages_of_the_present_log_only(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("CREATE TABLE t (a)")
        with closing(LogGauge(path, 4096)) as gauge:

            def length() -> int:
                return next(pages for pages in range(1, 10_000) if not gauge.reaches(pages)) - 1

            for _ in range(30):
                connection.execute("INSERT INTO t VALUES (zeroblob(3000))")
                before = length()
                _, pages, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                assert pages == copied == before > 0
            salt = gauge.salt
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO t VALUES (zeroblob(3000))", [()] * 40)
            connection.execute("COMMIT")
            assert length() > 40
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            connection.execute("INSERT INTO t VALUES (1)")
            assert gauge.salt != salt
            assert 0 < length() < 10


@pytest.mark.usefixtures("short")
async def test_the_log_stays_short_while_the_writer_never_pauses(backend: SqliteBackend) -> None:
    store = backend.make()
    async with store.open():
        lease = await create_and_claim(store)
        with closing(LogGauge(backend.path, 4096)) as gauge, trio.fail_after(60):
            for number in range(3):  # the log begins anew again and again
                salt = gauge.salt
                async with trio.open_nursery() as nursery:
                    for writer in range(8):
                        nursery.start_soon(until_changed, store, lease, gauge, salt, 100_000 * (8 * number + writer))
        assert backend.path.stat().st_size > 50 * 4096, "nothing was copied"
        stored = await event_keys(store)
    async with store.open():
        assert await event_keys(store) == stored


@pytest.mark.usefixtures("short")
async def test_a_commit_does_not_wait_for_the_copy(backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    began, go_on = threading.Event(), threading.Event()
    original = Checkpointer._catch_up

    def slow(self: Checkpointer, connection: sqlite3.Connection) -> None:
        began.set()
        assert go_on.wait(30)
        original(self, connection)

    monkeypatch.setattr(Checkpointer, "_catch_up", slow)
    store = backend.make()
    async with store.open():
        lease = await create_and_claim(store)
        with trio.fail_after(30):
            await write(store, lease, 0, 200)
        assert began.is_set()
        assert log_of(backend).stat().st_size > 200 * PAGE
        go_on.set()


@pytest.mark.usefixtures("short")
async def test_the_writer_waits_for_a_slow_disk_only_for_a_while(
    backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "PATIENCE", 0.001)
    go_on, attempts = threading.Event(), []
    original = Checkpointer._catch_up

    def slow(self: Checkpointer, connection: sqlite3.Connection) -> None:
        attempts.append(self._length)
        if len(attempts) == 1:
            self._is_behind, self._length = True, 60  # as if it never caught up
        else:
            assert go_on.wait(30)
            original(self, connection)

    monkeypatch.setattr(Checkpointer, "_catch_up", slow)
    store = backend.make()
    async with store.open():
        lease = await create_and_claim(store)
        await write(store, lease, 0, 200)
        assert len(attempts) == 2
        go_on.set()
        await write(store, lease, 200, 200)
        assert len(await event_keys(store)) == 400


@pytest.mark.usefixtures("short")
async def test_a_long_read_delays_the_copy_and_the_log_begins_anew_after_it(backend: SqliteBackend) -> None:
    store = backend.make()
    async with store.open():
        lease = await create_and_claim(store)
        with closing(sqlite3.connect(backend.path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM events").fetchone() == (0,)
            await write(store, lease, 0, 300)
            assert reader.execute("SELECT count(*) FROM events").fetchone() == (0,)
        with closing(LogGauge(backend.path, 4096)) as gauge:
            salt, number = gauge.salt, 300
            with trio.fail_after(30):
                while gauge.salt == salt:
                    await write(store, lease, number, 1)
                    number += 1


@pytest.mark.usefixtures("short")
async def test_closing_waits_for_the_copy_and_leaves_no_log(
    backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = threading.Event()
    original: Any = Checkpointer._catch_up

    def slow(self: Checkpointer, connection: sqlite3.Connection) -> None:
        began.set()
        threading.Event().wait(0.2)
        original(self, connection)

    monkeypatch.setattr(Checkpointer, "_catch_up", slow)
    store = backend.make()
    async with store.open():
        lease = await create_and_claim(store)
        while not began.is_set():
            await write(store, lease, len(await event_keys(store)), 1)
    assert not log_of(backend).exists()
    assert not [thread for thread in threading.enumerate() if "checkpoints" in thread.name]


READ_AND_CLOSE = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as connection:
    print(connection.execute("SELECT count(*) FROM events").fetchone()[0])
connection.close()
"""


@pytest.mark.usefixtures("short")
async def test_another_program_leaves_the_log_to_those_who_write(backend: SqliteBackend) -> None:
    """A program that thinks itself alone with the file removes the log when it closes, with all that follows in it."""
    store = backend.make()
    async with store.open():
        lease = await create_and_claim(store)
        with closing(LogGauge(backend.path, 4096)) as gauge, trio.fail_after(60):
            await until_changed(store, lease, gauge, gauge.salt, 0)  # the thread has its connection
        log = log_of(backend).stat().st_ino
        command = [sys.executable, "-c", READ_AND_CLOSE, str(backend.path)]
        done = await trio.run_process(command, capture_stdout=True)
        assert int(done.stdout) > 0
        assert log_of(backend).stat().st_ino == log
        await write(store, lease, 900_000, 1)
        stored = await event_keys(store)
        done = await trio.run_process(command, capture_stdout=True)
        assert int(done.stdout) == len(stored)


@pytest.mark.usefixtures("short")
async def test_without_a_thread_sqlite_copies_the_log_itself(
    backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        assert thread.name == "rookery-sqlite-checkpoints"
        raise RuntimeError("can't start new thread")

    store = backend.make()
    async with store.open():
        lease = await create_and_claim(store)
        with monkeypatch.context() as patch, trio.fail_after(30):
            patch.setattr(threading.Thread, "start", refuse)
            for number in range(60):
                await store.append(lease, [event(number)], None)
        await write(store, lease, 60, 20)
        assert len(await event_keys(store)) == 80
    async with store.open():
        assert len(await event_keys(store)) == 80
