"""Sessions while the store is away or hangs, and when their lease or task is lost."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from rookery import Reason, SessionStatus
from rookery.errors import StoreError, StoreUnavailable
from rookery.model.event import EventQuery
from rookery.model.session import Lease
from support.fake_platform import (
    FakeLink,
    FakePlatform,
    TroubledStore,
    add,
    connected,
    event,
    history_of,
    open_fake_engine,
    open_troubled_store,
)
from support.waiting import until


async def test_a_store_that_is_away_for_a_while_loses_nothing(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine)
        await connected(engine)
        link = platform.link()
        stored: list[float] = []

        async def receive(number: int) -> None:
            await link.inbox.commit([event(number)], str(number))
            stored.append(trio.current_time())

        store.down = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive, 1)
            await trio.sleep(60)
            assert not stored
            link.inbox.report(SessionStatus.LOADING, Reason.STARTING, "busy")
            link.inbox.report(SessionStatus.CONNECTED, Reason.CONNECTED, "fine")
            store.down = False
        assert not link.closed
        await trio.sleep(2)
        assert [e.key for e in await engine.read_events(EventQuery(types=("message",)))] == ["1"]
        assert link.inbox.cursor == "1"
        assert (await history_of(engine))[-2:] == [("LOADING", "STARTING"), ("CONNECTED", "CONNECTED")]


async def test_events_that_cannot_be_stored_are_shown_while_they_wait(autojump_clock: MockClock) -> None:
    """A full disk: stored data can be read, but nothing can be added (E3: an error that shows)."""
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine)
        await connected(engine)
        before = await history_of(engine)
        store.down_methods = {"append", "record_statuses"}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(platform.link().inbox.commit, [event(1)], "1")
            await trio.sleep(5)
            health = (await engine.get_session("a")).health
            assert (health.status, health.last_error) == (SessionStatus.CONNECTED, "the store is away")
            store.down_methods = set()
        await trio.sleep(5)
        assert (await store.inner.get_session("a")).health.last_error is None, "it goes with the recovery"
        assert await history_of(engine) == before


async def test_a_store_that_hangs_is_not_waited_for_for_ever(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine)
        await connected(engine)
        link = platform.link()
        store.hanging = {"append", "record_statuses"}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.inbox.commit, [event(1)], "1")
            link.inbox.report(SessionStatus.LOADING, Reason.STARTING, "busy")
            await trio.sleep(30)
            store.hanging = set()
        await trio.sleep(10)
        assert [e.key for e in await engine.read_events(EventQuery(types=("message",)))] == ["1"]
        assert (await history_of(engine))[-1] == ("LOADING", "STARTING")


async def test_credentials_that_cannot_be_stored_are_an_error(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine)
        await connected(engine)
        inbox = platform.link().inbox
        await inbox.save_credentials({"token": "new"})
        assert (await engine.get_session("a")).credentials == {"token": "new"}
        store.down_methods = {"save_credentials"}
        with pytest.raises(StoreUnavailable):
            await inbox.save_credentials({"token": "newer"})
        store.down_methods, store.hanging = set(), {"save_credentials"}
        with pytest.raises(StoreUnavailable):
            await inbox.save_credentials({"token": "newer"})


class DyingStore(TroubledStore):
    """Fails once, in a way that no store should."""

    deaths = 0

    async def resolve_interrupted(self, lease: Lease, *, now: float, announce: bool = False) -> object:
        if self.deaths and lease.session == "a":
            self.deaths -= 1
            raise RuntimeError("a bug")
        return await self.inner.resolve_interrupted(lease, now=now, announce=announce)


async def test_a_task_that_died_is_started_by_the_recovery_check(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as plain:
        store = DyingStore(plain.inner)
        store.deaths = 1
        async with open_fake_engine(platform, store) as engine:
            await add(engine, "a", "b")
            await connected(engine, "b", seconds=5)
            await trio.sleep(50)
            assert platform.attempt_times("a") == []
            await connected(engine, "a", seconds=70)
    assert any("session's task failed" in record.message for record in caplog.records)


async def test_a_session_whose_start_the_store_refuses_is_started_later(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store:
        store.down_methods = {"resolve_interrupted", "claim"}
        async with open_fake_engine(platform, store) as engine:
            await add(engine)
            await trio.sleep(10)
            store.down_methods = {"resolve_interrupted"}
            await trio.sleep(10)
            assert platform.attempts == []
            store.down_methods = set()
            await connected(engine, seconds=70)


async def test_losing_the_lease_ends_it_without_a_word(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine)
        await connected(engine)
        before = await history_of(engine)
        row = await store.get_session("a")
        await store.inner.release(Lease("a", row.uid, row.owner or "", row.fence))
        await store.inner.claim("somebody else", limit=1, now=0, ttl=60)
        link: FakeLink = platform.link()
        with pytest.raises(StoreError, match="lease"):
            await link.inbox.commit([event(1)], "1")
        await until(lambda: link.closed, seconds=100)
        await trio.sleep(100)
        assert await history_of(engine) == before
        assert (await store.get_session("a")).owner == "somebody else"
        assert len(platform.attempts) == 1


async def test_a_lease_that_was_void_when_it_was_claimed_anew_ends_the_old_task(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine)
        await connected(engine)
        row = await store.get_session("a")
        await store.inner.release(Lease("a", row.uid, row.owner or "", row.fence))
        engine._supervisor.nudge("a")  # it is free, and this engine is the first to see that
        await until(lambda: len(platform.attempts) == 2, seconds=100)
        await connected(engine)
        assert [link.closed for link in platform.links] == [True, False]
        await platform.link().inbox.commit([event(1)], "1")
