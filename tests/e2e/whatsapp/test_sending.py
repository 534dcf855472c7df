"""Everything that can be sent, as it arrives at the other phone, field by field."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from PIL import Image

from rookery import Engine
from rookery.errors import OutcomeUnknown, Rejected
from rookery_simulator.whatsapp import LinkedDevice, Phone, WhatsAppSimulator
from support.whatsapp_engine import BOB, NUMBER, PATIENCE, QUICK, WATCHFUL, event_where, link, open_whatsapp_engine

CAROL, DAN = "4915100000003", "4915100000004"
STATUS = "status@broadcast"


def picture(form: str = "PNG", size: tuple[int, int] = (320, 200), frames: int = 1) -> bytes:
    file = io.BytesIO()
    first, *others = [Image.new("RGB", size, (20 * number, 128, 128)) for number in range(frames)]
    more: dict[str, Any] = {"save_all": True, "append_images": others, "duration": 50} if others else {}
    first.save(file, form, **more)
    return file.getvalue()


class Chat:
    """Sends from the session to Bob."""

    def __init__(self, engine: Engine, whatsapp: WhatsAppSimulator, alice: Phone, device: LinkedDevice) -> None:
        self.engine = engine
        self.whatsapp = whatsapp
        self.alice = alice
        self.device = device
        self.bob = whatsapp.phone(BOB, "Bob")

    async def send(self, to: str = BOB, **content: Any) -> Any:
        """The protobuf that Bob got."""
        receipt = await self.engine.send("one", to=to, **content)
        return (await self.bob.received.wait_for(lambda each: each.id == receipt.message_id)).message


async def albums(chat: Chat) -> None:
    items = [
        {"type": "image", "data": picture(), "caption": "first"},
        {"type": "photo", "data": picture("JPEG")},
        {"type": "video", "data": b"film", "caption": "@all"},
    ]
    seen = len(chat.bob.received)
    receipt = await chat.engine.send("one", to=BOB, type="album", items=items, mention_all=True, expires_in=86400)
    last = await chat.bob.received.wait_for(lambda each: each.message.HasField("videoMessage"), start=seen)
    album, *parts = list(chat.bob.received)[seen:]
    assert album.id == receipt.message_id
    assert (album.message.albumMessage.expectedImageCount, album.message.albumMessage.expectedVideoCount) == (2, 1)
    assert album.message.albumMessage.contextInfo.expiration == 86400
    assert [part.message.messageContextInfo.messageAssociation.messageIndex for part in parts] == [0, 1, 2]
    for part in parts:
        association = part.message.messageContextInfo.messageAssociation
        assert association.associationType == 1  # MEDIA_ALBUM
        key = association.parentMessageKey
        assert (key.ID, key.fromMe, key.remoteJID) == (album.id, True, f"{BOB}@s.whatsapp.net")
        assert len(part.message.messageContextInfo.messageSecret) == 32
    assert parts[0].message.imageMessage.caption == "first"
    assert parts[0].message.imageMessage.contextInfo.nonJIDMentions == 1
    assert parts[1].message.imageMessage.contextInfo.nonJIDMentions == 0, (
        "an album without a caption mentions no contact"
    )
    assert chat.bob.download(parts[0]) == picture()
    assert last.message.videoMessage.contextInfo.expiration == 86400
    wrong = [{"type": "document", "data": b"a"}, {"type": "image", "data": picture()}]
    with pytest.raises(Rejected, match="pictures and videos, but no document"):
        await chat.engine.send("one", to=BOB, type="album", items=wrong)
    # What was sent of an album is not sent again, so its end is unknown.
    chat.device.next_send_errors.extend([None, None, 500])
    with pytest.raises(OutcomeUnknown, match="1 of the 3 files of the album were sent"):
        await chat.engine.send("one", to=BOB, type="album", items=items)


async def captions(chat: Chat) -> None:
    for kind, data in (("image", picture()), ("video", b"film"), ("document", b"text")):
        sent = await chat.engine.send("one", to=BOB, type=kind, data=data, caption="frist")
        edited = (await chat.send(type="edit", message_id=sent.message_id, caption="first")).editedMessage.message
        protocol = edited.protocolMessage
        assert (protocol.key.ID, protocol.key.fromMe, protocol.type) == (sent.message_id, True, 14)  # MESSAGE_EDIT
        assert protocol.editedMessage.HasField(f"{kind}Message")
        assert getattr(protocol.editedMessage, f"{kind}Message").caption == "first"
    text = await chat.engine.send("one", to=BOB, text="no caption")
    with pytest.raises(Rejected, match="caption: only pictures"):
        await chat.engine.send("one", to=BOB, type="edit", message_id=text.message_id, caption="first")


async def forwards(chat: Chat) -> None:
    file = picture()
    text, photo = chat.bob.send_text(chat.alice, "good news"), chat.bob.send_media(chat.alice, file, caption="look")
    for sent in (text, photo):
        await event_where(chat.engine, lambda event, id=sent.id: event.body.get("message_id") == id)  # type: ignore[misc]
    again = (await chat.send(type="forward", from_chat=BOB, message_id=text.id)).extendedTextMessage
    assert again.text == "good news"
    assert (again.contextInfo.isForwarded, again.contextInfo.forwardingScore) == (True, 1)
    assert again.contextInfo.stanzaID == ""
    shown = await chat.send(type="forward", from_chat=BOB, message_id=photo.id, forwarding_score=5)
    assert (shown.imageMessage.caption, shown.imageMessage.contextInfo.forwardingScore) == ("look", 5)
    sent_at = await chat.engine.send("one", to=BOB, type="copy", from_chat=BOB, message_id=photo.id, caption="mine")
    received = await chat.bob.received.wait_for(lambda each: each.id == sent_at.message_id)
    copied = received.message
    assert copied.imageMessage.caption == "mine"
    assert not copied.imageMessage.contextInfo.isForwarded
    assert chat.bob.download(received) == file
    own = await chat.engine.send("one", to=BOB, text="from here")
    assert (
        await chat.send(type="copy", from_chat=BOB, message_id=own.message_id)
    ).extendedTextMessage.text == "from here"
    with pytest.raises(Rejected, match="not among the last messages"):
        await chat.engine.send("one", to=BOB, type="forward", from_chat=BOB, message_id="NEVER")


async def stickers(chat: Chat) -> None:
    still = (await chat.send(type="sticker", data=picture("JPEG", (800, 300)))).stickerMessage
    assert (still.mimetype, still.width, still.height, still.isAnimated) == ("image/webp", 512, 512, False)
    receipt = await chat.engine.send("one", to=BOB, type="sticker", data=picture("GIF", (100, 100), frames=80))
    moving = await chat.bob.received.wait_for(lambda each: each.id == receipt.message_id)
    assert moving.message.stickerMessage.isAnimated
    with Image.open(io.BytesIO(chat.bob.download(moving))) as shown:
        assert (shown.format, shown.size) == ("WEBP", (512, 512))
        assert 1 < shown.n_frames <= 60  # type: ignore[attr-defined]
    ready = picture("WEBP", (512, 512))
    receipt = await chat.engine.send("one", to=BOB, type="sticker", data=ready)
    kept = await chat.bob.received.wait_for(lambda each: each.id == receipt.message_id)
    assert chat.bob.download(kept) == ready, "a sticker stays as it is"
    with pytest.raises(Rejected, match="no picture that can become a sticker"):
        await chat.engine.send("one", to=BOB, type="sticker", data=b"no picture")


async def lives_and_views(chat: Chat) -> None:
    group = chat.whatsapp.group("Friends", chat.alice, chat.bob)
    context = (await chat.send(str(group.jid), text="@all", mention_all=True)).extendedTextMessage.contextInfo
    assert (context.nonJIDMentions, list(context.mentionedJID)) == (1, [])
    once = await chat.send(type="video", data=b"film", view_once=True, caption="once")
    assert once.viewOnceMessage.message.videoMessage.viewOnce
    assert once.viewOnceMessage.message.videoMessage.caption == "once"
    heard = await chat.send(type="voice", data=b"OggS", view_once=True)
    assert heard.viewOnceMessage.message.audioMessage.viewOnce
    assert heard.viewOnceMessage.message.audioMessage.PTT
    for kind, content in (
        ("location", {"type": "location", "latitude": 1.5, "longitude": 2.5}),
        ("contact", {"type": "contact", "name": "Carol", "phone": "+49 1"}),
        ("pollCreation", {"type": "poll", "question": "Q", "choices": ["a", "b"]}),
    ):
        message = await chat.send(expires_in=604800, **content)
        part = message.pollCreationMessageV3 if kind == "pollCreation" else getattr(message, f"{kind}Message")
        assert part.contextInfo.expiration == 604800, kind
    cards = await chat.send(type="contact", name="Carol", phone="+49 1", contacts=[{"name": "Dan", "phone": "+49 2"}])
    assert cards.contactsArrayMessage.displayName == "2 contacts"
    assert "waid=492:+492" in cards.contactsArrayMessage.contacts[1].vcard


async def previews(chat: Chat) -> None:
    pages: dict[str, bytes] = {}
    async with serving(pages) as url:
        head = "<title>x</title><meta property='og:title' content='Fresh &amp; blue'>"
        head += "<meta name=description content='A parrot'>"
        page = f"<html><head>{head}<meta property='og:image' content='/thumb.png'></head><body>{'x' * 700_000}"
        pages["/page"] = b"text/html; charset=utf-8\r\n\r\n" + page.encode()
        pages["/thumb.png"] = b"image/png\r\n\r\n" + picture(size=(600, 300))
        pages["/bare"] = b"text/html\r\n\r\n<html><body>nothing</body></html>"
        found = (await chat.send(text=f"Look: {url}/page.", link_preview=True)).extendedTextMessage
        assert (found.text, found.matchedText) == (f"Look: {url}/page.", f"{url}/page")
        assert (found.title, found.description) == ("Fresh & blue", "A parrot")
        with Image.open(io.BytesIO(found.JPEGThumbnail)) as thumbnail:
            assert (thumbnail.format, thumbnail.size) == ("JPEG", (300, 150))
        assert (found.thumbnailWidth, found.thumbnailHeight) == (300, 150)
        given = {"url": f"{url}/never", "title": "Mine", "description": "My words", "thumbnail": f"{url}/thumb.png"}
        mine = (await chat.send(text=f"{url}/never", link=given)).extendedTextMessage
        assert (mine.title, mine.description, bool(mine.JPEGThumbnail)) == ("Mine", "My words", True)
        for text in (f"{url}/bare", f"{url}/missing", "no address at all"):
            assert (await chat.send(text=text, link_preview=True)).conversation == text, "it leaves without a preview"
        assert (await chat.send(text=f"{url}/page", link_preview=True, preview=False)).conversation


async def statuses(chat: Chat) -> None:
    carol = chat.whatsapp.phone(CAROL, "Carol")
    chat.alice.status_audience = ("whitelist", (chat.bob.jid,))
    seen = len(carol.received)
    posted = await chat.send(STATUS, text="open until six")
    assert posted.extendedTextMessage.text == "open until six" or posted.conversation == "open until six"
    shown = await chat.send(STATUS, type="image", data=picture(), caption="today")
    assert shown.imageMessage.caption == "today"
    assert (await chat.send(STATUS, type="video", data=b"film")).HasField("videoMessage")
    assert len(carol.received) == seen, "Carol is not in the audience"
    for audience, reached in ((("contacts", ()), {"Bob", "Carol"}), (("blacklist", (chat.bob.jid,)), {"Carol"})):
        chat.alice.status_audience = audience
        phones = {"Bob": chat.bob, "Carol": carol, "Dan": chat.whatsapp.phone(DAN, "Dan")}
        before = {name: len(phone.received) for name, phone in phones.items()}
        posted = await chat.engine.send("one", to=STATUS, text=audience[0])
        for name, phone in phones.items():
            if name in reached:
                await phone.received.wait_for(lambda each, id=posted.message_id: each.id == id, start=before[name])  # type: ignore[misc]
            else:
                # Whatever is sent to one is sent before this.
                after = await chat.engine.send("one", to=phone.number, text="after the status")
                await phone.received.wait_for(lambda each, id=after.message_id: each.id == id, start=before[name])  # type: ignore[misc]
                texts = [phone.received[at].text for at in range(before[name], len(phone.received))]
                assert texts == ["after the status"], f"{name} is not in the audience {audience}"


async def test_what_arrives(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        saved = {whatsapp.phone(BOB, "Bob").jid: "Bob", whatsapp.phone(CAROL, "Carol").jid: "Carol"}
        whatsapp.phone(NUMBER).contacts = saved
        alice, device = await link(engine, whatsapp, settings={"sends_per_second": 0, "sends_per_second_per_chat": 0})
        chat = Chat(engine, whatsapp, alice, device)
        checks: list[Callable[[Chat], Any]] = [
            albums,
            captions,
            forwards,
            stickers,
            lives_and_views,
            previews,
            statuses,
        ]
        for check in checks:
            with trio.fail_after(PATIENCE):
                await check(chat)
        assert list(whatsapp.world.unknown_queries) == []


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed: nothing converts voice notes here")
async def test_voice_notes_are_converted(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    sounds = {}
    for name in ("sound.mp3", "sound.m4a"):
        tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2", str(tmp_path / name)]
        subprocess.run(["ffmpeg", "-v", "error", *tone], check=True)
        sounds[name] = (tmp_path / name).read_bytes()
    playlist = f"#EXTM3U\n#EXTINF:2,\nfile://{tmp_path}/sound.mp3\n".encode()
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        alice, device = await link(engine, whatsapp, settings={"sends_per_second_per_chat": 0})
        chat = Chat(engine, whatsapp, alice, device)
        with trio.fail_after(PATIENCE):
            for name, data in sounds.items():
                receipt = await engine.send("one", to=BOB, type="voice", data=data, filename=name)
                heard = await chat.bob.received.wait_for(lambda each, id=receipt.message_id: each.id == id)  # type: ignore[misc]
                audio = heard.message.audioMessage
                assert (audio.PTT, audio.seconds, audio.mimetype) == (True, 2, "audio/ogg; codecs=opus")
                converted = chat.bob.download(heard)
                assert converted.startswith(b"OggS")
                assert b"OpusHead" in converted[:100]
            for wrong in (b"no sound", playlist):
                with pytest.raises(Rejected, match="ffmpeg cannot convert the sound file"):
                    await engine.send("one", to=BOB, type="voice", data=wrong)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed: nothing converts voice notes here")
async def test_a_voice_note_by_url_does_not_outlast_the_time_of_a_send(
    whatsapp: WhatsAppSimulator, tmp_path: Path
) -> None:
    """A conversion that goes on after its send has ended would deliver a message that counts as failed."""
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=1500:sample_rate=8000", "-c:a", "pcm_u8"]
    subprocess.run(["ffmpeg", "-v", "error", *tone, str(tmp_path / "long.wav")], check=True)
    pages = {"/long.wav": b"audio/wav\r\n\r\n" + (tmp_path / "long.wav").read_bytes()}
    brief = msgspec.structs.replace(QUICK, send_timeout=1.5)
    workers = msgspec.structs.replace(WATCHFUL, allow_private_urls=True)
    async with (
        serving(pages) as url,
        open_whatsapp_engine(whatsapp, tmp_path, settings=brief, workers=workers) as engine,
    ):
        bob = whatsapp.phone(BOB)
        await link(engine, whatsapp, settings={"sends_per_second": 0, "sends_per_second_per_chat": 0})
        with trio.fail_after(PATIENCE):
            began = trio.current_time()
            with pytest.raises(Rejected, match="could not be converted within"):
                await engine.send("one", to=BOB, type="voice", url=f"{url}/long.wav")
            assert trio.current_time() - began < 2.5
            receipt = await engine.send("one", to=BOB, text="instead")
            await bob.received.wait_for(lambda each: each.id == receipt.message_id)
        assert [message.text for message in bob.received if message.message.HasField("audioMessage")] == []


@asynccontextmanager
async def serving(pages: dict[str, bytes]) -> AsyncIterator[str]:
    """A web server; each page begins with its type and an empty line."""

    async def answer(stream: trio.SocketStream) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += await stream.receive_some()
        found = pages.get(received.split()[1].decode())
        if found is None:
            await stream.send_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        with suppress(trio.BrokenResourceError):  # the other side has read enough of the page
            await stream.send_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: " + found)

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        yield f"http://localhost:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()
