"""The database is away while messages arrive, and the engine ends before it is back: nothing acknowledged is lost."""

from pathlib import Path
from typing import Any

import trio

from rookery_simulator.whatsapp import WhatsAppSimulator
from support.stalling_proxy import Way
from support.whatsapp_engine import BOB, PATIENCE, event_where, events_of, link, open_whatsapp_engine

MESSAGES = 60
AWAY = 6.0
"""Seconds until the stop: shorter than the lease."""


async def test_a_stop_while_the_database_is_away_loses_nothing(
    whatsapp: WhatsAppSimulator, tmp_path: Path, database: dict[str, Any]
) -> None:
    bob = whatsapp.phone(BOB)
    way = Way(database["database_url"])
    async with trio.open_nursery() as nursery:
        await nursery.start(way.serve)
        schema = database["store"].partition("?")[2]
        through = database | {"store": f"{way.url}?{schema}", "database_url": way.url}
        async with open_whatsapp_engine(whatsapp, tmp_path, **through) as engine:
            alice, device = await link(engine, whatsapp)
            sent = [bob.send_text(alice, f"message {number}") for number in range(MESSAGES)]
            await event_where(engine, lambda event: event.body.get("message_id") == sent[3].id)
            way.shut(True)
            await trio.sleep(AWAY)
        way.shut(False)
        async with open_whatsapp_engine(whatsapp, tmp_path, **through) as engine:
            last = bob.send_text(alice, "the last one").id
            await event_where(engine, lambda event: event.body.get("message_id") == last)
            with trio.fail_after(PATIENCE):
                while device.undelivered:
                    await trio.sleep(0.02)
            stored = [event.body["message_id"] for event in await events_of(engine, "one")]
        assert [each.id for each in sent if each.id not in stored] == []
        assert len(stored) == len(set(stored)) == MESSAGES + 1
        nursery.cancel_scope.cancel()
