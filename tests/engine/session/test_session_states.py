"""The states of a session: how it starts, connects, waits, ends and shows that."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from rookery import Action, EngineSettings, Reason, Session, SessionChange, SessionStatus
from rookery.errors import TerminalError
from rookery.model.session import TERMINAL_REASONS
from rookery.provider.contract import Inbox
from support.fake_platform import (
    CALM,
    FakePlatform,
    add,
    connected,
    hang,
    history_of,
    network,
    open_fake_engine,
    open_troubled_store,
    settled,
    status_of,
)
from support.waiting import until

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


async def test_a_session_that_waits_for_a_person_delays_no_other_start(autojump_clock: MockClock) -> None:
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


async def test_a_bug_in_one_provider_affects_no_other_session(
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


@pytest.mark.slow
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


async def test_a_missing_platform_is_reported(autojump_clock: MockClock) -> None:
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
