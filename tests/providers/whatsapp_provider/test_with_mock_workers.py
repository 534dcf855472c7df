"""The engine's side of the workers' protocol, with workers that do what a test tells them."""

import os
import signal
from typing import Any

import msgspec
import pytest
import trio

from providers.whatsapp_provider.conftest import Opener
from rookery import Engine, MessageState, SessionStatus
from rookery.errors import InvalidInput, StoreUnavailable
from rookery.model.session import Action, Reason
from rookery_whatsapp import WhatsApp
from rookery_whatsapp.link import link
from support.waiting import until, until_found
from support.whatsapp_engine import QUICK, events_of, reach, reasons

PATIENCE = 40


def whatsapp(engine: Engine) -> WhatsApp:
    provider = engine.providers["whatsapp"]
    assert isinstance(provider, WhatsApp)
    return provider


async def connect(engine: Engine, id: str = "one") -> None:
    await engine.create_session(
        id=id, platform="whatsapp", settings={"sends_per_second_per_chat": 0, "sends_per_second": 0}
    )
    await reach(engine, id, SessionStatus.CONNECTED)


async def tell(engine: Engine, text: str, id: str = "one") -> Any:
    """Send a text that the mock takes as an order."""
    message = await engine.submit(id, to="4915100000002", text=text)
    return await engine.wait_message(message.id, PATIENCE)


@pytest.mark.parametrize("more", [{}, {"mentions": ["4915100000003"]}])
async def test_a_star_is_refused_with_the_reason(mocked: Opener, more: dict[str, Any]) -> None:
    async with mocked() as engine:
        await engine.create_session(id="one", platform="whatsapp", enabled=False)
        with pytest.raises(InvalidInput, match=r"type: .*neonize 0\.5\.2 sends .* collection") as caught:
            await engine.submit("one", to="4915100000002", type="star", message_id="3EB0AA", **more)
        assert caught.value.field == "type"
        with pytest.raises(InvalidInput, match="'stare'"):
            await engine.submit("one", to="4915100000002", type="stare", message_id="3EB0AA")


async def test_a_library_that_cannot_be_loaded(mocked: Opener) -> None:
    async with mocked(MOCK_WORKER="unfit") as engine:
        await engine.create_session(id="one", platform="whatsapp")
        session = await reach(engine, "one", SessionStatus.DISCONNECTED, Reason.CONFIGURATION)
        assert "extra `whatsapp`" in session.health.detail
        assert session.health.action is Action.FIX_CONFIGURATION


async def test_a_worker_of_another_version(mocked: Opener) -> None:
    async with mocked(MOCK_WORKER="future") as engine:
        await engine.create_session(id="one", platform="whatsapp")
        session = await reach(engine, "one", SessionStatus.DISCONNECTED, Reason.CONFIGURATION)
        assert "version 99" in session.health.detail


async def test_a_worker_that_never_speaks_is_killed(mocked: Opener) -> None:
    async with mocked(MOCK_WORKER="mute", workers={"loading": 0.5}) as engine:
        await engine.create_session(id="one", platform="whatsapp")
        session = await reach(engine, "one", SessionStatus.RECONNECTING, Reason.NETWORK)
        assert "no heartbeat" in session.health.detail


async def test_a_command_that_does_not_exist(mocked: Opener) -> None:
    async with mocked() as engine:
        whatsapp(engine).pool.command = ["/does/not/exist"]
        await engine.create_session(id="one", platform="whatsapp")
        session = await reach(engine, "one", SessionStatus.RECONNECTING, Reason.NETWORK)
        assert "could not be started" in session.health.detail


async def test_five_rounds_of_codes_and_then_a_person_is_waited_for(mocked: Opener) -> None:
    async with mocked() as engine:
        await engine.create_session(id="rounds", platform="whatsapp")
        session = await reach(engine, "rounds", SessionStatus.DISCONNECTED, Reason.QR_EXPIRED)
        assert "5 rounds" in session.health.detail
        assert session.health.action is Action.SCAN_QR
        assert whatsapp(engine).pool.next_client() == 6


async def test_fewer_rounds_by_a_setting(mocked: Opener) -> None:
    async with mocked(qr_rounds=2) as engine:
        await engine.create_session(id="rounds", platform="whatsapp")
        session = await reach(engine, "rounds", SessionStatus.DISCONNECTED, Reason.QR_EXPIRED)
        assert "2 rounds" in session.health.detail
        # Enabled as it is, it waits: only a person begins anew.
        await engine.start("rounds")
        await reach(engine, "rounds", SessionStatus.QR_REQUIRED)


async def test_codes_rotate_and_a_typed_one_goes_first(mocked: Opener) -> None:
    async with mocked() as engine:
        await engine.create_session(id="rounds-endless", platform="whatsapp")
        await reach(engine, "rounds-endless", SessionStatus.QR_REQUIRED)
        await until_found(
            lambda: engine.request_pairing_code("rounds-endless", "4915112345678"),
            lambda found: found.code == "ABCD-1234",
            seconds=PATIENCE,
        )
        shown = await engine.pairing("rounds-endless")
        assert shown is not None
        assert (shown.kind, shown.code) == ("phone", "ABCD-1234")


async def test_waiting_for_a_person_does_not_hold_up_others(mocked: Opener) -> None:
    settings = msgspec.structs.replace(QUICK, start_concurrency=1)
    async with mocked(settings=settings) as engine:
        await engine.create_session(id="rounds-endless", platform="whatsapp")
        await reach(engine, "rounds-endless", SessionStatus.QR_REQUIRED)
        await connect(engine)


async def test_keep_alives(mocked: Opener) -> None:
    async with mocked() as engine:
        await connect(engine)
        await tell(engine, "notice:keepalive_timeout")
        session = await reach(engine, "one", SessionStatus.RECONNECTING, Reason.NETWORK)
        assert session.health.detail == "unanswered keep-alives: 3"
        await tell(engine, "notice:keepalive_restored")
        await reach(engine, "one", SessionStatus.CONNECTED)


@pytest.mark.parametrize("kind", ["trouble", "stream_error"])
async def test_errors_reported_by_the_library_are_logged_and_end_no_session(
    mocked: Opener, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with mocked() as engine:
        await connect(engine)
        await tell(engine, f"notice:{kind}")
        assert (await tell(engine, "hello")).state is MessageState.SENT
        assert (await engine.get_session("one")).health.reason is Reason.CONNECTED
        assert engine.telemetry.counters["link_failures"] == {}
    [told] = [record for record in caplog.records if record.getMessage() == "the library reports a problem"]
    assert (told.session, told.problem["event"]) == ("one", "MessageEv")  # type: ignore[attr-defined]


async def test_what_becomes_of_a_send(mocked: Opener) -> None:
    async with mocked() as engine:
        await connect(engine)
        assert (await tell(engine, "hello")).state is MessageState.SENT
        rejected = await tell(engine, "reject")
        assert rejected.state is MessageState.FAILED
        assert "463" in rejected.error
        assert (await tell(engine, "unknown")).state is MessageState.UNKNOWN
        limited = await tell(engine, "limit")
        assert (limited.state, limited.attempts) == (MessageState.SENT, 2)
        offline = await tell(engine, "offline")
        assert (offline.state, offline.attempts) == (MessageState.SENT, 2)


async def test_files_are_fetched_from_where_the_setting_allows(mocked: Opener) -> None:
    async with mocked(workers={"allow_private_urls": False}) as engine:
        await connect(engine)
        message = await engine.submit("one", to="4915100000002", type="image", url="http://127.0.0.1:9/secret.png")
        refused = await engine.wait_message(message.id, PATIENCE)
        assert refused.state is MessageState.FAILED
        assert "`webhook_allow_private`" in refused.error  # type: ignore[operator]


async def test_a_worker_dies_during_a_send(mocked: Opener) -> None:
    async with mocked() as engine:
        await connect(engine)
        died = await tell(engine, "die")
        assert died.state is MessageState.UNKNOWN
        await reach(engine, "one", SessionStatus.CONNECTED)
        assert (await tell(engine, "hello again")).state is MessageState.SENT
        assert Reason.NETWORK in reasons(await engine.history("one"))


async def test_a_worker_that_hangs_is_replaced(mocked: Opener) -> None:
    async with mocked() as engine:
        await connect(engine)
        pid = whatsapp(engine).workers()[0].pid
        await engine.submit("one", to="4915100000002", text="hang")
        await until(lambda: [worker.pid for worker in whatsapp(engine).workers()] not in ([], [pid]), seconds=PATIENCE)
        await reach(engine, "one", SessionStatus.CONNECTED)


async def test_a_worker_that_prints_a_lot_is_not_held_up(mocked: Opener) -> None:
    async with mocked() as engine:
        await connect(engine)
        assert (await tell(engine, "print")).state is MessageState.SENT
        assert len(whatsapp(engine).pool.workers[0].last_words) == 30


async def test_an_event_is_confirmed_when_it_is_stored(mocked: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    async with mocked() as engine:
        await connect(engine)
        append, failures = engine.store.append, 0

        async def failing(*arguments: Any) -> int:
            nonlocal failures
            if failures < 3:
                failures += 1
                assert not confirmed()
                raise StoreUnavailable("away")
            return await append(*arguments)

        def confirmed() -> bool:
            return "stored 1" in whatsapp(engine).pool.workers[0].last_words

        monkeypatch.setattr(engine.store, "append", failing)
        await tell(engine, "event:a/1")
        await until(confirmed, seconds=PATIENCE)
        assert failures == 3
        await tell(engine, "event:a/1")  # the library repeats itself
        await until(lambda: "stored 2" in whatsapp(engine).pool.workers[0].last_words, seconds=PATIENCE)
        assert [event.key for event in await events_of(engine, "one")] == ["a/1"]


async def test_a_linked_device_is_remembered_when_the_database_is_back(
    mocked: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user has scanned already: another code would leave an unused device on the phone."""
    async with mocked() as engine:
        save, failures = engine.store.save_credentials, 0

        async def failing(*arguments: Any) -> None:
            nonlocal failures
            failures += 1
            if failures < 3:
                raise StoreUnavailable("away")
            await save(*arguments)

        monkeypatch.setattr(engine.store, "save_credentials", failing)
        await connect(engine)
        assert "jid" in (await engine.get_session("one")).credentials
        assert reasons(await engine.history("one")).count(Reason.PAIRING) == 1


async def test_sessions_share_workers_up_to_the_limit(mocked: Opener) -> None:
    async with mocked(workers={"sessions_per_worker": 2}) as engine:
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(connect, engine, f"s{number}")
        assert sorted(len(worker.sessions) for worker in whatsapp(engine).workers()) == [1, 2, 2]
        for number in range(5):
            await engine.stop(f"s{number}")
        await until(lambda: not whatsapp(engine).workers(), seconds=PATIENCE)
        assert whatsapp(engine).pool.crashes == 0


async def test_a_worker_may_have_many_sessions(mocked: Opener) -> None:
    """All of them start and stop in the same moment; a worker with that much to read does not count as hanging."""
    settings = msgspec.structs.replace(QUICK, start_concurrency=1000)
    async with mocked(workers={"sessions_per_worker": 200}, settings=settings) as engine:
        provider = whatsapp(engine)
        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(connect, engine, f"s{number}")
        assert [len(worker.sessions) for worker in provider.workers()] == [100]
    assert provider.pool.crashes == 0


async def test_a_worker_full_of_leftovers_gets_no_new_sessions(mocked: Opener) -> None:
    async with mocked(MOCK_LEFTOVERS="1000") as engine:
        await connect(engine)
        await connect(engine, "two")
        assert [len(worker.sessions) for worker in whatsapp(engine).workers()] == [1, 1]


async def crashed(engine: Engine, times: int) -> None:
    """Return once this many workers have crashed."""
    await until(lambda: whatsapp(engine).pool.crashes >= times, seconds=PATIENCE)


async def test_sessions_whose_workers_keep_dying_are_isolated(mocked: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "DEATH_PAUSE", 0.01)
    async with mocked() as engine:
        await connect(engine, "neighbour")
        await connect(engine)
        for crashes in (1, 2, 3):
            assert [len(worker.sessions) for worker in whatsapp(engine).workers()] == [2]
            await tell(engine, "die")
            await crashed(engine, crashes)
            await reach(engine, "neighbour", SessionStatus.CONNECTED)
            await reach(engine, "one", SessionStatus.CONNECTED)
        assert [len(worker.sessions) for worker in whatsapp(engine).workers()] == [1, 1]


async def test_a_killed_worker_makes_no_session_a_suspect(mocked: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "DEATH_PAUSE", 0.01)
    async with mocked() as engine:
        await connect(engine)
        await engine.create_session(id="rounds-endless", platform="whatsapp")
        await reach(engine, "rounds-endless", SessionStatus.QR_REQUIRED)
        [worker] = whatsapp(engine).workers()
        assert len(worker.sessions) == 2
        os.kill(worker.pid, signal.SIGKILL)  # as the kernel does when memory is short
        await crashed(engine, 1)
        await reach(engine, "one", SessionStatus.CONNECTED)
        await reach(engine, "rounds-endless", SessionStatus.QR_REQUIRED)
        assert [len(worker.sessions) for worker in whatsapp(engine).workers()] == [2]


async def test_a_logout_settles_before_it_is_cleaned_up(mocked: Opener) -> None:
    settings = msgspec.structs.replace(QUICK, logout_settle=30.0)
    async with mocked(settings=settings) as engine:
        await connect(engine)
        await tell(engine, "notice:logged_out")
        session = await reach(engine, "one", SessionStatus.DISCONNECTED, Reason.LOGOUT)
        assert session.enabled
        await engine.start("one")  # somebody is quicker than the clean-up
        await reach(engine, "one", SessionStatus.CONNECTED)
        assert (await engine.get_session("one")).enabled


async def test_one_device_belongs_to_one_session(mocked: Opener) -> None:
    async with mocked() as engine:
        await connect(engine)
        credentials = (await engine.get_session("one")).credentials
        await engine.create_session(id="two", platform="whatsapp", credentials=credentials)
        session = await reach(engine, "two", SessionStatus.DISCONNECTED, Reason.CONFIGURATION)
        assert "'one' uses this linked device" in session.health.detail
        assert (await engine.get_session("one")).health.status is SessionStatus.CONNECTED
