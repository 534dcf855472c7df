"""Events that the engine cannot take at once: refused by a defect, or left in the file of an earlier worker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trio

from rookery import SessionStatus
from rookery.model.event import NewEvent
from rookery.session.inbox import SessionInbox
from rookery_simulator.whatsapp import WhatsAppSimulator
from rookery_simulator.whatsapp.phone import outgoing
from rookery_simulator.whatsapp.simulator import Network
from rookery_whatsapp.link.receiving import ATTEMPTS, Receiver
from support.whatsapp_edits import MESSAGE_EDIT, edited, sealed
from support.whatsapp_engine import BOB, PATIENCE, event_where, link, open_whatsapp_engine, reach


async def test_an_event_that_a_defect_refuses_does_not_hold_up_the_session(
    whatsapp: WhatsAppSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    commit, attempts = SessionInbox.commit, 0

    async def defective(inbox: SessionInbox, events: Sequence[NewEvent], cursor: str | None) -> None:
        nonlocal attempts
        if any(event.type == "message" and b"poison" in event.body for event in events):
            attempts += 1
            raise TypeError("a defect of the engine")
        await commit(inbox, events, cursor)

    monkeypatch.setattr(SessionInbox, "commit", defective)
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        alice, _ = await link(engine, whatsapp)
        bob = whatsapp.phone(BOB, "Bob")
        bob.send_text(alice, "poison")
        last = bob.send_text(alice, "after it")
        refused = await event_where(engine, lambda event: event.type == "unknown")
        assert refused.body == {"kind": "message", "reason": "TypeError: a defect of the engine"}
        assert refused.raw["Message"]["conversation"] == "poison", "what came is kept"
        await event_where(engine, lambda event: event.body.get("message_id") == last.id)
        assert attempts == ATTEMPTS
        assert "an event cannot be stored" in caplog.text
        await reach(engine, "one", SessionStatus.CONNECTED)
    assert list(tmp_path.rglob("*.events")) == []


async def test_an_encrypted_edit_that_a_worker_left_is_opened_before_there_is_a_connection(
    whatsapp: WhatsAppSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = whatsapp.phone(BOB, "Bob")
    with monkeypatch.context() as patch:
        async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
            alice, _ = await link(engine, whatsapp)
            text = bob.send(alice, outgoing.with_secret(outgoing.text("tpyo")))
            await event_where(engine, lambda event: event.key.endswith(f"/{text.id}"))
            came = trio.Event()

            async def stuck(receiver: Receiver, port: Any, frame: Any) -> None:
                came.set()
                await trio.sleep_forever()

            patch.setattr(Receiver, "store", stuck)
            content = edited(text, bob, conversation="typo")
            draft = sealed(text, bob, content, "Message Edit", MESSAGE_EDIT, "secretEncryptedMessage")
            edit = bob.send(alice, draft)
            with trio.fail_after(PATIENCE):
                await came.wait()
    assert len(list(tmp_path.rglob("*.events"))) == 1
    whatsapp.set_network(Network.DOWN)
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        found = await event_where(engine, lambda event: event.key.endswith(f"/{edit.id}"))
        assert (found.type, found.body["text"]) == ("edited_message", "typo")
        assert (await engine.get_session("one")).health.status is not SessionStatus.CONNECTED
