"""One session's statuses, reasons and waits, under a virtual clock (A2, A3, A5, B1-B5)."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from rookery import Action, EngineSettings, Reason, Session, SessionChange, SessionStatus
from rookery.errors import Conflict, Failure, ProviderError, RateLimited, StoreError, StoreUnavailable, TerminalError
from rookery.model.event import EventQuery
from rookery.model.session import TERMINAL_REASONS, Lease
from rookery.provider.contract import Inbox
from support.fake_platform import (
    CALM,
    EPOCH,
    FakeLink,
    FakePlatform,
    TroubledStore,
    add,
    connected,
    event,
    hang,
    history_of,
    network,
    open_fake_engine,
    open_troubled_store,
    settled,
    status_of,
    until,
    wall_clock,
)

KEEP = EngineSettings(backoff_jitter=0.0, auto_cleanup_on_logout=False)


def terminal(reason: Reason = Reason.BANNED, action: Action = Action.NONE) -> TerminalError:
    return TerminalError("no way", reason=reason, action=action)


async def test_a_new_session_connects_and_says_so(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        session = await engine.get_session("a")
        assert session.health.detail == "connected as @a"
        assert (session.health.action, session.health.last_error) == (Action.NONE, None)
        assert await history_of(engine) == [("INITIALIZING", "STARTING"), ("CONNECTED", "CONNECTED")]


async def test_a_disabled_session_is_created_and_left_alone(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine, enabled=False)
        await trio.sleep(200)
        assert platform.attempts == []
        assert await status_of(engine) == ("DISCONNECTED", "CREATED")


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


@pytest.mark.parametrize("reason", sorted(TERMINAL_REASONS))
async def test_a_terminal_failure_ends_it_also_across_a_restart(reason: Reason, autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.plan("a", ExceptionGroup("several", [network(), terminal(reason, Action.REPLACE_TOKEN)]))
    async with open_troubled_store() as store:
        async with open_fake_engine(platform, store, settings=KEEP) as engine:
            await add(engine)
            status = SessionStatus.AUTH_FAILURE if reason is Reason.INVALID_TOKEN else SessionStatus.DISCONNECTED
            await until(lambda: bool(platform.attempts))
            await trio.sleep(1)
            health = (await engine.get_session("a")).health
            assert (health.status, health.reason, health.action) == (status, reason, Action.REPLACE_TOKEN)
            assert health.last_error == "no way"
            await trio.sleep(1000)
            assert len(platform.attempts) == 1
        async with open_fake_engine(platform, store, settings=KEEP) as engine:
            await trio.sleep(1000)
            assert len(platform.attempts) == 1
            assert await status_of(engine) == (status, reason)
            assert (await engine.get_session("a")).enabled


@pytest.mark.parametrize("verb", ["start", "enable", "retry", "restart", "credentials", "settings", "stop and start"])
async def test_a_terminal_reason_is_lifted_by_hand(verb: str, autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.plan("a", terminal(Reason.INVALID_TOKEN))
    async with open_fake_engine(platform) as engine:
        await add(engine, credentials={"token": "old"})
        await engine.wait_status("a", SessionStatus.AUTH_FAILURE)
        await trio.sleep(100)
        if verb == "credentials":
            await engine.update_session("a", SessionChange(credentials={"token": "new"}))
        elif verb == "settings":
            await engine.update_session("a", SessionChange(settings={"x": 1}))
        elif verb == "stop and start":
            await engine.stop("a")
            await trio.sleep(1)
            await engine.start("a")
        else:
            await getattr(engine, verb)("a")
        await connected(engine, seconds=5)
        if verb == "credentials":
            assert platform.link().session.credentials == {"token": "new"}


async def test_terminal_again_after_it_was_lifted(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.plan("a", terminal(), terminal(), terminal())
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await engine.wait_status("a", SessionStatus.DISCONNECTED)
        for attempts in (2, 3):
            await trio.sleep(100)
            await engine.retry("a")
            await trio.sleep(100)
            assert len(platform.attempts) == attempts
            assert await status_of(engine) == ("DISCONNECTED", "BANNED")


async def test_a_retry_that_comes_while_the_terminal_error_is_on_its_way_is_not_lost(
    autojump_clock: MockClock,
) -> None:
    platform = FakePlatform()

    async def ask_and_fail(session: Session, inbox: Inbox) -> None:
        await engine.update_session("a", SessionChange(credentials={"token": "better"}))
        raise terminal(Reason.INVALID_TOKEN)

    platform.plan("a", ask_and_fail)
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine, seconds=5)
        assert platform.link().session.credentials == {"token": "better"}


async def test_startup_has_a_deadline_and_a_name(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.plan("a", hang)
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await trio.sleep(59)
        assert await status_of(engine) == ("INITIALIZING", "STARTING")
        await trio.sleep(1.5)
        health = (await engine.get_session("a")).health
        assert (health.status, health.reason) == (SessionStatus.RECONNECTING, Reason.STARTUP_TIMEOUT)
        assert health.last_error == "no connection within 60 s"
        await connected(engine)
        assert platform.attempt_times()[1] == pytest.approx(platform.attempt_times()[0] + 65)


async def test_a_link_that_needs_a_person_is_allowed_more_time(autojump_clock: MockClock) -> None:
    platform = FakePlatform()

    async def pair(session: Session, inbox: Inbox) -> None:
        inbox.report(SessionStatus.QR_REQUIRED, Reason.PAIRING, "scan", action=Action.SCAN_QR, allow=300)
        await trio.sleep(250)

    platform.plan("a", pair)
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await engine.wait_status("a", SessionStatus.QR_REQUIRED)
        assert (await engine.get_session("a")).health.action is Action.SCAN_QR
        await connected(engine, seconds=260)
        assert len(platform.attempts) == 1


async def test_a_person_who_is_waited_for_keeps_nobody_else_from_starting(autojump_clock: MockClock) -> None:
    platform = FakePlatform()

    async def pair(session: Session, inbox: Inbox) -> None:
        inbox.report(SessionStatus.QR_REQUIRED, Reason.PAIRING, "scan", action=Action.SCAN_QR, allow=300)
        await trio.sleep(250)

    platform.plan("a", pair)
    settings = CALM.__class__(backoff_jitter=0.0, start_concurrency=1)
    async with open_fake_engine(platform, settings=settings) as engine:
        await add(engine)
        await engine.wait_status("a", SessionStatus.QR_REQUIRED)
        await add(engine, "b")
        await connected(engine, "b", seconds=10)


async def test_a_link_whose_close_hangs_does_not_stay_connected(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        platform.on_close = hang
        platform.link().fail(network("gone"))
        await trio.sleep(3)
        health = (await engine.get_session("a")).health
        assert (health.status, health.reason) == (SessionStatus.RECONNECTING, Reason.NETWORK)
        assert health.last_error == "gone"
        platform.on_close = None
        await connected(engine, seconds=10)


async def test_the_peer_may_just_hang_up(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        platform.link().end()
        session = await engine.wait_status("a", SessionStatus.RECONNECTING)
        assert session.health.last_error == "the connection ended"
        await connected(engine)


async def test_a_network_outage_is_retried_for_ever(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.plan("a", *[network() for _ in range(100)])
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine, seconds=100 * 300)
        assert len(platform.attempts) == 101


async def test_attempts_are_used_up_until_somebody_asks(autojump_clock: MockClock) -> None:
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


async def test_a_bug_in_one_provider_hurts_nobody_else(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine, "a", "b")
        await connected(engine, "a", "b")
        platform.link("a").fail(RuntimeError("the token is 123:SECRET"))
        session = await engine.wait_status("a", SessionStatus.RECONNECTING)
        assert session.health.reason is Reason.INTERNAL_ERROR
        assert session.health.last_error == "internal error: RuntimeError"
        await trio.sleep(100)
        assert platform.attempt_times("b") == platform.attempt_times("b")[:1]
        assert await status_of(engine, "b") == ("CONNECTED", "CONNECTED")
        assert await status_of(engine, "a") == ("CONNECTED", "CONNECTED")
    assert any("unexpected" in record.message for record in caplog.records)


async def test_texts_that_no_store_takes_are_cleaned(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.plan("a", network("half a pair \ud83d and \0 and much" + " more" * 5000))
    async with open_fake_engine(platform) as engine:
        await add(engine)
        session = await engine.wait_status("a", SessionStatus.RECONNECTING)
        await trio.sleep(1)
        assert session.health.last_error is not None
        session.health.last_error.encode()
        assert "\0" not in session.health.last_error
        assert len(session.health.last_error) < 2000
        assert (await history_of(engine))[-1] == ("RECONNECTING", "NETWORK")
        await connected(engine)


async def test_history_is_complete_in_order_and_bounded(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.plan("a", *[network() for _ in range(3)])
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine, seconds=100)
        # The three failures have one status and reason, hence one row.
        expected = [("INITIALIZING", "STARTING"), ("RECONNECTING", "NETWORK"), ("CONNECTED", "CONNECTED")]
        assert await history_of(engine) == expected
        rows = list(reversed(await engine.history("a")))
        assert [row.at for row in rows] == sorted(row.at for row in rows)
        for _ in range(60):
            platform.link().fail(network())
            await engine.wait_status("a", SessionStatus.RECONNECTING)
            await connected(engine, seconds=400)
        assert len(await history_of(engine)) == 50
        assert (await history_of(engine))[-2:] == [("RECONNECTING", "NETWORK"), ("CONNECTED", "CONNECTED")]


async def test_since_is_kept_while_status_and_reason_are(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.plan("a", network("one"), network("two"))
    async with open_fake_engine(platform) as engine:
        await add(engine)
        first = await engine.wait_status("a", SessionStatus.RECONNECTING)
        await until(lambda: len(platform.attempts) == 2)
        await settled()
        second = await engine.get_session("a")
        assert second.health.since == first.health.since
        assert second.health.last_error == "two"
        assert first.health.next_retry_at is not None
        assert second.health.next_retry_at is not None
        assert second.health.next_retry_at > first.health.next_retry_at


async def test_an_enabled_session_is_restored_and_says_so(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store:
        async with open_fake_engine(platform, store) as engine:
            await add(engine, "a", "off", enabled=True)
            await connected(engine, "a", "off")
            await engine.stop("off")
            await until(lambda: platform.link("off").closed)
        assert await store.history("a")
        async with open_fake_engine(platform, store) as engine:
            await connected(engine)
            assert (await history_of(engine))[-3:] == [
                ("DISCONNECTED", "SHUTDOWN"),
                ("RECONNECTING", "RESTORING"),
                ("CONNECTED", "CONNECTED"),
            ]
            await trio.sleep(100)
            assert await status_of(engine, "off") == ("DISCONNECTED", "DISABLED")
            assert len(platform.attempt_times("off")) == 1


async def test_a_platform_that_is_not_installed_is_told(autojump_clock: MockClock) -> None:
    platform, other = FakePlatform(), FakePlatform()
    other.platform = "other"
    async with open_troubled_store() as store:
        async with open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
        async with open_fake_engine(other, store) as engine:
            await trio.sleep(1)
            health = (await engine.get_session("a")).health
            assert (health.reason, health.action) == (Reason.UNKNOWN_PLATFORM, Action.FIX_CONFIGURATION)
        async with open_fake_engine(platform, store) as engine:
            await engine.start("a")
            await connected(engine)


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
    """A full disk: what is there can be read, nothing can be added (E3: an error that shows)."""
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
