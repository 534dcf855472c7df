"""The periodic checks: none overlaps itself, each can be forced, all end with the engine (G1, A7, B6)."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import pytest
import trio
from trio.testing import MockClock

from rookery import SessionChange, SessionStatus
from rookery.background import memory as memory_module
from rookery.errors import StoreUnavailable, TerminalError
from rookery.model.session import Action, Reason
from support.fake_platform import (
    CALM,
    FakeLink,
    FakePlatform,
    add,
    connected,
    open_fake_engine,
    open_troubled_store,
    status_of,
)


class HoardingPlatform(FakePlatform):
    """Keeps something for each session that was ever connected."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: set[str] = set()
        self.cleanings: list[float] = []
        self.under_way = self.most_under_way = 0
        self.broken = False

    async def clean(self, running: Collection[str]) -> Collection[str]:
        self.cleanings.append(trio.current_time())
        if self.broken:
            raise RuntimeError("a bug")
        self.kept.update(link.session.id for link in self.links)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await trio.sleep(1)
        self.under_way -= 1
        gone = self.kept - set(running)
        self.kept -= gone
        return gone


async def test_the_cleaner_releases_what_failed_sessions_hold(autojump_clock: MockClock) -> None:
    platform = HoardingPlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine, "failed", "alive")
        await connected(engine, "failed", "alive")
        platform.link("failed").fail(TerminalError("banned", reason=Reason.BANNED, action=Action.RETRY))
        await trio.sleep(CALM.cleaner_interval + 2)
        assert platform.kept == {"alive"}
        assert await status_of(engine, "alive") == ("CONNECTED", "CONNECTED")
        await engine.stop("alive")
        await trio.sleep(1)
        platform.links = [link for link in platform.links if link.session.id == "alive"]
        assert await engine.clean() == ["alive"]
        await trio.sleep(3 * CALM.cleaner_interval)
        assert len(platform.cleanings) == 5


async def test_forced_cleanings_take_turns_and_survive_a_bug(autojump_clock: MockClock) -> None:
    platform = HoardingPlatform()
    async with open_fake_engine(platform) as engine:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(engine.clean)
        assert platform.most_under_way == 1
        platform.broken = True
        assert await engine.clean() == []


async def test_a_session_is_never_asked_twice_at_once(autojump_clock: MockClock) -> None:
    probes = under_way = most = 0

    class AskedLink(FakeLink):
        async def probe(self) -> None:
            nonlocal probes, under_way, most
            probes += 1
            under_way += 1
            most = max(most, under_way)
            await trio.sleep(0.25)
            under_way -= 1

    platform = FakePlatform()
    platform.make_link = AskedLink
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(engine.check_now)
        assert probes == 5
        assert most == 1


async def test_memory_checks_take_turns(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    under_way = most = 0

    async def slowly(self: memory_module.MemoryGuard) -> object:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await trio.sleep(400)
        under_way -= 1
        return await self.measure()

    monkeypatch.setattr(memory_module.MemoryGuard, "_check", slowly)
    async with open_fake_engine(FakePlatform()) as engine, trio.open_nursery() as nursery:
        nursery.start_soon(engine.check_memory)
        nursery.start_soon(engine.check_memory)
        await trio.sleep(1000)
    assert most == 1


async def test_a_forced_recovery_starts_what_is_missing(autojump_clock: MockClock) -> None:
    async with open_troubled_store() as store, open_fake_engine(FakePlatform(), store) as engine:
        await add(engine, "a", "b", enabled=False)
        await trio.sleep(1)
        row = await store.inner.get_session("a")
        await store.inner.update_session("a", SessionChange(enabled=True), now=row.updated_at)  # by another process
        began = trio.current_time()
        assert await engine.recover() == ["a"]
        assert await engine.recover() == []
        assert trio.current_time() - began < 1
        store.down = True
        with pytest.raises(StoreUnavailable):
            await engine.recover()


async def test_a_session_that_there_is_no_place_for_says_so(autojump_clock: MockClock) -> None:
    async with open_troubled_store() as store:
        async with open_fake_engine(FakePlatform(), store) as engine:
            await add(engine, "a", "b")
            await connected(engine, "a", "b")
        settings = msgspec.structs.replace(CALM, max_concurrent_sessions=1)
        async with open_fake_engine(FakePlatform(), store, settings=settings) as engine:
            await connected(engine, "a")
            waiting = (await engine.get_session("b")).health
            assert (waiting.status, waiting.reason) == (SessionStatus.DISCONNECTED, Reason.LIMIT_REACHED)
            assert "`max_concurrent_sessions`" in waiting.detail
            assert waiting.action is Action.FIX_CONFIGURATION
            await engine.stop("a")
            await connected(engine, "b", seconds=5)


async def test_every_check_ends_with_the_engine(autojump_clock: MockClock) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    platform = HoardingPlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        await trio.sleep(CALM.cleaner_interval + 0.5)  # in the middle of a cleaning
        assert platform.under_way == 1
    assert trio.lowlevel.current_statistics().tasks_living == before
    cleanings = len(platform.cleanings)
    await trio.sleep(10 * CALM.cleaner_interval)
    assert len(platform.cleanings) == cleanings
