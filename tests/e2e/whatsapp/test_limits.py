"""Accounts that may write only to people they know, recipients that are checked, and the simulator as a process."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest
import trio

from rookery import SessionStatus
from rookery.errors import Rejected
from rookery.model.message import MessageState
from rookery_simulator.whatsapp import WhatsAppSimulator
from rookery_whatsapp.link import limits
from support.whatsapp_engine import BOB, PATIENCE, event_where, link, open_whatsapp_engine


async def test_a_limited_account_says_so_and_its_replies_go_on(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        alice, device = await link(engine, whatsapp)
        bob, carol = whatsapp.phone(BOB, "Bob"), whatsapp.phone("4915100000003", "Carol")
        with trio.fail_after(PATIENCE):
            sent = bob.send_text(alice, "hello")
            await event_where(engine, lambda event: event.body.get("message_id") == sent.id)
            device.send_error = 463
            with pytest.raises(Rejected, match="only to people it knows"):
                await engine.send("one", to=carol.number, text="who are you?")
            life = engine.proof_of_life("one")
            assert life is not None
            assert life.limited_until is not None
            assert life.limited_until > time.time()
            device.send_error = None
            assert (await engine.send("one", to=BOB, text="a reply")).message_id
            failed = await engine.submit("one", to=carol.number, text="again", wait=10)
            assert failed.state is MessageState.FAILED
            assert "463" in (failed.error or "")
            until = life.limited_until
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        with trio.fail_after(PATIENCE):
            await engine.wait_status("one", SessionStatus.CONNECTED)
        life = engine.proof_of_life("one")
        assert life is not None
        assert life.limited_until == until, "a restart does not forget it"


async def test_a_new_account_begins_a_few_chats_a_day_and_leaves_statuses_out(
    whatsapp: WhatsAppSimulator, tmp_path: Path
) -> None:
    bob, carol, dave = (whatsapp.phone(f"491510000000{n}", name) for n, name in ((2, "Bob"), (3, "Carol"), (4, "Dave")))
    settings = {"new_chats_per_day": 1, "statuses": False}
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        alice, _ = await link(engine, whatsapp, settings=settings)
        with trio.fail_after(PATIENCE):
            sent = dave.send_text(alice, "hello")
            await event_where(engine, lambda event: event.body.get("message_id") == sent.id)
            for _ in range(2):
                await engine.send("one", to=bob.number, text="hello")
            with pytest.raises(Rejected, match="has begun 1 chats today"):
                await engine.send("one", to=carol.number, text="hello")
            await engine.send("one", to=dave.number, text="a reply")
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        with trio.fail_after(PATIENCE):
            await engine.wait_status("one", SessionStatus.CONNECTED)
            with pytest.raises(Rejected, match="new_chats_per_day"):
                await engine.send("one", to=carol.number, text="hello")


async def test_messages_to_strangers_wait_where_that_is_set(
    whatsapp: WhatsAppSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PAUSE", 1.0)
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        _, device = await link(engine, whatsapp, settings={"when_limited": "wait"})
        whatsapp.phone(BOB, "Bob")
        with trio.fail_after(PATIENCE):
            device.send_error = 463
            waiting = await engine.submit("one", to=BOB, text="hello")
            while (life := engine.proof_of_life("one")) is None or life.limited_until is None:
                await trio.sleep(0.02)
            device.send_error = None
            done = await engine.wait_message(waiting.id, 20)
            assert done.state in (MessageState.SENT, MessageState.DELIVERED)
            assert life.limited_until is None


async def test_recipients_are_checked_where_that_is_set(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        await link(engine, whatsapp, settings={"check_recipients": True})
        whatsapp.phone(BOB, "Bob")
        with trio.fail_after(PATIENCE):
            with pytest.raises(Rejected, match="has no WhatsApp account"):
                await engine.send("one", to="+49 151 9999 9999", text="hello")
            assert (await engine.send("one", to=BOB, text="hello")).message_id


async def test_the_simulator_is_a_process_of_its_own() -> None:
    commands = "phone 4915100000002 Bob\ntext 4915100000002 4915100000001 hello\nnetwork down\nnonsense\n"
    done = await trio.run_process(
        [sys.executable, "-m", "rookery_simulator", "whatsapp"], stdin=commands.encode(), capture_stdout=True
    )
    first, phone, text, network, wrong = map(json.loads, done.stdout.splitlines())
    assert first["environment"]["HTTPS_PROXY"] == first["proxy"]
    assert phone == {"ok": True, "number": "4915100000002", "name": "Bob", "lid": "10004915100000002@lid"}
    assert text["message_id"]
    assert network == {"ok": True, "network": "down"}
    assert wrong["ok"] is False
