"""Sessions are linked by QR code or by a typed code, and come back without either."""

import time
from pathlib import Path

import pytest
import trio

from rookery import SessionStatus
from rookery.errors import InvalidInput, NotConnected
from rookery.model.session import Action, Reason
from rookery_http.output.qr import qr_png, qr_svg, qr_terminal
from rookery_simulator.whatsapp import PairingRefused, WhatsAppSimulator
from support.whatsapp_engine import (
    BOB,
    NUMBER,
    PATIENCE,
    came_back_at_once,
    event_where,
    link,
    open_whatsapp_engine,
    qr_of,
    reach,
)


async def test_a_scanned_code_links_the_session_and_a_restart_needs_none(
    whatsapp: WhatsAppSimulator, tmp_path: Path
) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        await engine.create_session(id="one", platform="whatsapp")
        code = await qr_of(engine, "one")
        waiting = await engine.get_session("one")
        assert waiting.health.reason is Reason.PAIRING
        assert waiting.health.action is Action.SCAN_QR
        assert qr_png(code).startswith(b"\x89PNG")
        assert qr_svg(code).startswith("<svg")
        assert "▄" in qr_terminal(code)
        with trio.fail_after(PATIENCE):
            device = await whatsapp.phone(NUMBER).scan(code)
            session = await reach(engine, "one", SessionStatus.CONNECTED)
        assert session.credentials == {"jid": str(device.jid), "account": NUMBER}
        assert session.health.detail == f"connected as +{NUMBER}"
        assert await engine.pairing("one") is None
    assert device.connection is None
    assert not device.removed
    started = trio.current_time()
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        await reach(engine, "one", SessionStatus.CONNECTED)
        took = trio.current_time() - started
        await came_back_at_once(engine, "one")
        assert device.logins == 2
        print(f"\nconnected again after {took:.2f} s")


async def test_a_code_by_phone_number(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    phone = whatsapp.phone(NUMBER)
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        await engine.create_session(id="one", platform="whatsapp")
        await qr_of(engine, "one")
        with pytest.raises(InvalidInput, match="country code"):
            await engine.request_pairing_code("one", "0151 1234")
        with trio.fail_after(PATIENCE):
            shown = await engine.request_pairing_code("one", f"+{NUMBER}")
            assert shown.kind == "phone"
            assert await engine.pairing("one") == shown
            waiting = await engine.get_session("one")
            assert waiting.health.detail == f"a person has to type the code into the phone +{NUMBER}"
            assert (waiting.health.status, waiting.health.action) == (SessionStatus.CODE_REQUIRED, Action.ENTER_CODE)
            assert shown.expires_at - time.time() > 100
            # Each code has a round of its own: the first one is over.
            again = await engine.request_pairing_code("one", "+49 151 0000 0001")
            assert again.code != shown.code
            assert again.expires_at - time.time() > 100
            assert await engine.pairing("one") == again
            await phone.enter_code(again.code)
            await reach(engine, "one", SessionStatus.CONNECTED)
        said = [each.detail for each in reversed(await engine.history("one"))]
        assert said[-2:] == [f"linked to +{NUMBER}; logging in", f"connected as +{NUMBER}"]
        with pytest.raises(NotConnected):
            await engine.request_pairing_code("one", NUMBER)


@pytest.mark.parametrize("way", ["scan", "type", "unreadable"])
async def test_an_account_that_wants_its_passkey_says_what_helps(
    way: str, whatsapp: WhatsAppSimulator, tmp_path: Path
) -> None:
    phone = whatsapp.phone(NUMBER)
    phone.passkey = "unreadable" if way == "unreadable" else "asked"
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        await engine.create_session(id="one", platform="whatsapp")
        qr = await qr_of(engine, "one")
        with trio.fail_after(PATIENCE):
            code = (await engine.request_pairing_code("one", NUMBER)).code if way == "type" else qr
            with pytest.raises(PairingRefused, match="passkey"):
                await (phone.enter_code(code) if way == "type" else phone.scan(code))
            session = await reach(engine, "one", SessionStatus.DISCONNECTED, Reason.PASSKEY_REQUIRED)
            assert session.health.action is Action.REMOVE_PASSKEY
            assert "Settings > Account > Passkeys" in session.health.detail
            while whatsapp.connections:  # the library would wait for ever
                await trio.sleep(0.01)
            # Its owner removes the passkey; the same session can be linked now.
            phone.passkey = None
            await engine.start("one")
            await phone.scan(await qr_of(engine, "one"))
            await reach(engine, "one", SessionStatus.CONNECTED)


async def test_another_account_is_refused_and_unlinked(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    stranger, friend = whatsapp.phone(BOB), whatsapp.phone("4915100000003")
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        await engine.create_session(id="one", platform="whatsapp", credentials={"account": NUMBER})
        with trio.fail_after(PATIENCE):
            device = await stranger.scan(await qr_of(engine, "one"))
            for number in range(5):
                friend.send_text(stranger, f"nobody else's business {number}")
            session = await reach(engine, "one", SessionStatus.DISCONNECTED, Reason.CONFIGURATION)
            with pytest.raises(NotConnected):
                await engine.request_pairing_code("one", NUMBER)
        assert not [one for one in await engine.read_events() if one.type != "session.status"], (
            "the stranger's messages are not ours to keep"
        )
        assert session.health.action is Action.SCAN_QR
        assert BOB in session.health.detail
        assert session.credentials == {"account": NUMBER}
        assert device.removed
        assert not stranger.devices
        await engine.start("one")
        with trio.fail_after(PATIENCE):
            code = await qr_of(engine, "one")
            with pytest.raises(InvalidInput, match="allow_rebind"):
                await engine.request_pairing_code("one", BOB)
            await whatsapp.phone(NUMBER).scan(code)
            await reach(engine, "one", SessionStatus.CONNECTED)


async def test_another_account_is_taken_when_the_settings_allow_it(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        await link(engine, whatsapp, number=BOB, credentials={"account": NUMBER}, settings={"allow_rebind": True})
        assert (await engine.get_session("one")).credentials["account"] == BOB


async def test_lost_keys_are_an_error_and_no_new_pairing(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        await link(engine, whatsapp)
    for file in (tmp_path / "whatsapp").iterdir():
        file.unlink()
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        session = await reach(engine, "one", SessionStatus.DISCONNECTED, Reason.CONFIGURATION)
        assert "gone" in session.health.detail
        assert session.health.action is Action.SCAN_QR
        # The way out, by hand: log out, start, scan.
        await engine.logout("one")
        await engine.start("one")
        with trio.fail_after(PATIENCE):
            await whatsapp.phone(NUMBER).scan(await qr_of(engine, "one"))
            await reach(engine, "one", SessionStatus.CONNECTED)
        sent = whatsapp.phone(BOB).send_text(whatsapp.phone(NUMBER), "found again")
        await event_where(engine, lambda event: event.body.get("message_id") == sent.id)
