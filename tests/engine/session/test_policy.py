"""The reconnect policy as one table; a session runs through each row with the default settings (B2-B5).

A row is a failure that happens again and again: how long the session waits each time, what it shows meanwhile, and after how
many attempts it gives up.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import msgspec
import pytest
import trio
from trio.testing import MockClock

from rookery import Action, Reason, SessionStatus
from rookery.errors import Conflict, Failure, ProbeFailed, ProviderError, RateLimited, StoreUnavailable, TerminalError
from rookery.model.session import TERMINAL_REASONS
from support.fake_platform import CALM, FakePlatform, Step, add, connected, hang, open_fake_engine, wall_clock
from support.waiting import until

BUDGET = 20
CURVE = [min(5 * 1.5**n, 300.0) for n in range(BUDGET + 5)]
SLOW_CURVE = [min(60 * 1.5**n, 300.0) for n in range(BUDGET + 5)]
JITTER = 5.0


class Row(NamedTuple):
    step: Callable[[], Step]
    reason: Reason
    delays: list[float]
    for_ever: bool = False
    action: Action = Action.NONE
    takes: float = 0.0  # seconds that an attempt itself takes


POLICY = {
    "network": Row(lambda: ProviderError("cut"), Reason.NETWORK, CURVE, for_ever=True),
    "no connection in time": Row(
        lambda: hang, Reason.STARTUP_TIMEOUT, CURVE, for_ever=True, takes=CALM.startup_timeout
    ),
    "probes without an answer": Row(lambda: ProbeFailed("silent"), Reason.PROBE_FAILED, CURVE, for_ever=True),
    "our store is away": Row(lambda: StoreUnavailable("away"), Reason.STORE_ERROR, CURVE, for_ever=True),
    "server error": Row(lambda: ProviderError("500", kind=Failure.SERVER), Reason.SERVER_ERROR, CURVE, for_ever=True),
    "rate limit": Row(lambda: RateLimited("slow", retry_after=17), Reason.RATE_LIMITED, [17.0] * (BUDGET + 5)),
    "a long rate limit": Row(lambda: RateLimited("slow", retry_after=900), Reason.RATE_LIMITED, [900.0] * (BUDGET + 5)),
    "a queue of newcomers": Row(
        lambda: RateLimited("your turn is later", retry_after=60, queueing=True),
        Reason.RATE_LIMITED,
        [60.0] * (BUDGET + 5),
        for_ever=True,
    ),
    "a rate limit without a time": Row(
        lambda: ProviderError("slow", kind=Failure.RATE_LIMIT), Reason.RATE_LIMITED, CURVE
    ),
    "conflict": Row(lambda: Conflict("other"), Reason.CONFLICT, SLOW_CURVE, action=Action.STOP_OTHER_CLIENT),
    "conflict with takeover": Row(
        lambda: Conflict("other", retry_after=4),
        Reason.CONFLICT,
        [4.0] * (BUDGET + 5),
        action=Action.STOP_OTHER_CLIENT,
    ),
    "a bug": Row(lambda: ZeroDivisionError("bug"), Reason.INTERNAL_ERROR, CURVE),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", POLICY)
async def test_a_failure_that_repeats(name: str, autojump_clock: MockClock) -> None:
    row = POLICY[name]
    failures = BUDGET + 5 if row.for_ever else BUDGET + 1
    platform = FakePlatform()
    platform.plan("a", *(row.step() for _ in range(failures)))
    async with open_fake_engine(platform) as engine:
        await add(engine)
        session = await engine.wait_status("a", SessionStatus.RECONNECTING)
        assert (session.health.reason, session.health.action) == (row.reason, row.action)
        assert session.health.next_retry_at == pytest.approx(wall_clock() + row.delays[0])
        if row.for_ever:
            await connected(engine, seconds=failures * (300 + row.takes))
        else:
            session = await engine.wait_status("a", SessionStatus.DISCONNECTED)
            assert (session.health.reason, session.health.action) == (Reason.RECONNECT_EXHAUSTED, Action.RETRY)
            assert session.enabled
            await trio.sleep(1000)
        times = platform.attempt_times()
        waits = [later - earlier - row.takes for earlier, later in pairwise(times)]
        assert waits == pytest.approx(row.delays[: len(waits)], abs=0.1)
        assert len(times) == (failures + 1 if row.for_ever else BUDGET + 1)


@pytest.mark.parametrize("reason", sorted(TERMINAL_REASONS))
async def test_a_terminal_reason_is_never_tried_again(reason: Reason, autojump_clock: MockClock) -> None:
    """B4: not by any wait, nor by any of the periodic checks."""
    platform = FakePlatform()
    platform.plan("a", TerminalError("no way", reason=reason, action=Action.RETRY))
    settings = msgspec.structs.replace(CALM, auto_cleanup_on_logout=False)
    async with open_fake_engine(platform, settings=settings) as engine:
        await add(engine)
        await until(lambda: bool(platform.attempts))
        await trio.sleep(1200)
        await engine.recover()
        await engine.check_now()
        await engine.clean()
        await trio.sleep(400)
        session = await engine.get_session("a")
        assert len(platform.attempts) == 1
        assert session.health.reason is reason
        assert session.health.next_retry_at is None


async def test_the_dice_only_lengthen_a_wait(autojump_clock: MockClock) -> None:
    """`uniform(0, jitter)` on top of each delay, a new draw every time, and for each session its own."""
    platform = FakePlatform()
    ids = [f"s{n}" for n in range(20)]
    for id in ids:
        platform.plan(id, *(ProviderError("cut") for _ in range(4)))
    settings = msgspec.structs.replace(CALM, backoff_jitter=JITTER, reconnect_stagger=0.0, start_stagger=0.0)
    async with open_fake_engine(platform, settings=settings) as engine:
        await add(engine, *ids)
        await connected(engine, *ids, seconds=100)
        draws = [
            later - earlier - delay
            for id in ids
            for (earlier, later), delay in zip(pairwise(platform.attempt_times(id)), CURVE, strict=False)
        ]
    assert len(draws) == 80
    assert -0.01 <= min(draws) < 1
    assert JITTER - 1 < max(draws) <= JITTER + 0.01
    assert len({round(draw, 3) for draw in draws}) > 60


async def test_other_failures_in_between_continue_the_curve_from_their_own_base(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.plan(
        "a", ProviderError("cut"), Conflict("other"), RateLimited("slow", retry_after=2), ProviderError("cut")
    )
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine, seconds=300)
    waits = [later - earlier for earlier, later in pairwise(platform.attempt_times())]
    assert waits == pytest.approx([5, 60 * 1.5, 2, 5 * 1.5**3], abs=0.1)
