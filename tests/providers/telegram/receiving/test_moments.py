"""Polls of idle bots that begin and end together, on a virtual clock."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import pairwise
from typing import cast

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from rookery_telegram import Telegram
from rookery_telegram.receiving.moments import FLEET, INTERVAL, SHORTEST, TOGETHER, SharedMoments
from support.telegram_engine import open_quick_simulator, open_setup

LONGEST = 50


class Server:
    """Answers empty polls at their timeout, and notes when they began and ended."""

    def __init__(self, moments: SharedMoments) -> None:
        self.moments = moments
        self.began: list[float] = []
        self.ended: list[float] = []
        self.timeouts: list[int] = []
        self.gaps: list[float] = []

    async def idle_bot(self, start: float, way: float, rounds: int) -> None:
        """Poll so many times; `way` is how long a request and its answer travel, together."""
        await trio.sleep(start)
        for _ in range(rounds):
            asked = trio.current_time()
            timeout = await self.moments.next(LONGEST)
            self.gaps.append(trio.current_time() - asked)
            self.began.append(round(trio.current_time(), 6))
            self.timeouts.append(timeout)
            await trio.sleep(timeout + way)
            self.ended.append(trio.current_time())


async def run(server: Server, bots: int, seconds: float, rounds: int) -> None:
    """Bots that start one after another within so many seconds, at ways that differ."""
    async with trio.open_nursery() as nursery:
        for number in range(bots):
            nursery.start_soon(server.idle_bot, number * seconds / bots, 0.02 + (number * 7 % 30) / 1000, rounds)


@pytest.mark.parametrize("seconds", [5.0, 50.0])
async def test_the_polls_of_a_fleet_become_few_groups_of_a_limited_size(
    autojump_clock: MockClock, seconds: float
) -> None:
    bots, rounds = 600, 6
    server = Server(SharedMoments(range(bots)))
    await run(server, bots, seconds, rounds)
    last = sorted(server.began)[-bots:]
    groups = Counter(last)
    assert len(groups) <= bots / (TOGETHER / 3)
    assert max(groups.values()) <= 2 * TOGETHER, "groups may meet by chance, but no herd forms"
    assert all(later - earlier > 0.99 * INTERVAL for earlier, later in pairwise(sorted(groups)))


async def test_the_gap_between_two_polls_is_at_most_an_interval_and_a_poll_at_least_half_as_long(
    autojump_clock: MockClock,
) -> None:
    server = Server(SharedMoments(range(200)))
    await run(server, 200, 12.0, 5)
    assert max(server.gaps) <= INTERVAL + 1e-6
    assert LONGEST // 2 <= min(server.timeouts) <= max(server.timeouts) == LONGEST
    assert sum(server.timeouts) / len(server.timeouts) > 0.8 * LONGEST, "shorter polls are the price of meeting, once"


async def test_more_polls_than_a_moment_takes_end_at_different_ones(autojump_clock: MockClock) -> None:
    moments = SharedMoments(range(1000))
    server = Server(moments)
    await run(server, 5 * TOGETHER, 0.0, 1)
    assert len(set(server.began)) == 1
    assert Counter(server.timeouts) == dict.fromkeys(range(LONGEST, LONGEST - 5, -1), TOGETHER)


async def test_a_fleet_too_large_for_separate_moments_is_spread_evenly(autojump_clock: MockClock) -> None:
    server = Server(SharedMoments(range(10_000)))
    await run(server, 60 * TOGETHER, 0.0, 1)
    counts = Counter(server.timeouts)
    assert set(counts) == set(range(LONGEST // 2, LONGEST + 1))
    assert max(counts.values()) <= 3 * TOGETHER


async def test_a_cancelled_bot_holds_up_no_other_and_is_not_counted(autojump_clock: MockClock) -> None:
    moments = SharedMoments(range(FLEET))
    server = Server(moments)
    began = trio.current_time()
    async with trio.open_nursery() as nursery, trio.open_nursery() as leaving:
        for _ in range(TOGETHER):
            leaving.start_soon(moments.next, LONGEST)
        await wait_all_tasks_blocked()
        for _ in range(TOGETHER):
            nursery.start_soon(server.idle_bot, 0.0, 0.0, 1)
        await wait_all_tasks_blocked()
        leaving.cancel_scope.cancel()
    assert all(at - began <= INTERVAL + 1e-6 for at in server.began)
    assert set(server.timeouts) == {LONGEST}
    assert not moments._waiting


def test_two_programs_in_two_threads_can_share_a_provider() -> None:
    """A group of one trio run must not wake, or wait for, a task of another one."""
    moments = SharedMoments(range(1000))
    ended: list[str] = []

    async def poll(name: str) -> None:
        with trio.fail_after(30):
            for _ in range(5):
                assert LONGEST // 2 <= await moments.next(LONGEST) <= LONGEST
        ended.append(name)

    threads = [threading.Thread(target=trio.run, args=(poll, name), daemon=True) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(ended) == ["a", "b"]


@pytest.mark.parametrize(
    ("bots", "timeout", "applies"),
    [(FLEET, LONGEST, True), (FLEET - 1, LONGEST, False), (FLEET, SHORTEST - 1, False), (FLEET, 0, False)],
)
def test_few_bots_and_short_polls_wait_for_nobody(bots: int, timeout: int, applies: bool) -> None:
    assert SharedMoments(range(bots)).apply(timeout) is applies


class Noted(SharedMoments):
    """Lets every poll begin at once, with a timeout of its own."""

    def __init__(self) -> None:
        super().__init__(())

    def apply(self, longest: int) -> bool:
        return True

    async def next(self, longest: int) -> int:
        await trio.lowlevel.checkpoint()
        return 1


async def test_only_a_bot_whose_poll_was_empty_waits_for_the_others() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator, poll_timeout=20, add=False) as setup:
        provider = cast(Telegram, setup.engine.providers["telegram"])
        provider._moments = Noted()
        await setup.add()
        await setup.connected()
        polls = setup.bot.polls
        await setup.until(lambda: polls.outcomes["empty"] >= 1 and polls.has_waiting)
        setup.bot.push_text("1")
        await setup.texts(1)
        await setup.until(lambda: polls.outcomes["answered"] == 1 and polls.has_waiting)
        *before, after = [poll.timeout for poll in polls.history]
        assert (set(before), after) == ({1.0}, 20.0), "whoever has received something asks again at once"
