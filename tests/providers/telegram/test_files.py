"""Files over the wire to the simulator: fetched by getFile, and sent from the engine's storage."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from rookery.errors import InvalidInput, NotConnected, NotFound, Rejected
from rookery.model.media import MediaOrigin, MediaState
from rookery.store.open import store_from_url
from rookery_simulator.bot_api.faults import Fault
from rookery_telegram.bot_api.api import BotApi
from rookery_telegram.bot_api.server import BotServer
from support.telegram_engine import QUICK, open_quick_simulator, open_setup

BIG = os.urandom(3_000_000)
BOUND = 30.0


async def test_a_received_file_is_fetched_once() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        engine = setup.engine
        setup.bot.push_document(BIG, "a ☃.pdf", chat_id=7)
        [event] = await setup.events(1)
        assert event.body["kind"] == "document"
        file = await engine.media_of_event(event.id)
        assert (file.size, file.content_type, file.filename) == (len(BIG), "application/pdf", "a ☃.pdf")
        assert (file.origin, file.session, file.event) == (MediaOrigin.INBOUND, "shop", event.id)
        found = await engine.fetch_media(event.id)
        assert (found.data, found.mime_type, found.filename) == (BIG, "application/pdf", "a ☃.pdf")
        assert setup.bot.calls["getfile"] == 1
        with pytest.raises(Rejected, match="are allowed"):
            await engine.fetch_media(event.id, limit=10)
        assert await engine.delete_media(file.id)
        with pytest.raises(Rejected, match="are allowed"):
            await engine.fetch_media(event.id, limit=10)


async def test_a_file_that_is_gone() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        setup.bot.push_message({"document": {"file_id": "nobody knows", "file_unique_id": "x"}}, chat_id=7)
        setup.bot.push_document(bytes(21 * 1024 * 1024), "too-big-for-bots.bin", chat_id=7)
        first, second = await setup.events(2)
        with pytest.raises(Rejected, match="file_id"):
            await setup.engine.media_of_event(first.id)
        with pytest.raises(Rejected, match="too big"):
            await setup.engine.media_of_event(second.id)
        with pytest.raises(NotFound):
            await setup.engine.media_of_event(99)
        with pytest.raises(NotFound):
            await setup.engine.get_media(f"event-{first.id}")


async def test_a_server_in_trouble_may_be_asked_again() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        setup.bot.push_document(b"small", "a.bin", chat_id=7)
        [event] = await setup.events(1)
        simulator.faults.add(Fault(kind="status", status=502, method="getFile", count=1))
        with pytest.raises(NotConnected):
            await setup.engine.media_of_event(event.id)
        assert (await setup.engine.media_of_event(event.id)).size == 5


@pytest.mark.parametrize(
    ("kind", "method", "field"),
    [
        ("image", "sendPhoto", "photo"),
        ("video", "sendVideo", "video"),
        ("audio", "sendAudio", "audio"),
        ("voice", "sendVoice", "voice"),
        ("document", "sendDocument", "document"),
        ("sticker", "sendSticker", "sticker"),
    ],
)
async def test_a_stored_file_is_sent(kind: str, method: str, field: str) -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        file = await setup.engine.store_media(BIG, content_type="image/png", filename='"a" ☃.png')
        caption = {} if kind == "sticker" else {"caption": "look ☃"}
        receipt = await setup.engine.send("shop", to=7, type=kind, media=file.id, **caption)  # type: ignore[arg-type]
        assert receipt.message_id
        [sent] = setup.bot.sent
        assert (sent.method.lower(), sent.chat_id, sent.text) == (method.lower(), 7, caption.get("caption", ""))
        assert sent.files[field][1] == len(BIG)
        assert "☃.png" in sent.files[field][0]


async def test_a_received_file_is_forwarded_before_anybody_fetched_it() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        setup.bot.push_document(BIG, "a.pdf", chat_id=7)
        [event] = await setup.events(1)
        await setup.engine.send("shop", to=8, type="document", media=f"event-{event.id}", filename="b.pdf")
        [sent] = setup.bot.sent
        assert sent.files["document"] == ("b.pdf", len(BIG))


async def test_unknown_media_is_not_sent() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        engine = setup.engine
        file = await engine.store_media(b"short-lived", session="shop")
        for id in ("nothing", "event-7", "../../etc/passwd"):
            with pytest.raises(NotFound, match=r"there is no (media|event)"):
                await engine.send("shop", to=7, type="image", media=id)
        with pytest.raises(InvalidInput, match="exactly one"):
            await engine.send("shop", to=7, type="image", media=file.id, url="https://example.org/a.png")
        await engine.disable("shop")
        await setup.status("DISCONNECTED")  # type: ignore[arg-type]
        await engine.enable("shop")
        message = await engine.submit("shop", to=7, type="image", media=file.id, send_at=setup.engine.now() + 0.3)
        await engine.delete_media(file.id)
        with trio.fail_after(BOUND):
            done = await engine.wait_message(message.id, BOUND)
        assert (done.state, done.error) == ("failed", f"media: the file '{file.id}' is gone")


async def test_a_message_that_waits_keeps_its_file(tmp_path: Path) -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        engine = setup.engine
        file = await engine.store_media(b"for later")
        later = engine.now() + 30 * 86_400.0
        await engine.submit("shop", to=7, type="image", media=file.id, send_at=later)
        assert (await engine.get_media(file.id)).expires_at > later + engine.settings.message_ttl


async def fetched(setup: Any, count: int) -> list[Any]:
    """The news about files, once there is so much."""
    with trio.fail_after(BOUND):
        found = []
        async for event in setup.engine.events(after=0, types=["media.stored", "media.failed"]):
            found.append(event)
            if len(found) == count:
                return found
    raise AssertionError("unreachable")


async def test_files_are_fetched_by_themselves(tmp_path: Path) -> None:
    """Those that are wanted, once, also when the engine was away in between."""
    settings = msgspec.structs.replace(QUICK, media_fetch="document, image", media_fetch_max_size=1_000_000)
    url = f"sqlite:///{tmp_path}/rookery.db"
    async with open_quick_simulator() as simulator:
        async with open_setup(simulator, store=store_from_url(url), settings=settings) as setup:
            setup.bot.push_document(b"wanted", "a.txt", chat_id=7)
            setup.bot.push_document(BIG, "too-large.bin", chat_id=7)
            setup.bot.push_message({"voice": {"file_id": "v", "file_unique_id": "v", "duration": 1}}, chat_id=7)
            setup.bot.push_message({"document": {"file_id": "gone", "file_unique_id": "x"}}, chat_id=8)
            first, second = sorted(await fetched(setup, 2), key=lambda event: event.type, reverse=True)
            assert (first.type, first.chat, first.session) == ("media.stored", "7", "shop")
            assert first.body["file"]["size"] == 6
            assert first.body["error"] is None
            data = [
                piece async for piece in setup.engine.read_media(await setup.engine.get_media(first.body["file"]["id"]))
            ]
            assert data == [b"wanted"]
            assert (second.type, second.chat) == ("media.failed", "8")
            assert "file_id" in second.body["error"]
            failed = await setup.engine.get_media(second.body["file"]["id"])
            assert (failed.state, failed.attempts) == (MediaState.FAILED, 1)
        # Somebody else's engine without the setting receives a file, and another one fetches it later.
        async with open_setup(simulator, store=store_from_url(url), add=False) as setup:
            await setup.connected()
            setup.bot.push_document(b"came meanwhile", "b.txt", chat_id=7)
            await setup.events(7)
            assert setup.bot.calls["getfile"] == 2
        async with open_setup(simulator, store=store_from_url(url), settings=settings, add=False) as setup:
            news = await fetched(setup, 3)
            assert news[2].body["file"]["filename"] == "b.txt"
            setup.bot.push_document(b"the last", "c.txt", chat_id=7)
            news = await fetched(setup, 4)
            assert news[3].body["file"]["filename"] == "c.txt"
            assert setup.bot.calls["getfile"] == 4, "nothing was fetched twice"


def test_the_token_stays_in_here() -> None:
    assert "AAbb" not in repr(BotApi("123:AAbb", BotServer("http://localhost:1", None)))
