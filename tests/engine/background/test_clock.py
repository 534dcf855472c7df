"""Which clock is used: the machine's, guarded against jumps, or the database's."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import httpx
import msgspec
import pytest
import trio
from trio.testing import MockClock

from rookery import Engine, SessionStatus, open_engine
from rookery.background import clock_watch
from rookery.background.clock_watch import ClockWatch
from rookery.model.event import EventQuery
from rookery.model.instance import Instance
from rookery.runtime.clock import EngineClock, GuardedClock
from rookery.settings import EngineSettings
from rookery.store.open import MemoryStore
from support.answered_posts import answer_posts
from support.fake_platform import CALM, EPOCH, FakePlatform, add, connected, event, wall_clock
from support.waiting import until


class Wall:
    """A wall clock that can be set."""

    def __init__(self) -> None:
        self.set_by = 0.0

    def __call__(self) -> float:
        return EPOCH + trio.current_time() + self.set_by


def test_a_guarded_clock_never_goes_back() -> None:
    now, elapsed = 1000.0, 0.0
    clock = GuardedClock(lambda: now, lambda: elapsed)
    assert clock() == 1000
    now -= 100
    assert clock() == 1000
    now, elapsed = now + 10, elapsed + 10
    assert clock() == pytest.approx(1009), "it goes on, a little slower"
    now, elapsed = now + 10, elapsed + 10
    assert clock() == pytest.approx(1018)
    now, elapsed = now + 2000, elapsed + 2000
    assert clock() == now, "until both agree"
    now += 500
    assert clock() == now, "a jump forward is followed"


async def test_the_database_decides(autojump_clock: MockClock) -> None:
    wall = Wall()
    clock = EngineClock(wall)
    assert clock() == wall()
    wall.set_by = 500.0
    before = trio.current_time()
    clock.measure(EPOCH + before, began=before, ended=before)
    assert clock() == EPOCH + before
    assert clock.skew == pytest.approx(500)
    await trio.sleep(10)
    wall.set_by = -7200.0
    assert clock() == pytest.approx(EPOCH + trio.current_time()), "setting the machine's clock changes nothing"
    assert clock.skew == pytest.approx(-7200)


async def test_an_inexact_measurement_does_not_replace_a_better_one(autojump_clock: MockClock) -> None:
    clock = EngineClock(wall_clock)
    began = trio.current_time()
    clock.measure(EPOCH + began, began=began, ended=began + 0.002)
    exact = clock()
    clock.measure(EPOCH + began, began=began, ended=began + 4)
    assert clock() == exact
    clock.measure(EPOCH + began - 3600, began=began, ended=began + 4)
    assert clock() == pytest.approx(exact - 3600, abs=3), "but the database's clock was set"


async def test_a_clock_set_back_delays_no_delivery(autojump_clock: MockClock) -> None:
    """Three hours back: what failed before is tried again as soon as without that."""
    wall = Wall()
    tried: list[float] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        tried.append(trio.current_time())
        return httpx.Response(500 if len(tried) < 3 else 200)

    with pytest.MonkeyPatch.context() as patch:
        answer_posts(patch, answer)
        platform = FakePlatform()
        async with open_engine_with(platform, wall) as engine:
            await engine.create_webhook(url="http://endpoint.test/", events=["message"])
            await add(engine)
            await connected(engine)
            await platform.link().inbox.commit([event(1)], "1")
            await until(lambda: len(tried) >= 1)
            wall.set_by = -3 * 3600.0
            await until(lambda: len(tried) == 3)
            assert tried[2] - tried[0] < 10
            facts = (await engine.webhook_facts()).popitem()[1]  # type: ignore[attr-defined]
            assert facts.lag(engine.now()) >= 0
            assert (await engine.get_session("a")).health.status is SessionStatus.CONNECTED


def open_engine_with(platform: FakePlatform, wall: Wall, **changes: object) -> AbstractAsyncContextManager[Engine]:
    return open_engine(
        providers=[platform],
        store=MemoryStore(clock=wall),
        settings=msgspec.structs.replace(CALM, **changes),
        clock=wall,
    )


async def test_a_clock_set_forward_deletes_nothing_for_a_day(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock_watch, "SETTLED", 7200.0)
    wall = Wall()
    platform = FakePlatform()
    async with open_engine_with(platform, wall, prune_interval=60.0) as engine:
        await add(engine)
        await connected(engine)
        await platform.link().inbox.commit([event(1)], "1")
        first = await engine.submit("a", to="7", text="x", idempotency_key="k")
        await until(lambda: len(platform.sent) == 1)
        await trio.sleep(3600)
        wall.set_by = 8 * 86_400.0
        await trio.sleep(3600)
        assert [e.key for e in await engine.read_events(EventQuery(types=("message",)))] == ["1"]
        assert (await engine.submit("a", to="7", text="x", idempotency_key="k")).id == first.id
        assert engine.health_here().clock_skew == pytest.approx(8 * 86_400)
        assert "set forward" in (engine.health_here().warnings[0])
        wall.set_by = 0.0
        await trio.sleep(60)
        wall.set_by = 8 * 86_400.0
        await trio.sleep(3 * 3600)
        assert not await engine.read_events(EventQuery(types=("message",))), "a time that stays is believed"


def watch(skew: float, *others: Instance) -> ClockWatch:
    wall = Wall()
    clock = EngineClock(wall)
    clock.measure(wall(), began=trio.current_time(), ended=trio.current_time())
    wall.set_by = skew
    return ClockWatch(clock, EngineSettings(), shared=True, others=lambda: others)


async def test_an_instance_with_a_wrong_clock_leaves_duties_to_better_ones(autojump_clock: MockClock) -> None:
    good, bad = Instance(name="good", clock_skew=0.2), Instance(name="bad", clock_skew=-4000.0)
    leaving = msgspec.structs.replace(good, draining=True)
    assert watch(3.0, good).may_do_duties
    assert not watch(3600.0, good).may_do_duties
    assert not watch(-3600.0, good, bad).may_do_duties
    assert watch(3600.0).may_do_duties, "somebody has to"
    assert watch(3600.0, bad, leaving).may_do_duties, "then it is the database's clock that is wrong"
    assert "other instances do its duties" in (watch(3600.0, good).warning or "")
    assert watch(1.0, good).warning is None
