"""Ids of events after a backup was restored: none of them means two events."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rookery import EventQuery, open_engine
from rookery.errors import UnknownCursor
from rookery.store.contract import Store
from rookery.store.event_ids import Halving
from store.backends import Backend, PostgresBackend, SqliteBackend
from store.building import all_events, claim, create_and_claim, event, webhook
from support.fake_platform import FakePlatform, connected
from support.waiting import until_found


async def ids(store: Store) -> list[int]:
    return [one.id for one in await all_events(store)]


async def test_a_restored_file_gives_out_no_id_again(tmp_path: Path) -> None:
    backend, backup = SqliteBackend(tmp_path / "rookery.db"), tmp_path / "backup.db"
    store = backend.make()
    async with store.open():
        lease = await create_and_claim(store)
        await store.append(lease, [event(1), event(2), event(3)], None)
    shutil.copy(backend.path, backup)
    store = backend.make()
    async with store.open():
        lease = await claim(store)
        await store.append(lease, [event("lost-4"), event("lost-5"), event("lost-6")], None)
        delivered = await ids(store)
    for file in backend.path.parent.glob("rookery.db*"):
        file.unlink()
    shutil.copy(backup, backend.path)
    store = backend.make()
    async with store.open():
        lease = await claim(store)
        await store.append(lease, [event("new-4")], None)
        after = await ids(store)
        assert after[:3] == delivered[:3]
        assert after[3] > max(delivered)
        assert after[3] < 2**53


async def test_ids_begin_anew_in_no_schema_that_was_there(postgres: PostgresBackend) -> None:
    store = postgres.make()
    async with store.open():
        lease = await create_and_claim(store)
        await store.append(lease, [event(n) for n in range(6)], None)
        delivered = await ids(store)
        # As after the restore of a backup that was made at the third.
        await store._value(f"DELETE FROM rookery.events WHERE id > {delivered[2]} RETURNING 1")  # type: ignore[attr-defined]
        await store._value(f"SELECT setval('rookery.events_id_seq', {delivered[2]})")  # type: ignore[attr-defined]
    store = postgres.make()
    async with store.open():
        await store._value("UPDATE rookery.sessions SET owner = NULL RETURNING 1")  # type: ignore[attr-defined]
        lease = await claim(store)
        await store.append(lease, [event("new")], None)
        assert (await ids(store))[-1] > max(delivered)
        assert await store.highest_event_id() >= (await ids(store))[-1]


async def test_a_cursor_from_nowhere_is_refused(backend: Backend) -> None:
    """Of every kind of store; a cursor that was given out and forgotten since is none of these."""
    platform = FakePlatform()
    async with open_engine(providers=[platform], store=backend.make()) as engine:
        await engine.create_session(id="a", platform="fake")
        await connected(engine)
        # The change of status is an event too, stored a moment after it is shown.
        await until_found(
            engine.read_events,
            lambda events: any(event.body.get("status") == "CONNECTED" for event in events),
        )
        await platform.link().inbox.commit([event(1)], "1")
        newest = await engine.last_event_id()
        highest = await engine.store.highest_event_id()
        assert await engine.read_events(EventQuery(after=newest)) == []
        assert await engine.read_events(EventQuery(after=highest)) == []
        with pytest.raises(UnknownCursor, match=f"never had one, its newest is {newest}"):
            await engine.read_events(EventQuery(after=highest + 1))


@pytest.mark.parametrize("stored_at", [[], [1, 2, 3], [5, 6, 7], [1, 2, 8, 9], [1, 1, 1, 4, 4], [*range(100)]])
def test_the_first_young_event_is_found_by_halving(stored_at: list[int]) -> None:
    events = {7 + 13 * number: at for number, at in enumerate(stored_at)}
    search = Halving(min(events, default=0), max(events, default=0))
    looks = 0
    while (middle := search.middle) is not None:
        looks += 1
        id = min((id for id in events if id >= middle), default=None)
        search.found(id, old=id is not None and events[id] < 4)
    assert [id for id in events if id < search.end] == [id for id, at in events.items() if at < 4]
    assert looks <= 12


async def test_a_batch_of_retention_costs_the_same_however_many_are_old(tmp_path: Path) -> None:
    """Counted in steps of SQLite's machine, with some events that a delivery holds at the beginning."""
    steps: list[int] = []
    for size in (1_000, 16_000):
        now = 1_700_000_000.0
        store = SqliteBackend(tmp_path / f"{size}.db").make(clock=lambda: now)  # noqa: B023
        async with store.open():
            lease = await create_and_claim(store)
            await store.create_webhook(webhook(events=("held",)))
            await store.append(lease, [event(f"held-{n}", type="held") for n in range(500)], None)
            for part in range(0, size, 1_000):
                await store.append(lease, [event(f"{part}-{n}") for n in range(1_000)], None)
            now += 1_000_000
            counted = 0

            def count() -> int:
                nonlocal counted
                counted += 1
                return 0

            async def watch(handler: object) -> None:
                await store._write(lambda database: database.connection.set_progress_handler(handler, 100))  # type: ignore[attr-defined] # noqa: B023

            before = now - 1_000
            assert await store.prune_events(before=before, limit=100) == 100
            await watch(count)
            assert await store.prune_events(before=before, limit=100) == 100
            await watch(None)
            steps.append(counted)
    assert steps[1] < 1.5 * steps[0], steps
