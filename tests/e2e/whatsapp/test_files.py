"""Files through the engine's storage, both ways, with the real library."""

import os
from pathlib import Path

import msgspec
import pytest
import trio

from rookery.errors import MediaExpired, NotConnected
from rookery_simulator.whatsapp import WhatsAppSimulator
from support.whatsapp_engine import BOB, PATIENCE, QUICK, event_where, link, open_whatsapp_engine


async def test_a_file_that_whatsapp_has_deleted_is_expired(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    """What failed on the way may be asked for again, and is never said to be gone."""
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        alice, _ = await link(engine, whatsapp)
        sent = whatsapp.phone(BOB).send_media(alice, b"picture" * 50)
        with trio.fail_after(PATIENCE):
            event = await event_where(engine, lambda event: event.body.get("message_id") == sent.id)
            for status in (500, 503):
                whatsapp.world.media.status = status
                with pytest.raises(NotConnected):
                    await engine.fetch_media(event.id)
            for status in (403, 404, 410):
                whatsapp.world.media.status = status
                with pytest.raises(MediaExpired, match="expired"):
                    await engine.fetch_media(event.id)
            whatsapp.world.media.status = None
            assert (await engine.fetch_media(event.id)).data == b"picture" * 50


async def test_stored_files_both_ways(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    """Sent from the engine's storage, fetched into it without being asked, and forwarded from there."""
    file = os.urandom(3_000_000)
    settings = msgspec.structs.replace(QUICK, media_fetch="document")
    async with open_whatsapp_engine(whatsapp, tmp_path, settings=settings) as engine:
        alice, _ = await link(engine, whatsapp)
        bob = whatsapp.phone(BOB)
        with trio.fail_after(PATIENCE):
            stored = await engine.store_media(file, content_type="application/pdf", filename="a ☃.pdf")
            await engine.send("one", to=BOB, type="document", media=stored.id, caption="mine")
            received = await bob.next_message()
            document = received.message.documentMessage
            assert bob.download(received) == file
            assert (document.mimetype, document.fileName) == ("application/pdf", "a ☃.pdf")

            sent = bob.send_media(alice, file, kind="document", mimetype="text/plain", name="b.txt")
            news = await event_where(engine, lambda event: event.type == "media.stored")
            assert (news.body["message_id"], news.chat) == (sent.id, f"{BOB}@s.whatsapp.net")
            mine = await engine.get_media(news.body["file"]["id"])
            assert (mine.sha256, mine.filename) == (stored.sha256, "b.txt")
            await engine.send("one", to=BOB, type="document", media=mine.id)
            assert bob.download(await bob.next_message()) == file
