"""Starts are a stream, and a storm of reconnects is bounded whatever the number of sessions (B1, B2)."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import trio
from trio.testing import MockClock

from support.fake_platform import CALM, FakePlatform, add, connected, network, open_fake_engine

STORM = 300


async def test_starts_keep_their_distance_and_their_number(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    under_way, most = 0, 0

    async def slow(*_: object) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await trio.sleep(1)
        under_way -= 1

    settings = msgspec.structs.replace(CALM, start_concurrency=4, start_stagger=0.1)
    ids = [f"s{n:02}" for n in range(20)]
    for id in ids:
        platform.plan(id, slow)
    async with open_fake_engine(platform, settings=settings) as engine:
        await add(engine, *ids)
        await connected(engine, *ids)
    assert most == 4
    times = [at for at, _ in platform.attempts]
    assert all(later - earlier >= 0.099 for earlier, later in pairwise(times))


async def test_a_storm_of_reconnects_is_bounded_and_everybody_comes_back(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    ids = [f"s{n:03}" for n in range(STORM)]
    async with open_fake_engine(platform) as engine:
        await add(engine, *ids)
        await connected(engine, *ids, seconds=60)
        platform.attempts.clear()
        for id in ids:
            platform.plan(id, *[network()] * 3)
            platform.link(id).fail(network())
        fallen = trio.current_time()
        await connected(engine, *ids, seconds=600)
        times = [at - fallen for at, _ in platform.attempts]
    assert len(times) == 4 * STORM
    for start in range(int(max(times)) + 1):
        within = sum(start <= at < start + 1 for at in times)
        assert within <= 1 / CALM.reconnect_stagger + 1


async def test_sessions_queued_behind_hanging_attempts_do_not_all_start_at_once(autojump_clock: MockClock) -> None:
    """A black hole: attempts hold their places for half a minute, and by then all the others have had their turn."""
    platform = FakePlatform()
    ids = [f"s{n:03}" for n in range(STORM)]
    mended = trio.Event()

    async def vanish(*_: object) -> None:
        await mended.wait()

    async with open_fake_engine(platform) as engine:
        await add(engine, *ids)
        await connected(engine, *ids, seconds=60)
        platform.attempts.clear()
        for id in ids:
            platform.plan(id, vanish)
            platform.link(id).fail(network())
        await trio.sleep(30)
        assert len(platform.attempts) == CALM.start_concurrency
        mended.set()
        await connected(engine, *ids, seconds=60)
        times = [at for at, _ in platform.attempts]
    assert len(times) == STORM
    for start in range(int(min(times)), int(max(times)) + 1):
        assert sum(start <= at < start + 1 for at in times) <= 1 / CALM.reconnect_stagger + 1


async def test_a_storm_does_not_hold_up_a_first_start(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    ids = [f"s{n:03}" for n in range(STORM)]
    settings = msgspec.structs.replace(CALM, reconnect_stagger=10.0)
    async with open_fake_engine(platform, settings=settings) as engine:
        await add(engine, *ids)
        await connected(engine, *ids, seconds=60)
        for id in ids:
            platform.link(id).fail(network())
        await trio.sleep(6)
        await add(engine, "new")
        await connected(engine, "new", seconds=1)


async def test_attempts_that_hang_do_not_hold_up_a_first_start_nor_an_operator(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    ids = [f"s{n:03}" for n in range(STORM)]

    async def vanish(*_: object) -> None:
        await trio.sleep_forever()

    async with open_fake_engine(platform) as engine:
        await add(engine, *ids)
        await connected(engine, *ids, seconds=60)
        for id in ids:
            platform.plan(id, *[vanish] * 100)
            platform.link(id).fail(network())
        await trio.sleep(CALM.backoff_network + CALM.startup_timeout + 10)
        await add(engine, "new")
        await connected(engine, "new", seconds=1)
        platform.plans["s000"].clear()
        await engine.retry("s000")
        await connected(engine, "s000", seconds=CALM.startup_timeout + 5)
