"""No sequence of failures and verbs leaves an enabled session without a live link, an attempt that is scheduled or under way,
or a terminal reason with something that a person can do (A4, A5, B2-B6).

Hypothesis makes up the sequences. A session may be between two states for a moment, so the rule is that it holds again within
the deadlines that the settings promise; and once everything works again, every enabled session without a terminal reason
is connected.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from rookery import Engine, Session, SessionChange, SessionStatus
from rookery.errors import Conflict, Failure, ProviderError, RateLimited, RookeryError, StoreUnavailable, TerminalError
from rookery.model.session import Action, Lease, Reason
from rookery.provider.contract import Inbox
from rookery.session.runner import SessionRunner
from support.fake_platform import (
    CALM,
    FakeLink,
    FakePlatform,
    Step,
    TroubledStore,
    hang,
    network,
    open_fake_engine,
    open_troubled_store,
)

IDS = ("a", "b")
LONGEST = 30.0  # seconds that a server may ask for in these tests
WITHIN = (
    CALM.startup_timeout + CALM.link_close_timeout + 2 * CALM.store_timeout + CALM.recovery_interval
    + CALM.logout_settle + CALM.logout_timeout + LONGEST
)  # fmt: skip
"""Seconds within which a session that is between two states has arrived in one."""

RECOVERED = WITHIN + max(CALM.backoff_max, CALM.backoff_conflict) + CALM.startup_timeout
"""Seconds after the end of all trouble within which it is connected again."""

FAILURES: dict[str, Callable[[], Exception]] = {
    "network": network,
    "server": lambda: ProviderError("HTTP 500", kind=Failure.SERVER),
    "rate limit": lambda: RateLimited("slow down", retry_after=LONGEST),
    "conflict": lambda: Conflict("somebody else"),
    "bug": lambda: RuntimeError("a bug"),
    "group": lambda: ExceptionGroup("several", [network(), ValueError("a bug")]),
    "store": lambda: StoreUnavailable("away"),
    "token": lambda: TerminalError("revoked", reason=Reason.INVALID_TOKEN, action=Action.REPLACE_TOKEN),
    "logout": lambda: TerminalError("unlinked", reason=Reason.LOGOUT, action=Action.SCAN_QR),
    "banned": lambda: TerminalError("banned", reason=Reason.BANNED, action=Action.RETRY),
    "configuration": lambda: TerminalError("wrong", reason=Reason.CONFIGURATION, action=Action.FIX_CONFIGURATION),
}


class DoubtfulLink(FakeLink):
    """A link that answers probes unless its session is a zombie, and can be logged out."""

    async def check(self) -> None:
        assert isinstance(self.platform, DoubtfulPlatform)
        if self.session.id in self.platform.zombies:
            raise ProviderError("looks dead")

    async def probe(self) -> None:
        assert isinstance(self.platform, DoubtfulPlatform)
        if self.session.id in self.platform.zombies:
            await trio.sleep_forever()

    async def logout(self) -> None:
        self.fail(FAILURES["logout"]())
        await trio.sleep(1)


class DoubtfulPlatform(FakePlatform):
    def __init__(self) -> None:
        super().__init__()
        self.make_link = DoubtfulLink
        self.zombies: set[str] = set()
        self.slow_to_close: set[str] = set()
        self.on_close = self.close

    async def close(self, link: FakeLink) -> None:
        if link.session.id in self.slow_to_close:
            await trio.sleep_forever()


async def pairs(session: Session, inbox: Inbox) -> None:
    inbox.report(SessionStatus.QR_REQUIRED, Reason.PAIRING, "scan", action=Action.SCAN_QR, allow=40.0)
    await trio.sleep(20)


async def pairs_for_ever(session: Session, inbox: Inbox) -> None:
    inbox.report(SessionStatus.QR_REQUIRED, Reason.PAIRING, "scan", action=Action.SCAN_QR, allow=40.0)
    await trio.sleep_forever()


async def stumbles(session: Session, inbox: Inbox) -> None:
    """Events while it connects, and credentials; either may meet a store that is away."""
    await inbox.save_credentials({"token": "fresh"})
    await inbox.commit([], "1")


STEPS: dict[str, Step] = {"hangs": hang, "pairs": pairs, "pairs for ever": pairs_for_ever, "stumbles": stumbles}


class World:
    """One engine under trial, and what can happen to it."""

    def __init__(self, engine: Engine, platform: DoubtfulPlatform, store: TroubledStore) -> None:
        self.engine = engine
        self.platform = platform
        self.store = store

    async def do(self, name: str, *arguments: Any) -> None:
        with suppress(RookeryError), trio.move_on_after(60):  # the store is down, or the session gone: both raise
            await getattr(self, name)(*arguments)

    async def wait(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def will_fail(self, id: str, failure: str, times: int) -> None:
        self.platform.plan(id, *(FAILURES[failure]() for _ in range(times)))

    async def will(self, id: str, step: str) -> None:
        self.platform.plan(id, STEPS[step])

    async def breaks(self, id: str, failure: str) -> None:
        for link in self.platform.links:
            if link.session.id == id and not link.closed:
                link.fail(FAILURES[failure]())

    async def hangs_up(self, id: str) -> None:
        for link in self.platform.links:
            if link.session.id == id and not link.closed:
                link.end()

    async def toggle(self, which: str, id: str) -> None:
        chosen: set[str] = getattr(self.platform, which)
        chosen.symmetric_difference_update({id})

    async def verb(self, name: str, id: str) -> None:
        await getattr(self.engine, name)(id)

    async def change(self, id: str, token: str) -> None:
        await self.engine.update_session(id, SessionChange(credentials={"token": token}))

    async def recreate(self, id: str) -> None:
        await self.engine.delete_session(id)
        await self.engine.create_session(id=id, platform="fake", enabled=True)

    async def ask(self) -> None:
        await self.engine.check_now()

    async def terminate_inactive(self) -> None:
        await self.engine.terminate_inactive()

    async def store_falls(self, method: str) -> None:
        if method:
            self.store.down_methods.add(method)
        else:
            self.store.down = True

    async def store_hangs(self, method: str) -> None:
        """It answers no call of this for longer than anybody waits; stores bound their statements themselves."""

        async def hang_a_while(name: str) -> None:
            if name == method:
                await trio.sleep(2 * CALM.store_timeout)
                raise StoreUnavailable("no answer")

        self.store.before = hang_a_while

    async def store_dies(self, method: str) -> None:
        """The next call of it raises what no store should raise."""

        async def die(name: str) -> None:
            if name == method:
                self.store.before = None
                raise RuntimeError("this was not expected")

        self.store.before = die

    async def store_returns(self) -> None:
        self.store.down = False
        self.store.down_methods.clear()
        self.store.hanging.clear()
        self.store.before = None

    async def lease_is_stolen(self, id: str) -> None:
        """Another engine takes the session and is gone a moment later."""
        row = await self.store.inner.get_session(id)
        await self.store.inner.release(Lease(id, row.uid, row.owner or "", row.fence))
        for taken in await self.store.inner.claim("somebody else", limit=1, now=0, ttl=60, only={id}):
            await trio.sleep(2)
            await self.store.inner.release(Lease(id, taken.uid, "somebody else", taken.fence))

    async def everything_works(self) -> None:
        await self.store_returns()
        self.platform.plans.clear()
        self.platform.zombies.clear()
        self.platform.slow_to_close.clear()

    async def holds(self, id: str) -> bool:
        """The rule. A disabled session has no task."""
        row = await self.store.inner.get_session(id)
        runner = self.engine.running_here().get(id)
        if not row.enabled:
            return runner is None
        if runner is None or runner.stopping:
            return row.health.terminal and row.health.action is not Action.NONE and row.commands == row.heeded
        return runner.link is not None or self.is_trying(runner)

    def is_trying(self, runner: SessionRunner) -> bool:
        """The next attempt has a time that is not far, or one is under way and has a deadline."""
        scope, at = runner._links._scope, runner.health.next_retry_at
        if scope is not None:
            return scope.deadline <= trio.current_time() + WITHIN
        longest = max(CALM.backoff_max, CALM.backoff_conflict, LONGEST)
        return at is not None and -1 <= at - self.engine.now() <= longest

    async def arrives(self, holds: Callable[[str], Awaitable[bool]], seconds: float) -> None:
        """Fails when a session does not keep the rule within the time."""
        until = trio.current_time() + seconds
        for id in IDS:
            while not await holds(id):
                row = await self.store.inner.get_session(id)
                assert trio.current_time() < until, f"{row!r} {row.health} is nowhere"
                await trio.sleep(0.5)

    async def is_well(self, id: str) -> bool:
        """The session is well: connected, or its status says that a person has to act."""
        row = await self.store.inner.get_session(id)
        if row.enabled and not (row.health.terminal and row.commands == row.heeded):
            runner = self.engine.running_here().get(id)
            return runner is not None and runner.link is not None and row.health.status is SessionStatus.CONNECTED
        return await self.holds(id)


METHODS = ("claim", "release", "record_statuses", "update_session", "resolve_interrupted", "list_sessions", "append")
OF_THE_SESSION = ("resolve_interrupted", "append", "save_credentials")
"""Calls by a session's own task; a bug in the others is meant to reach the host."""


def happenings() -> st.SearchStrategy[tuple[Any, ...]]:
    id, failure = st.sampled_from(IDS), st.sampled_from(sorted(FAILURES))
    verbs = st.sampled_from(["start", "stop", "restart", "retry", "logout", "enable", "disable"])
    method = st.sampled_from(METHODS)
    just = st.just
    return st.one_of(
        st.tuples(just("wait"), st.sampled_from([0.0, 0.01, 1.0, 5.0, 61.0, 300.0])),
        st.tuples(just("will_fail"), id, failure, st.sampled_from([1, 3, 25])),
        st.tuples(just("will"), id, st.sampled_from(sorted(STEPS))),
        st.tuples(just("breaks"), id, failure),
        st.tuples(just("hangs_up"), id),
        st.tuples(just("toggle"), st.sampled_from(["zombies", "slow_to_close"]), id),
        st.tuples(just("verb"), verbs, id),
        st.tuples(just("change"), id, st.sampled_from(["one", "two"])),
        st.tuples(just("recreate"), id),
        st.tuples(just("lease_is_stolen"), id),
        st.tuples(just("store_falls"), st.one_of(just(""), method)),
        st.tuples(just("store_hangs"), method),
        st.tuples(just("store_dies"), st.sampled_from(OF_THE_SESSION)),
        st.tuples(st.sampled_from(["store_returns", "ask", "terminate_inactive", "look"])),
    )


async def live_through(story: list[tuple[Any, ...]]) -> None:
    platform = DoubtfulPlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        world = World(engine, platform, store)
        for id in IDS:
            await engine.create_session(id=id, platform="fake")
        for name, *arguments in story:
            if name == "look":
                await world.store_returns()  # a change that the store refuses is unknown to every engine
                await world.arrives(world.holds, WITHIN)
            else:
                await world.do(name, *arguments)
        await world.store_returns()
        for id in IDS:  # a session that was about to be created anew when the store went away
            with suppress(RookeryError):
                await engine.create_session(id=id, platform="fake")
        await world.arrives(world.holds, WITHIN)
        await world.everything_works()
        await world.arrives(world.is_well, RECOVERED)
        for id in IDS:
            assert platform.most_open[id] <= 1, "two links of one session at once"


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=st.lists(happenings(), min_size=1, max_size=30))
def test_an_enabled_session_is_never_nowhere(story: list[tuple[Any, ...]]) -> None:
    trio.run(partial(live_through, story), clock=MockClock(autojump_threshold=0))
