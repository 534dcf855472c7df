"""When a session tries again: outages, attempts, `retry`, `restart` and replaced credentials."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from rookery import Action, Reason, Session, SessionChange, SessionStatus
from rookery.errors import Conflict, Failure, ProviderError, RateLimited, StoreError
from rookery.provider.contract import Inbox
from support.fake_platform import (
    CALM,
    EPOCH,
    FakePlatform,
    add,
    connected,
    hang,
    history_of,
    network,
    open_fake_engine,
    wall_clock,
)
from support.waiting import until


@pytest.mark.parametrize(
    ("failure", "reason", "delay", "action"),
    [
        (ProviderError("x"), Reason.NETWORK, 5, Action.NONE),
        (ProviderError("x", kind=Failure.SERVER), Reason.SERVER_ERROR, 5, Action.NONE),
        (RateLimited("x", retry_after=17), Reason.RATE_LIMITED, 17, Action.NONE),
        (Conflict("x"), Reason.CONFLICT, 60, Action.STOP_OTHER_CLIENT),
        (Conflict("x", retry_after=4), Reason.CONFLICT, 4, Action.STOP_OTHER_CLIENT),
        (StoreError("x"), Reason.STORE_ERROR, 5, Action.NONE),
        (RuntimeError("x"), Reason.INTERNAL_ERROR, 5, Action.NONE),
        (ExceptionGroup("x", [RuntimeError("x"), Conflict("x")]), Reason.INTERNAL_ERROR, 5, Action.NONE),
        (ExceptionGroup("x", [ProviderError("x"), Conflict("x")]), Reason.CONFLICT, 60, Action.STOP_OTHER_CLIENT),
    ],
    ids=str,
)
@pytest.mark.parametrize("when", ["opening", "running"])
async def test_a_passing_failure_is_waited_out(
    failure: Exception, reason: Reason, delay: float, action: Action, when: str, autojump_clock: MockClock
) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        if when == "opening":
            platform.plan("a", failure)
            await add(engine)
        else:
            await add(engine)
            await connected(engine)
            platform.link().fail(failure)
        with trio.fail_after(30):
            session = await engine.wait_status("a", SessionStatus.RECONNECTING)
        failed_at = wall_clock()
        assert (session.health.reason, session.health.action) == (reason, action)
        assert session.health.last_error
        assert session.health.since == pytest.approx(failed_at)
        assert session.health.next_retry_at == pytest.approx(failed_at + delay)
        await connected(engine, seconds=delay + 1)
        assert wall_clock() == pytest.approx(failed_at + delay, abs=0.01)
        session = await engine.get_session("a")
        assert (session.health.last_error, session.health.next_retry_at) == (None, None)


async def test_the_peer_may_just_hang_up(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        platform.link().end()
        session = await engine.wait_status("a", SessionStatus.RECONNECTING)
        assert session.health.last_error == "the connection ended"
        await connected(engine)


@pytest.mark.slow
async def test_a_network_outage_is_retried_for_ever(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.plan("a", *[network() for _ in range(100)])
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine, seconds=100 * 300)
        assert len(platform.attempts) == 101


async def test_exhausted_attempts_begin_anew_on_request(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.plan("a", *[ProviderError("x", kind=Failure.RATE_LIMIT) for _ in range(21)])
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await until(lambda: len(platform.attempts) == 21, seconds=10_000, step=1)
        session = await engine.wait_status("a", SessionStatus.DISCONNECTED)
        assert (session.health.reason, session.health.action) == (Reason.RECONNECT_EXHAUSTED, Action.RETRY)
        assert session.health.next_retry_at is None
        await trio.sleep(5000)
        assert len(platform.attempts) == 21
        await engine.retry("a")
        await connected(engine, seconds=1)


async def test_the_count_starts_anew_after_a_stable_minute_only(autojump_clock: MockClock) -> None:
    platform = FakePlatform()

    async def lives(seconds: float) -> float:
        """Let the link live, cut it, and return how long the engine waited."""
        await connected(engine, seconds=400)
        await trio.sleep(seconds)
        before = trio.current_time()
        platform.link().fail(network())
        await until(lambda: platform.attempts[-1][0] >= before, seconds=400)
        return platform.attempts[-1][0] - before

    async with open_fake_engine(platform) as engine:
        await add(engine)
        assert await lives(30) == pytest.approx(5)
        assert await lives(30) == pytest.approx(7.5)
        assert await lives(59) == pytest.approx(11.25)
        assert await lives(61) == pytest.approx(5)


async def test_retry_now_cuts_a_wait_and_forgets(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.plan("a", *[network() for _ in range(6)])
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await until(lambda: len(platform.attempts) == 5)
        await trio.sleep(1)
        await engine.retry("a")
        await trio.sleep(0.1)
        assert len(platform.attempts) == 6
        health = (await engine.get_session("a")).health
        assert health.next_retry_at == pytest.approx(platform.attempts[-1][0] + EPOCH + 5)
        await connected(engine, seconds=6)


async def test_retry_leaves_a_live_link_alone(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        for verb in ("retry", "start", "enable"):
            await getattr(engine, verb)("a")
        await trio.sleep(100)
        assert len(platform.attempts) == 1
        assert len(await history_of(engine)) == 2


@pytest.mark.parametrize("change", ["restart", "credentials", "settings"])
async def test_restart_replaces_the_link_at_once(change: str, autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        old = platform.link()
        if change == "restart":
            await engine.restart("a")
        else:
            await engine.update_session("a", SessionChange(**{change: {"token": "t"}}))  # type: ignore[arg-type]
        await until(lambda: len(platform.links) == 2, seconds=1)
        assert old.closed
        assert platform.most_open["a"] == 1
        await connected(engine)
        assert await history_of(engine) == [
            ("INITIALIZING", "STARTING"),
            ("CONNECTED", "CONNECTED"),
            ("RECONNECTING", "RESTARTING"),
            ("CONNECTED", "CONNECTED"),
        ]


async def test_the_same_credentials_again_replace_nothing(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine, credentials={"token": "t"})
        await connected(engine)
        await engine.update_session("a", SessionChange(credentials={"token": "t"}, name="new name", metadata={"x": 1}))
        await trio.sleep(100)
        assert len(platform.attempts) == 1
        assert (await engine.get_session("a")).name == "new name"


async def test_a_restart_asked_for_while_it_waits_for_its_turn_is_one_restart(autojump_clock: MockClock) -> None:
    """The link that opens afterwards is the new one; its failure is waited out like any other."""
    platform = FakePlatform()
    platform.plan("first", hang)
    settings = CALM.__class__(backoff_jitter=0.0, start_concurrency=1)
    async with open_fake_engine(platform, settings=settings) as engine:
        await add(engine, "first")
        await until(lambda: bool(platform.attempts))
        platform.plan("a", network(), network())
        await add(engine)
        await trio.sleep(1)
        await engine.restart("a")
        await trio.sleep(100)
        first, second = platform.attempt_times("a")[:2]
        assert second - first == pytest.approx(5, abs=0.1)


async def test_starts_are_paced(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    most = 0

    async def slow(session: Session, inbox: Inbox) -> None:
        nonlocal most
        most = max(most, sum(platform._open_by_session.values()) - platform.open_links)
        await trio.sleep(1)

    settings = CALM.__class__(backoff_jitter=0.0, start_concurrency=4, start_stagger=0.1)
    async with open_fake_engine(platform, settings=settings) as engine:
        ids = [f"s{number:02}" for number in range(20)]
        for id in ids:
            platform.plan(id, slow)
        await add(engine, *ids)
        await connected(engine, *ids)
        assert most == 4
        times = [at for at, _ in platform.attempts]
        assert all(later - sooner >= 0.099 for sooner, later in pairwise(times))
