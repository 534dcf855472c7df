"""The pipe by which SQLite's writer wakes trio: every way of ending closes it, and leaves no caller waiting."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from rookery.errors import SecretKeyError, StoreError, StoreUnavailable
from rookery.store.sqlite.database import doorbell
from rookery.store.sqlite.database.connection import Database
from rookery.store.sqlite.database.writer import GroupWriter
from rookery.store.sqlite.store import SqliteStore
from store.backends import KEY, SqliteBackend
from support.waiting import until


def pipes() -> set[tuple[str, str]]:
    """The ends of pipes that this process has open."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:  # the listing's own
            continue
        if target.startswith("pipe:"):
            found.add((number, target))
    return found


@pytest.fixture
def before() -> set[tuple[str, str]]:
    return pipes()


@pytest.fixture
def backend(tmp_path: Path) -> SqliteBackend:
    return SqliteBackend(tmp_path / "rookery.db")


def make(backend: SqliteBackend, key: str = KEY) -> SqliteStore:
    store = backend.make(key)
    assert isinstance(store, SqliteStore)
    return store


def writer_of(store: SqliteStore) -> GroupWriter:
    assert isinstance(store._writer, GroupWriter)
    return store._writer


async def check_gone(backend: SqliteBackend, before: set[tuple[str, str]]) -> None:
    """No pipe is left, and the database can be opened again."""
    await until(lambda: pipes() == before)
    async with make(backend).open():
        assert len(pipes() - before) == 2
    await until(lambda: pipes() == before)


async def test_stores_of_one_process_have_pipes_of_their_own(tmp_path: Path, before: set[tuple[str, str]]) -> None:
    async with make(SqliteBackend(tmp_path / "one.db")).open() as one:
        async with make(SqliteBackend(tmp_path / "two.db")).open():
            assert len(pipes() - before) == 4
        await until(lambda: len(pipes() - before) == 2)
        assert await writer_of(one).run(lambda database: "served") == "served"
    await check_gone(SqliteBackend(tmp_path / "one.db"), before)


async def test_a_database_that_cannot_be_opened(backend: SqliteBackend, before: set[tuple[str, str]]) -> None:
    await check_gone(backend, before)
    with pytest.raises(SecretKeyError):
        async with make(backend, "another passphrase of the test suite").open():
            pass
    await check_gone(backend, before)


async def test_no_thread_can_be_started(
    backend: SqliteBackend, before: set[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(StoreUnavailable):
            async with make(backend).open():
                pass
    await check_gone(backend, before)


async def test_no_descriptors_are_left(
    backend: SqliteBackend, before: set[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> tuple[int, int]:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pipe", refuse)
        with pytest.raises(StoreError, match="Too many open files"):
            async with make(backend).open():
                pass
    await check_gone(backend, before)


async def test_trio_takes_no_more_tasks(before: set[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("Nursery is closed to new arrivals")

    monkeypatch.setattr(trio.lowlevel, "spawn_system_task", refuse)
    with pytest.raises(RuntimeError):
        doorbell.Doorbell(lambda: None, lambda: None)
    assert pipes() == before


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Opened at the end, so that no thread waits for ever."""
    gate = threading.Event()
    yield gate
    gate.set()


async def test_an_opening_that_is_given_up(
    backend: SqliteBackend, before: set[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    connect, begun = SqliteStore._connect, threading.Event()

    def slow(store: SqliteStore) -> Database:
        begun.set()
        assert gate.wait(20)
        return connect(store)

    async def give_up(scope: trio.CancelScope) -> None:
        with scope:
            async with make(backend).open():
                raise AssertionError("it was opened")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "_connect", slow)
        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()
            nursery.start_soon(give_up, scope)
            await until(begun.is_set)
            scope.cancel()  # the caller waits for `ABANDON_TIMEOUT` and leaves
    assert len(pipes() - before) == 2
    gate.set()
    await check_gone(backend, before)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("background", [False, True])
async def test_a_thread_that_crashes_leaves_no_caller_waiting(
    backend: SqliteBackend, before: set[tuple[str, str]], gate: threading.Event, background: bool
) -> None:
    errors: list[str] = []

    begun = threading.Event()

    def hold(database: Database) -> None:
        begun.set()
        assert gate.wait(20)

    def crash(database: Database) -> None:
        raise SystemExit

    def nothing(database: Database) -> None:
        pass

    async with make(backend).open() as store, trio.open_nursery() as nursery:
        writer = writer_of(store)

        async def write(work: Callable[[Database], None], background: bool) -> None:
            try:
                await writer.run(work, background=background)
            except StoreUnavailable as error:
                errors.append(str(error))

        nursery.start_soon(writer.run, hold)
        await until(begun.is_set)
        works = [(nothing, False), (crash, background), (nothing, False), (nothing, True), (nothing, True)]
        for work, last in works:
            nursery.start_soon(write, work, last)
            await trio.testing.wait_all_tasks_blocked()
        gate.set()
        nursery.cancel_scope.deadline = trio.current_time() + 20
    assert not nursery.cancel_scope.cancelled_caught
    assert len(errors) == (3 if background else 5)  # those that were committed before the crash succeeded
    await check_gone(backend, before)


async def test_a_caller_outside_the_block_gets_its_result_after_it(
    backend: SqliteBackend, before: set[tuple[str, str]], gate: threading.Event
) -> None:
    results: list[str] = []
    begun = threading.Event()

    def hold(database: Database) -> str:
        begun.set()
        assert gate.wait(20)
        return "written"

    async def write(writer: GroupWriter) -> None:
        results.append(await writer.run(hold))

    async with trio.open_nursery() as nursery:
        async with make(backend).open() as store:
            store.close_by = trio.current_time()  # do not wait for the thread
            nursery.start_soon(write, writer_of(store))
            await until(begun.is_set)
        assert not results
        gate.set()
    assert results == ["written"]
    await check_gone(backend, before)


def test_a_run_that_ends_before_the_thread(
    backend: SqliteBackend, before: set[tuple[str, str]], gate: threading.Event
) -> None:
    begun = threading.Event()

    def hold(database: Database) -> None:
        begun.set()
        assert gate.wait(20)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            async with make(backend).open() as store:
                store.close_by = trio.current_time()  # do not wait for the thread
                nursery.start_soon(writer_of(store).run, hold)
                await until(begun.is_set)
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert len(pipes() - before) == 1  # the end that the thread closes
    gate.set()
    for thread in threading.enumerate():
        if thread.name.startswith("rookery-sqlite"):
            thread.join(20)
    assert pipes() == before
