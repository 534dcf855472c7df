"""Each failure that ends a connection leads to the specified state and reason, and affects no other session."""

import os
import re
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import trio

from rookery import Engine, Session, SessionStatus
from rookery.model.session import Action, Reason
from rookery_simulator.whatsapp import LinkedDevice, Network, Phone, WhatsAppSimulator
from rookery_whatsapp import WhatsApp, WorkerSettings
from support.storage import LONG
from support.whatsapp_engine import (
    BOB,
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


Trouble = Callable[["Stage"], Awaitable[None]]


class Stage(NamedTuple):
    """One session of many in one engine, and the one who makes trouble for it."""

    engine: Engine
    simulator: WhatsAppSimulator
    id: str
    phone: Phone
    device: LinkedDevice
    directory: Path

    async def reach(self, status: SessionStatus, reason: Reason | None = None) -> Session:
        return await reach(self.engine, self.id, status, reason)

    def key_files(self) -> list[str]:
        return [name for name in os.listdir(self.directory / "whatsapp") if name.startswith(f"{self.id}.db")]


async def unlinked_on_the_phone(stage: Stage) -> None:
    stage.device.remove()
    session = await stage.reach(SessionStatus.DISCONNECTED, Reason.LOGOUT)
    assert session.health.action is Action.SCAN_QR
    while (await stage.engine.get_session(stage.id)).enabled:
        await trio.sleep(0.02)
    assert (await stage.engine.get_session(stage.id)).credentials == {"account": stage.phone.number}
    assert stage.key_files() == []
    await stage.engine.start(stage.id)
    await stage.phone.scan(await qr_of(stage.engine, stage.id))
    await stage.reach(SessionStatus.CONNECTED)


async def logged_out_over_the_api(stage: Stage) -> None:
    session = await stage.engine.logout(stage.id)
    assert not session.enabled
    assert stage.device.removed
    assert not stage.phone.devices
    session = await stage.engine.get_session(stage.id)
    assert session.credentials == {"account": stage.phone.number}
    assert session.health.reason is Reason.LOGOUT
    assert stage.key_files() == []


async def deleted(stage: Stage) -> None:
    report = await stage.engine.delete_session(stage.id)
    assert report.deleted
    assert report.logged_out
    assert stage.device.removed
    assert stage.key_files() == []


async def replaced_by_another_program(stage: Stage) -> None:
    stage.device.replace()
    session = await stage.reach(SessionStatus.RECONNECTING, Reason.CONFLICT)
    assert session.health.action is Action.STOP_OTHER_CLIENT
    assert session.health.next_retry_at is not None
    await stage.engine.retry(stage.id)
    await stage.reach(SessionStatus.CONNECTED)


async def banned_for_a_day(stage: Stage) -> None:
    began = time.time()
    stage.device.ban(code=104, seconds=86_400)
    session = await stage.reach(SessionStatus.DISCONNECTED, Reason.BANNED)
    assert session.health.terminal
    told = re.search(r"until (\S+):", session.health.detail)
    assert told is not None
    assert began + 86_399 <= datetime.fromisoformat(told[1]).timestamp() <= time.time() + 86_400
    assert session.credentials["jid"] == str(stage.device.jid)


def refused(code: int, status: SessionStatus, reason: Reason) -> Trouble:
    async def refuse(stage: Stage) -> None:
        stage.device.refuse(code)
        await stage.reach(status, reason)

    return refuse


async def left_as_a_zombie(stage: Stage) -> None:
    stage.device.stream_error(503, close=False)
    await stage.reach(SessionStatus.RECONNECTING, Reason.SERVER_ERROR)
    await stage.reach(SessionStatus.CONNECTED)
    sent = stage.simulator.phone(BOB).send_text(stage.phone, "alive again")
    await event_where(stage.engine, lambda event: event.body.get("message_id") == sent.id)


async def cut_off_for_a_moment(stage: Stage) -> None:
    """The library calls again by itself; a malformed stanza does not even bother it."""
    stage.device.malformed()
    stage.device.drop()
    await stage.reach(SessionStatus.RECONNECTING, Reason.NETWORK)
    session = await stage.reach(SessionStatus.CONNECTED)
    assert session.health.detail == "connected again"


TROUBLES: dict[str, Trouble] = {
    "unlinked": unlinked_on_the_phone,
    "logout": logged_out_over_the_api,
    "deleted": deleted,
    "replaced": replaced_by_another_program,
    "banned": banned_for_a_day,
    "outdated": refused(405, SessionStatus.DISCONNECTED, Reason.CONFIGURATION),
    "incompatible": refused(409, SessionStatus.DISCONNECTED, Reason.CONFIGURATION),
    "refused": refused(400, SessionStatus.RECONNECTING, Reason.SERVER_ERROR),
    "locked": refused(403, SessionStatus.DISCONNECTED, Reason.TOS_BLOCK),
    "expelled": refused(406, SessionStatus.DISCONNECTED, Reason.BANNED),
    "zombie": left_as_a_zombie,
    "outage": cut_off_for_a_moment,
}


async def test_each_trouble_ends_as_it_must_and_disturbs_nobody(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    """All at once, in two workers, beside two sessions that notice nothing and one whose only QR code is never scanned: the
    library shows it for 20 s."""
    settings = msgspec.structs.replace(QUICK, backoff_conflict=60.0)
    workers = msgspec.structs.replace(WATCHFUL, qr_rounds=1)
    async with open_whatsapp_engine(whatsapp, tmp_path, settings=settings, workers=workers) as engine:
        whatsapp.world.settings.qr_codes = 1
        await engine.create_session(id="nobody", platform="whatsapp")
        await qr_of(engine, "nobody")
        whatsapp.world.settings.qr_codes = 6
        linked: dict[str, tuple[Phone, LinkedDevice]] = {}

        async def link_one(id: str, number: int) -> None:
            linked[id] = await link(engine, whatsapp, id, f"49151000003{number:02}")

        async def run(id: str, trouble: Trouble) -> None:
            with trio.fail_after(PATIENCE):
                await trouble(Stage(engine, whatsapp, id, *linked[id], tmp_path))

        async with trio.open_nursery() as nursery:
            for number, id in enumerate(["calm", *TROUBLES, "quiet"]):
                nursery.start_soon(link_one, id, number)
        async with trio.open_nursery() as nursery:
            for id, trouble in TROUBLES.items():
                nursery.start_soon(run, id, trouble)
        session = await reach(engine, "nobody", SessionStatus.DISCONNECTED, Reason.QR_EXPIRED)
        assert session.health.action is Action.SCAN_QR
        assert await engine.pairing("nobody") is None
        for id in ("calm", "quiet"):
            assert linked[id][1].logins == 1
            assert linked[id][1].is_active
            assert (await engine.get_session(id)).health.status is SessionStatus.CONNECTED
        provider = engine.providers["whatsapp"]
        assert isinstance(provider, WhatsApp)
        assert provider.pool.crashes == 0


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


async def test_the_network_goes_and_comes_back(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    """The library calls again by itself; after `offline` seconds it is restarted, and then the engine's pauses apply."""
    workers = msgspec.structs.replace(WATCHFUL, offline=1.0)
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
            await event_where(engine, lambda event, id=id: event.body.get("message_id") == id)  # type: ignore[misc]
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
        assert session.health.detail == "unanswered keep-alives: 1"
        print(f"\nfound after {trio.current_time() - began:.1f} s")
        whatsapp.set_network(Network.UP)
        with trio.fail_after(KEEP_ALIVE):
            session = await engine.wait_status("one", SessionStatus.CONNECTED)
        assert session.health.detail == "keep-alives are answered again"
        assert device.logins == 1, "the connection is the same"
        sent = whatsapp.phone(BOB).send_text(alice, "still there")
        await event_where(engine, lambda event: event.body.get("message_id") == sent.id)


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


async def test_a_login_that_is_not_answered_after_the_library_called_again(
    whatsapp: WhatsAppSimulator, tmp_path: Path
) -> None:
    """The library still says that it is logged in, from before; the engine knows better."""
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        alice, device = await link(engine, whatsapp)
        device.ignore_logins = True
        device.drop()
        await reach(engine, "one", SessionStatus.RECONNECTING, Reason.NETWORK)
        # The connection that waits for its answer is not replaced.
        await reach(engine, "one", SessionStatus.RECONNECTING, Reason.SERVER_ERROR)
        device.ignore_logins = False
        await reach(engine, "one", SessionStatus.CONNECTED)
        sent = whatsapp.phone(BOB).send_text(alice, "here again")
        await event_where(engine, lambda event: event.body.get("message_id") == sent.id)
