"""Statuses of other people: events, or not, as the session's settings say."""

from __future__ import annotations

from pathlib import Path

import trio

from rookery_simulator.whatsapp import WhatsAppSimulator
from support.whatsapp_engine import BOB, NUMBER, PATIENCE, event_where, events_of, link, open_whatsapp_engine

CAROL = "4915100000003"


async def test_statuses_become_events_only_where_the_settings_want_them(
    whatsapp: WhatsAppSimulator, tmp_path: Path
) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        alice, alices = await link(engine, whatsapp, "without", NUMBER, settings={"statuses": False})
        carol, carols = await link(engine, whatsapp, "with", CAROL)
        bob = whatsapp.phone(BOB, "Bob")
        first = bob.post_status("open until six", alice, carol)
        second = bob.post_status("closed", alice, carol)
        texts = {"without": bob.send_text(alice, "hello"), "with": bob.send_text(carol, "hello")}
        for session, sent in texts.items():
            await event_where(engine, lambda e, s=session, m=sent: e.session == s and e.key.endswith(m.id))  # type: ignore[misc]
        shown = [(event.chat, event.body["text"]) for event in await events_of(engine, "with")]
        assert shown == [
            ("status@broadcast", "open until six"),
            ("status@broadcast", "closed"),
            (f"{BOB}@s.whatsapp.net", "hello"),
        ]
        status = (await events_of(engine, "with"))[0]
        assert (status.sender, status.body["chat_type"]) == (f"{BOB}@s.whatsapp.net", "status")
        assert [event.body["text"] for event in await events_of(engine, "without")] == ["hello"]
        with trio.fail_after(PATIENCE):  # also what becomes no event is confirmed, so that it does not come again
            for sent in (first, second):
                await sent.receipts.wait_until(2)
            while any(device.undelivered for device in (alices, carols)):
                await trio.sleep(0.01)
