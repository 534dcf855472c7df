"""What only the SQLite store has: its file, its lock, its thread."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
import trio
import trio.testing

from rookery.errors import DataDirectoryInUse, StoreError, StoreUnavailable
from rookery.store.contract import Store
from rookery.store.contract.webhooks import DeliveryOutcome  # type: ignore[attr-defined]
from rookery.store.sqlite import deliveries as sqlite_deliveries
from rookery.store.sqlite.database import writer as sqlite_writer
from rookery.store.sqlite.database.connection import Database
from store.backends import SqliteBackend
from store.building import all_events, claim, counted_steps, create_and_claim, event, event_keys, new_session, webhook


@pytest.fixture
def backend(tmp_path: Path) -> SqliteBackend:
    return SqliteBackend(tmp_path / "rookery.db")


async def test_a_second_engine_is_refused(backend: SqliteBackend) -> None:
    async with backend.make().open():
        for wait in (0.0, 0.05):
            with pytest.raises(DataDirectoryInUse, match=rf"rookery\.db .*process {os.getpid()}.*--wait"):
                async with backend.make(wait=wait).open():
                    pass
    async with backend.make().open():
        pass


async def test_a_second_engine_waits_until_the_first_has_closed(backend: SqliteBackend) -> None:
    order: list[str] = []

    async def second() -> None:
        store = backend.make(wait=10.0)
        async with store.open():
            order.append("second opened")
            assert await event_keys(store) == ["1"]

    async with trio.open_nursery() as nursery:
        first = backend.make()
        async with first.open():
            lease = await create_and_claim(first)
            nursery.start_soon(second)
            await trio.testing.wait_all_tasks_blocked()
            await first.append(lease, [event(1)], None)
            order.append("first closes")
    assert order == ["first closes", "second opened"]


async def test_waiting_can_be_cancelled(backend: SqliteBackend) -> None:
    async with backend.make().open():
        with trio.move_on_after(0.05) as scope:
            async with backend.make(wait=60.0).open():
                pass
        assert scope.cancelled_caught


@pytest.mark.parametrize("steps", range(6))
async def test_an_opening_that_is_cancelled_leaves_the_database_free(backend: SqliteBackend, steps: int) -> None:
    async with trio.open_nursery() as nursery:

        async def open_it() -> None:
            async with backend.make().open():
                await trio.sleep_forever()

        nursery.start_soon(open_it)
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    async with backend.make().open() as store:
        await create_and_claim(store)  # type: ignore[arg-type]


async def test_leases_of_an_earlier_owner_are_void_and_fences_go_on(backend: SqliteBackend) -> None:
    store = backend.make()
    async with store.open():
        old = await create_and_claim(store)
    async with store.open():
        assert (await store.get_session("shop")).owner is None
        new = await claim(store, owner="one")
        assert new.fence > old.fence


async def test_a_bad_write_takes_nothing_of_its_neighbours_with_it(backend: SqliteBackend) -> None:
    """Many writers share a transaction; those that fail, fail alone."""
    store = backend.make()
    failed = 0
    async with store.open():
        lease = await create_and_claim(store)

        async def write(number: int) -> None:
            nonlocal failed
            if number % 5 == 0:
                with pytest.raises(StoreError):
                    await store._write(fail)  # type: ignore[attr-defined]
                failed += 1
            else:
                await store.append(lease, [event(number)], None)

        def fail(database: Database) -> None:
            database.connection.execute("DELETE FROM events")
            database.connection.execute("INSERT INTO no_such_table VALUES (1)")

        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(write, number)
        assert failed == 20
        assert sorted(int(key) for key in await event_keys(store)) == [n for n in range(100) if n % 5]


async def test_when_a_shared_transaction_fails_each_is_tried_alone(backend: SqliteBackend) -> None:
    """A full disk, for instance, undoes everything at once."""
    store = backend.make()
    async with store.open():
        lease = await create_and_claim(store)
        gate = threading.Event()

        def undo_everything(database: Database) -> None:
            database.connection.execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")

        async def ruin() -> None:
            with pytest.raises(StoreError):
                await store._write(undo_everything)  # type: ignore[attr-defined]

        async with trio.open_nursery() as nursery:
            nursery.start_soon(store._write, lambda database: gate.wait(10))  # type: ignore[attr-defined]
            await trio.testing.wait_all_tasks_blocked()
            for number in range(5):
                nursery.start_soon(store.append, lease, [event(number)], None)
            nursery.start_soon(ruin)
            await trio.testing.wait_all_tasks_blocked()
            gate.set()
        assert sorted(await event_keys(store)) == ["0", "1", "2", "3", "4"]


async def test_a_write_that_was_not_begun_is_withdrawn(backend: SqliteBackend) -> None:
    store = backend.make()
    async with store.open():
        begun, gate = threading.Event(), threading.Event()

        def stuck(database: Database) -> None:
            begun.set()
            gate.wait(10)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(store._write, stuck)  # type: ignore[attr-defined]
            await trio.to_thread.run_sync(begun.wait)
            with trio.move_on_after(0.02) as scope:
                await store.create_session(new_session())
            assert scope.cancelled_caught  # although the thread is stuck
            gate.set()
        assert await store.count_sessions() == {}


async def test_closing_waits_for_the_last_transaction_but_not_for_ever(
    backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "CLOSE_TIMEOUT", 0.05)
    gate = threading.Event()
    store = backend.make()
    token = trio.lowlevel.current_trio_token()

    def stuck(database: Database) -> None:
        token.run_sync_soon(scope.cancel)
        gate.wait(10)
        database.connection.execute("INSERT INTO meta VALUES ('late', 'x')")

    with trio.CancelScope() as scope:
        async with store.open():
            await store._write(stuck)  # type: ignore[attr-defined]
    with pytest.raises(DataDirectoryInUse):  # the thread still has it
        async with backend.make().open():
            pass
    gate.set()
    store = backend.make(wait=10.0)
    async with store.open():
        rows = await store._read(lambda c: c.execute("SELECT value FROM meta WHERE key = 'late'").fetchall())  # type: ignore[attr-defined]
        assert rows == [("x",)]


async def test_files_that_are_no_store(tmp_path: Path) -> None:
    text, foreign = tmp_path / "text.db", tmp_path / "foreign.db"
    text.write_text("this is not a database, but it is long enough to be taken for one" * 50)
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE notes (x)")
    connection.close()
    for path, words in ((text, "not a SQLite database"), (foreign, "another program"), (tmp_path, "cannot be opened")):
        before = content(path)
        with pytest.raises(StoreError, match=words):
            async with SqliteBackend(path).make().open():
                pass
        assert content(path) == before


def content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


async def test_a_database_of_a_newer_version_is_refused(backend: SqliteBackend) -> None:
    async with backend.make().open():
        pass
    with sqlite3.connect(backend.path) as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (9999, 'future', 0)")
    connection.close()
    with pytest.raises(StoreError, match="newer Rookery"):
        async with backend.make().open():
            pass


async def test_a_missing_directory_is_made_and_an_impossible_one_explained(tmp_path: Path) -> None:
    async with SqliteBackend(tmp_path / "new" / "deep" / "rookery.db").make().open():
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        async with SqliteBackend(tmp_path / "file" / "rookery.db").make().open():
            pass


async def test_a_damaged_database_is_an_error_with_a_sentence(backend: SqliteBackend) -> None:
    store = backend.make()
    async with store.open():
        lease = await create_and_claim(store)
        await store.append(lease, [event(number) for number in range(2000)], None)
    damage(backend.path)
    with pytest.raises(StoreError, match=r"damaged|rookery\.db"):
        async with store.open():
            await all_events(store)


def damage(path: Path) -> None:
    """Overwrite every page but the first two."""
    with path.open("r+b") as file:
        for page in range(8192, file.seek(0, os.SEEK_END), 4096):
            file.seek(page)
            file.write(os.urandom(4096))


async def test_a_full_disk_is_an_error_that_passes(backend: SqliteBackend) -> None:
    store = backend.make()
    async with store.open():
        lease = await create_and_claim(store)

        def limit_pages(database: Database) -> int:
            [used] = database.connection.execute("PRAGMA page_count").fetchone()
            return int(database.connection.execute(f"PRAGMA max_page_count = {used + 2}").fetchone()[0])

        def lift(database: Database) -> None:
            database.connection.execute("PRAGMA max_page_count = 1000000")

        await store._write(limit_pages)  # type: ignore[attr-defined]
        with pytest.raises(StoreUnavailable, match="full"):
            await store.append(lease, [event(number) for number in range(1000)], "1")
        assert await event_keys(store) == []
        await store.append(lease, [event("small")], "2")
        await store._write(lift)  # type: ignore[attr-defined]
        await store.append(lease, [event(number) for number in range(1000)], "3")
        assert len(await all_events(store)) == 1001


async def test_a_foreign_lock_is_waited_for_and_then_explained(
    backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rookery.store.sqlite.database.connection.BUSY_TIMEOUT", 0.05)
    store = backend.make()
    async with store.open():
        foreign = sqlite3.connect(backend.path, isolation_level=None)
        foreign.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            await store.create_session(new_session())
        assert await store.count_sessions() == {}  # readers do not mind
        foreign.execute("ROLLBACK")
        foreign.close()
        await store.create_session(new_session())


async def test_pending_deliveries_stay_cheap_behind_a_long_lane(backend: SqliteBackend) -> None:
    """Every step is an index look-up: nothing scans the deliveries."""
    store: Store = backend.make()
    async with store.open():
        lease = await create_and_claim(store)
        await store.create_webhook(webhook())
        await store.append(lease, [event(f"a{n}", chat="a") for n in range(20_000)], None)
        await store.append(lease, [event(f"b{n}", chat=f"b{n}") for n in range(100)], None)
        keys = [f"b{n}" for n in range(16)]
        [first] = await store.pending_deliveries("hook", now=1.0, busy=[], limit=1)
        found = await store.pending_deliveries("hook", now=1.0, busy=["shop/a"], limit=16)
        assert [one.event.key for one in found] == keys
        # A scan of the lane would take ten instructions for each row.
        with closing(sqlite3.connect(backend.path)) as connection, counted_steps(connection) as steps:
            found = sqlite_deliveries.pending(connection, "hook", 1.0, '["shop/a"]', 16)
            assert [one.event.key for one in found] == keys
            assert 0 < 100 * steps() < 10_000
            outcomes = [
                DeliveryOutcome(webhook="hook", event_id=one.event.id, delivered=True, at=1.0)
                for one in (first, *found)
            ]
            sqlite_deliveries.record(connection, outcomes)
            connection.commit()
            assert 0 < 100 * steps() < 10_000
        left = await store.pending_deliveries("hook", now=1.0, busy=[], limit=200)
        assert [one.event.key for one in left] == [f"a{n}" for n in range(1, 201)]


async def test_an_abandoned_read_opens_no_connection_after_closing(
    backend: SqliteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection would bring the files beside the database back, in a directory that its owner may remove by now."""
    entered, gate, done = threading.Event(), threading.Event(), threading.Event()
    store = backend.make()
    async with store.open():
        readers = store._readers  # type: ignore[attr-defined]
        connect, query = readers._connect, readers._query

        def slow_connect() -> sqlite3.Connection:
            entered.set()
            gate.wait(20)
            found: sqlite3.Connection = connect()
            return found

        def observed_query(work: object) -> object:
            try:
                return query(work)
            finally:
                done.set()

        monkeypatch.setattr(readers, "_connect", slow_connect)
        monkeypatch.setattr(readers, "_query", observed_query)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.count_sessions)
            await trio.to_thread.run_sync(entered.wait)
            nursery.cancel_scope.cancel()
        threading.Timer(0.2, gate.set).start()
    assert await trio.to_thread.run_sync(done.wait, 20)
    assert sorted(path.name for path in backend.path.parent.iterdir()) == ["rookery.db", "rookery.db.lock"]


async def test_waits_end_when_the_clock_was_set_back_while_nothing_ran(backend: SqliteBackend) -> None:
    """Three hours back: what would have been tried again in a minute is not put off for three hours."""
    now = 1_700_000_000.0
    late = backend.make(clock=lambda: now + 10_800)
    async with late.open():
        await late.create_webhook(webhook())
        lease = await create_and_claim(late)
        await late.append(lease, [event(1)], None)
        [delivery] = await late.pending_deliveries("hook", now=now + 10_800, busy=(), limit=1)
        failed = DeliveryOutcome(
            webhook="hook", event_id=delivery.event.id, delivered=False, at=now, retry_at=now + 10_860
        )
        await late.record_deliveries([failed])
        assert not await late.pending_deliveries("hook", now=now + 10_800, busy=(), limit=1)
    async with backend.make(clock=lambda: now + 10_800).open() as store:
        assert not await store.pending_deliveries("hook", now=now + 10_800, busy=(), limit=1)  # type: ignore[attr-defined]
    async with backend.make(clock=lambda: now).open() as store:
        assert await store.pending_deliveries("hook", now=now, busy=(), limit=1)  # type: ignore[attr-defined]
