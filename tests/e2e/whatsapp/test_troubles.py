"""Everything that can end a connection ends in the state and reason that the specification names, and disturbs nobody."""

from pathlib import Path

import msgspec
import pytest
import trio

from rookery import SessionStatus
from rookery.model import Action, Reason
from rookery_simulator.whatsapp import Network, WhatsAppSimulator
from rookery_whatsapp import WorkerSettings
from storage import LONG
from whatsapp_engine import (
    BOB,
    NUMBER,
    PATIENCE,
    QUICK,
    WATCHFUL,
    event_where,
    events_of,
    link,
    open_whatsapp_engine,
    qr_of,
    reach,
    reasons,
)

OTHER = "4915100000009"
MINUTE = 60.0
KEEP_ALIVE = 60.0
"""Seconds within which the library finds that a keep-alive was not answered: one every 20 to 30 s, 10 s for its answer."""

long = pytest.mark.skipif(not LONG, reason="takes minutes: ROOKERY_TEST_LONG=1 runs it")


async def test_unlinked_on_the_phone(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        _, device = await link(engine, whatsapp)
        _, neighbour = await link(engine, whatsapp, "two", OTHER)
        device.remove()
        session = await reach(engine, "one", SessionStatus.DISCONNECTED, Reason.LOGOUT)
        assert session.health.action is Action.SCAN_QR
        with trio.fail_after(PATIENCE):
            while (await engine.get_session("one")).enabled:
                await trio.sleep(0.02)
        session = await engine.get_session("one")
        assert session.credentials == {"account": NUMBER}
        assert [file.name for file in (tmp_path / "whatsapp").glob("one.db*")] == []
        # The other session of the same worker has noticed nothing.
        assert neighbour.logins == 1
        assert neighbour.is_active
        assert (await engine.get_session("two")).health.status is SessionStatus.CONNECTED
        await engine.start("one")
        with trio.fail_after(PATIENCE):
            await whatsapp.phone(NUMBER).scan(await qr_of(engine, "one"))
            await reach(engine, "one", SessionStatus.CONNECTED)


async def test_unlinked_while_away_without_cleanup(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(QUICK, auto_cleanup_on_logout=False)
    async with open_whatsapp_engine(whatsapp, tmp_path, settings=settings) as engine:
        _, device = await link(engine, whatsapp)
    device.remove()
    async with open_whatsapp_engine(whatsapp, tmp_path, settings=settings) as engine:
        session = await reach(engine, "one", SessionStatus.DISCONNECTED, Reason.LOGOUT)
        assert session.enabled
        assert "away" in session.health.detail
        await engine.start("one")
        assert await qr_of(engine, "one")


async def test_logout_over_the_api(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        phone, device = await link(engine, whatsapp)
        session = await engine.logout("one")
        assert not session.enabled
        assert device.removed
        assert not phone.devices
        session = await engine.get_session("one")
        assert session.credentials == {"account": NUMBER}
        assert session.health.reason is Reason.LOGOUT
        assert list((tmp_path / "whatsapp").glob("one.db*")) == []


async def test_delete_logs_out_first(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        _, device = await link(engine, whatsapp)
        report = await engine.delete_session("one")
        assert report.deleted
        assert report.logged_out
        assert device.removed
        assert list((tmp_path / "whatsapp").glob("one.db*")) == []


async def test_replaced_by_another_program(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(QUICK, backoff_conflict=60.0)
    async with open_whatsapp_engine(whatsapp, tmp_path, settings=settings) as engine:
        _, device = await link(engine, whatsapp)
        device.replace()
        session = await reach(engine, "one", SessionStatus.RECONNECTING, Reason.CONFLICT)
        assert session.health.action is Action.STOP_OTHER_CLIENT
        assert session.health.next_retry_at is not None
        await engine.retry("one")
        await reach(engine, "one", SessionStatus.CONNECTED)


async def test_a_temporary_ban(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        _, device = await link(engine, whatsapp)
        device.ban(code=104, seconds=86_400)
        session = await reach(engine, "one", SessionStatus.DISCONNECTED, Reason.BANNED)
        assert session.health.terminal
        assert "until 20" in session.health.detail
        assert session.credentials["jid"] == str(device.jid)


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        (405, SessionStatus.DISCONNECTED, Reason.CONFIGURATION),
        (409, SessionStatus.DISCONNECTED, Reason.CONFIGURATION),
        (400, SessionStatus.RECONNECTING, Reason.SERVER_ERROR),
        (403, SessionStatus.DISCONNECTED, Reason.TOS_BLOCK),
        (406, SessionStatus.DISCONNECTED, Reason.BANNED),
    ],
)
async def test_a_refused_login(
    whatsapp: WhatsAppSimulator, tmp_path: Path, code: int, status: SessionStatus, reason: Reason
) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        _, device = await link(engine, whatsapp)
        device.refuse(code)
        await reach(engine, "one", status, reason)


async def test_a_zombie_is_restarted(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        alice, device = await link(engine, whatsapp)
        device.stream_error(503, close=False)
        await reach(engine, "one", SessionStatus.RECONNECTING, Reason.SERVER_ERROR)
        await reach(engine, "one", SessionStatus.CONNECTED)
        sent = whatsapp.phone(BOB).send_text(alice, "alive again")
        await event_where(engine, lambda event: event.body.get("message_id") == sent.id)


async def test_the_network_goes_and_comes_back(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    """The library calls again by itself; after `offline` seconds it is restarted, and then the engine's pauses apply."""
    workers = msgspec.structs.replace(WATCHFUL, offline=2.0)
    async with open_whatsapp_engine(whatsapp, tmp_path, workers=workers) as engine:
        alice, _ = await link(engine, whatsapp)
        whatsapp.set_network(Network.DOWN)
        session = await reach(engine, "one", SessionStatus.RECONNECTING, Reason.NETWORK)
        assert "connection was lost" in session.health.detail
        sent = whatsapp.phone(BOB).send_text(alice, "while you were away")
        outgoing = await engine.submit("one", to=BOB, text="queued while away")
        with trio.fail_after(PATIENCE):
            while "the client ended" not in ((await engine.get_session("one")).health.last_error or ""):
                await trio.sleep(0.05)
        whatsapp.set_network(Network.UP)
        await reach(engine, "one", SessionStatus.CONNECTED)
        await event_where(engine, lambda event: event.body.get("message_id") == sent.id)
        with trio.fail_after(PATIENCE):
            message = await whatsapp.phone(BOB).next_message()
        assert message.text == "queued while away"
        assert (await engine.wait_message(outgoing.id, PATIENCE)).state.final
        assert set(reasons(await engine.history("one"))) <= {
            Reason.STARTING,
            Reason.PAIRING,
            Reason.CONNECTED,
            Reason.NETWORK,
        }


@long
@pytest.mark.slow
async def test_the_network_is_gone_for_a_minute(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    """With the settings of a real server the library calls again by itself, so there is neither a restart nor a QR code."""
    bob = whatsapp.phone(BOB)
    async with open_whatsapp_engine(whatsapp, tmp_path, workers=WorkerSettings()) as engine:
        alice, device = await link(engine, whatsapp)
        whatsapp.set_network(Network.DOWN)
        await reach(engine, "one", SessionStatus.RECONNECTING, Reason.NETWORK)
        sent = [bob.send_text(alice, f"while you were away {number}").id for number in range(20)]
        outgoing = await engine.submit("one", to=BOB, text="queued while away")
        await trio.sleep(MINUTE)
        assert (await engine.get_session("one")).health.status is SessionStatus.RECONNECTING
        back = trio.current_time()
        whatsapp.set_network(Network.UP)
        session = await reach(engine, "one", SessionStatus.CONNECTED)
        took = trio.current_time() - back
        print(f"\nconnected again {took:.1f} s after a minute without a network")
        assert session.health.detail == "connected again"
        for id in sent:
            await event_where(engine, lambda event, id=id: event.body.get("message_id") == id)
        with trio.fail_after(PATIENCE):
            assert (await bob.next_message()).text == "queued while away"
            assert (await engine.wait_message(outgoing.id, PATIENCE)).state.final
        stored = [event.body["message_id"] for event in await events_of(engine, "one")]
        assert len(stored) == len(set(stored)) == len(sent)
        assert not device.removed
        assert Reason.PAIRING not in reasons(await engine.history("one"))[3:]


@long
@pytest.mark.slow
async def test_keep_alives_that_are_not_answered(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    """The socket stays open and nothing comes back: the library's own keep-alives find it, and find that it is over."""
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        alice, device = await link(engine, whatsapp)
        began = trio.current_time()
        whatsapp.set_network(Network.BLACK_HOLE)
        with trio.fail_after(KEEP_ALIVE):
            session = await engine.wait_status("one", SessionStatus.RECONNECTING)
        assert session.health.reason is Reason.NETWORK
        assert session.health.detail == "keep-alives without an answer: 1"
        print(f"\nfound after {trio.current_time() - began:.1f} s")
        whatsapp.set_network(Network.UP)
        with trio.fail_after(KEEP_ALIVE):
            session = await engine.wait_status("one", SessionStatus.CONNECTED)
        assert session.health.detail == "keep-alives are answered again"
        assert device.logins == 1, "the connection is the same"
        sent = whatsapp.phone(BOB).send_text(alice, "still there")
        await event_where(engine, lambda event: event.body.get("message_id") == sent.id)


async def test_a_short_outage_needs_no_restart(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        _, device = await link(engine, whatsapp)
        device.drop()
        await reach(engine, "one", SessionStatus.RECONNECTING, Reason.NETWORK)
        session = await reach(engine, "one", SessionStatus.CONNECTED)
        assert session.health.detail == "connected again"


async def test_a_dead_network_holds_up_neither_others_nor_the_shutdown(
    whatsapp: WhatsAppSimulator, tmp_path: Path
) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        await link(engine, whatsapp)
        await link(engine, whatsapp, "two", OTHER)
        whatsapp.set_network(Network.BLACK_HOLE)
        await engine.restart("one")
        started = trio.current_time()
    assert trio.current_time() - started < 8.0


async def test_nobody_scans(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    whatsapp.world.settings.qr_codes = 1
    workers = msgspec.structs.replace(WATCHFUL, qr_rounds=1)
    async with open_whatsapp_engine(whatsapp, tmp_path, workers=workers) as engine:
        await engine.create_session(id="one", platform="whatsapp")
        await qr_of(engine, "one")
        session = await reach(engine, "one", SessionStatus.DISCONNECTED, Reason.QR_EXPIRED)
        assert session.health.action is Action.SCAN_QR
        assert await engine.pairing("one") is None
