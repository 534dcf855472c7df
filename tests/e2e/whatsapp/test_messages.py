"""Messages of every kind, both ways, through the engine."""

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
import trio
from PIL import Image

from rookery import Engine, Event, EventQuery, MessageState
from rookery.errors import InvalidInput, NotFound, Rejected
from rookery_simulator.whatsapp import LinkedDevice, Phone, WhatsAppSimulator
from rookery_simulator.whatsapp.phone import outgoing
from rookery_simulator.whatsapp.stanza import protobufs
from support.whatsapp_engine import BOB, NUMBER, PATIENCE, event_where, events_of, link, open_whatsapp_engine


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (320, 200), "teal").save(file, "PNG")
    return file.getvalue()


async def message(engine: Engine, id: str) -> Event:
    return await event_where(engine, lambda event: event.key.endswith(f"/{id}"))


async def state(engine: Engine, id: str, wanted: MessageState) -> None:
    with trio.fail_after(PATIENCE):
        while (await engine.get_message(id)).state is not wanted:
            await trio.sleep(0.01)


async def text_both_ways_with_receipts(
    engine: Engine, whatsapp: WhatsAppSimulator, alice: Phone, device: LinkedDevice
) -> None:
    bob = whatsapp.phone(BOB, "Bob")
    with trio.fail_after(PATIENCE):
        sent = bob.send_text(alice, "hello")
        event = await message(engine, sent.id)
        assert event.type == "message"
        assert event.chat == event.sender == f"{BOB}@s.whatsapp.net"
        assert event.body["text"] == "hello"
        assert event.body["kind"] == "text"
        assert event.body["sender"]["lid"] == str(bob.lid)
        assert event.body["sender"]["phone"] == str(bob.jid)
        assert event.body["sender_name"] == "Bob"
        assert event.body["from_me"] is False
        assert event.key == f"{BOB}@s.whatsapp.net/{sent.id}"
        assert event.raw["Message"]["conversation"] == "hello"

        submitted = await engine.submit("one", to=f"+{BOB}", text="hello yourself", reply_to=sent.id)
        received = await bob.next_message()
        assert received.text == "hello yourself"
        context = received.message.extendedTextMessage.contextInfo
        assert context.stanzaID == sent.id
        assert context.quotedMessage.conversation == "hello"
        await state(engine, submitted.id, MessageState.DELIVERED)
        bob.mark_read(received)
        await state(engine, submitted.id, MessageState.READ)
        told = await engine.read_events(EventQuery(types=("message.status",)))
        assert [status.body["state"] for status in told if status.body["id"] == submitted.id] == [
            "sent",
            "delivered",
            "read",
        ]
        assert {status.chat for status in told} == {event.chat}, "the same as of what comes from there"
        done = await engine.get_message(submitted.id)
        assert done.receipt is not None
        assert done.receipt.message_id == received.id
        receipts = await events_of(engine, "one", "receipt")
        assert {event.body["receipt"] for event in receipts} >= {"delivered", "read"}
        # The server names only the hidden address here; the chat is the same one nevertheless.
        assert {event.chat for event in receipts} == {f"{BOB}@s.whatsapp.net"}
        assert {event.body["sender"]["lid"] for event in receipts} == {str(bob.lid)}


async def an_image_both_ways(engine: Engine, whatsapp: WhatsAppSimulator, alice: Phone, device: LinkedDevice) -> None:
    file = picture()
    bob = whatsapp.phone(BOB)
    with trio.fail_after(PATIENCE):
        sent = bob.send_media(alice, file, kind="image", mimetype="image/png", caption="look")
        event = await message(engine, sent.id)
        assert event.body["kind"] == "image"
        assert event.body["text"] == "look"
        assert event.body["media"] == {"mime_type": "image/png", "size": len(file)}
        fetched = await engine.fetch_media(event.id)
        assert fetched.data == file
        assert fetched.mime_type == "image/png"
        with pytest.raises(Rejected, match="bytes"):
            await engine.fetch_media(event.id, limit=10)

        await engine.send("one", to=BOB, type="image", data=file, filename="a.png", caption="mine")
        received = await bob.next_message()
        assert bob.download(received) == file
        image = received.message.imageMessage
        assert (image.width, image.height, image.mimetype, image.caption) == (320, 200, "image/png", "mine")
        assert image.JPEGThumbnail.startswith(b"\xff\xd8")
        text = await message(engine, bob.send_text(alice, "no file").id)
        with pytest.raises(NotFound, match="no media"):
            await engine.fetch_media(text.id)


async def inbound_kinds(engine: Engine, whatsapp: WhatsAppSimulator, alice: Phone, device: LinkedDevice) -> None:
    bob, carol = whatsapp.phone(BOB, "Bob"), whatsapp.phone("4915100000003", "Carol")
    with trio.fail_after(PATIENCE):
        first = bob.send_text(alice, "frist")
        await message(engine, first.id)
        edit = await message(engine, bob.edit(first, "first").id)
        assert (edit.type, edit.body["message_id"], edit.body["text"]) == ("edited_message", first.id, "first")
        deleted = await message(engine, bob.revoke(first).id)
        assert (deleted.type, deleted.body["message_id"]) == ("deleted_message", first.id)

        place = await message(engine, bob.send(alice, outgoing.location(52.5, 13.4, "Berlin")).id)
        assert place.body["kind"] == "location"
        assert place.body["location"]["latitude"] == 52.5
        card = await message(engine, bob.send(alice, outgoing.contact("Carol", carol.number)).id)
        assert card.body["contacts"][0]["name"] == "Carol"
        poll = await message(engine, bob.send(alice, outgoing.poll("Lunch?", ["yes", "no"])).id)
        assert poll.body["poll"] == {"question": "Lunch?", "options": ["yes", "no"], "selectable": 1}
        asked = await engine.send(
            "one", to=BOB, type="poll", question="Dinner?", choices=["soup", "rice"], selectable=2
        )
        to_answer = await bob.received.wait_for(lambda message: message.id == asked.message_id)
        vote = await message(engine, bob.vote(to_answer, "rice").id)
        assert (vote.type, vote.body["message_id"], vote.body["options"]) == (
            "poll_vote",
            asked.message_id,
            ["rice"],
        )
        assert vote.body["option_hashes"] == [hashlib.sha256(b"rice").hexdigest()]
        assert (await message(engine, bob.vote(to_answer).id)).body["options"] == []
        answer = await message(engine, bob.reply(to_answer, "none of both").id)
        assert answer.body["reply_to"] == asked.message_id
        reaction = await message(engine, bob.react(to_answer, "🍜").id)
        assert (reaction.type, reaction.body["message_id"]) == ("reaction", asked.message_id)
        assert reaction.body["emoji"] == "🍜"
        document = await message(
            engine, bob.send_media(alice, b"text", kind="document", mimetype="text/plain", name="a.txt").id
        )
        assert document.body["media"] == {"mime_type": "text/plain", "size": 4, "filename": "a.txt"}

        group = whatsapp.group("Friends", bob, alice, carol)
        await event_where(engine, lambda event: event.type == "group_joined")
        in_group = await message(engine, carol.send_text(group, "to all").id)
        assert in_group.chat == str(group.jid)
        assert in_group.body["text"] == "to all", "the sender's key comes under the same id"
        assert in_group.body["chat_type"] == "group"
        assert in_group.sender == str(carol.jid)
        assert in_group.body["sender"]["lid"] == str(carol.lid)

        bob.type_to(alice)
        typing = await event_where(engine, lambda event: event.type == "chat_presence")
        assert typing.body["state"] == "typing"
        assert typing.chat == typing.sender == f"{BOB}@s.whatsapp.net"
        bob.appear(alice)
        presence = await event_where(engine, lambda event: event.type == "presence")
        assert presence.sender == str(bob.jid)
        assert presence.body["sender"] == {"id": str(bob.jid), "phone": str(bob.jid), "lid": str(bob.lid)}
        from_phone = await message(engine, alice.send_text(bob, "typed on the phone").id)
        assert from_phone.body["from_me"] is True
        assert from_phone.chat == f"{BOB}@s.whatsapp.net"
        assert from_phone.sender == f"{NUMBER}@s.whatsapp.net"


async def a_conversation(engine: Engine, whatsapp: WhatsAppSimulator, alice: Phone, device: LinkedDevice) -> None:
    """Both directions in one order, with an edit, a reaction and a deletion, and unread moved by reading on the phone."""
    dave = whatsapp.phone("4915100000004", "Dave")
    chat = str(dave.jid)
    with trio.fail_after(PATIENCE):
        first = dave.send_text(alice, "helo")
        await message(engine, first.id)
        await message(engine, dave.edit(first, "hello").id)
        gone = dave.send_text(alice, "wrong chat")
        await message(engine, gone.id)
        await message(engine, dave.revoke(gone).id)
        receipt = await engine.send("one", to=dave.number, text="hello Dave")
        seen = await dave.received.wait_for(lambda one: one.id == receipt.message_id)
        await message(engine, dave.react(seen, "👍").id)
        own = await message(engine, alice.send_text(dave, "from the phone").id)
        assert own.body["from_me"]
        shown = list(reversed(await engine.chat_messages("one", chat)))
        assert [(one.direction, one.text) for one in shown] == [
            ("in", "hello"),
            ("in", None),
            ("out", "hello Dave"),
            ("out", "from the phone"),
        ]
        assert shown[0].edited_at is not None
        assert shown[1].deleted_at is not None
        assert [one["emoji"] for one in shown[2].reactions] == ["👍"]
        assert shown[2].state in ("sent", "delivered", "read")
        found = next(one for one in await engine.chats("one") if one.chat == chat)
        assert (found.name, found.kind, found.unread) == ("Dave", "private", 2)


async def test_outbound_kinds(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        alice, _ = await link(engine, whatsapp, settings={"sends_per_second": 0, "sends_per_second_per_chat": 0})
        bob = whatsapp.phone(BOB)

        async def send(**content: Any) -> Any:
            receipt = await engine.send("one", to=BOB, **content)
            if content["type"] == "typing":
                return None
            received = await bob.received.wait_for(lambda message: message.id == receipt.message_id)
            return received.message

        with trio.fail_after(PATIENCE):
            first = bob.send_text(alice, "react to me")
            await message(engine, first.id)
            assert (await send(type="location", latitude=1.5, longitude=2.5)).locationMessage.degreesLatitude == 1.5
            assert (await send(type="contact", name="Carol", phone="+49 1")).contactMessage.displayName == "Carol"
            document = await send(type="document", data=b"text", filename="a.txt")
            assert document.documentMessage.fileName == "a.txt"
            assert document.documentMessage.mimetype == "text/plain"
            assert (await send(type="voice", data=b"OggS")).audioMessage.PTT
            assert (await send(type="video", data=b"film", caption="see")).videoMessage.caption == "see"
            assert (await send(type="sticker", data=b"RIFF")).stickerMessage.mimetype == "image/webp"
            poll = (await send(type="poll", question="Lunch?", choices=["yes", "no"])).pollCreationMessageV3
            assert (poll.name, [option.optionName for option in poll.options]) == ("Lunch?", ["yes", "no"])
            await engine.send("one", to=BOB, type="read", message_id=first.id)
            await first.receipt("read")
            reaction = await send(type="reaction", message_id=first.id, emoji="👍")
            assert reaction.reactionMessage.text == "👍"
            assert reaction.reactionMessage.key.fromMe is False
            text = await engine.send("one", to=BOB, text="tpyo")
            edited = (await send(type="edit", message_id=text.message_id, text="typo")).editedMessage.message
            assert text.message_id == edited.protocolMessage.key.ID
            assert edited.protocolMessage.editedMessage.conversation == "typo"
            revoked = (await send(type="delete", message_id=text.message_id)).protocolMessage
            assert (revoked.key.ID, revoked.key.fromMe) == (text.message_id, True)
            await send(type="typing")
            await bob.chat_states.wait_for(lambda node: node.child("composing") is not None)

            group = whatsapp.group("Friends", bob, alice)
            await engine.send("one", to=str(group.jid), text="to all")
            received = await bob.received.wait_for(lambda message: message.text == "to all")
            assert received.chat == group.jid
            with pytest.raises(Rejected, match="neither a phone number"):
                await engine.send("one", to="nobody", text="hi")
            with pytest.raises(Rejected, match="no LID found"):
                await engine.send("one", to="4915100000099", text="hi")


async def test_options_of_messages(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        alice, _ = await link(engine, whatsapp, settings={"sends_per_second": 0, "sends_per_second_per_chat": 0})
        bob = whatsapp.phone(BOB)
        group = whatsapp.group("Friends", alice, bob)

        async def send(to: str = BOB, **content: Any) -> Any:
            receipt = await engine.send("one", to=to, **content)
            return (await bob.received.wait_for(lambda message: message.id == receipt.message_id)).message

        with trio.fail_after(PATIENCE):
            text = await send(str(group.jid), text="@all", mention_all=True, mentions=[BOB])
            context = text.extendedTextMessage.contextInfo
            assert (context.nonJIDMentions, list(context.mentionedJID)) == (1, [str(bob.jid)])
            once = await send(type="image", data=picture(), options={"view_once": True})
            assert once.viewOnceMessage.message.imageMessage.viewOnce
            fading = await send(text="fading", options={"expires_in": 86400, "forwarding_score": 2})
            assert fading.extendedTextMessage.contextInfo.expiration == 86400
            assert fading.extendedTextMessage.contextInfo.forwardingScore == 2
            assert (await send(type="video", data=b"film", options={"gif": True})).videoMessage.gifPlayback
            note = await send(type="video", data=b"film", options={"video_note": True})
            assert note.HasField("ptvMessage")
            cards = await send(
                type="contact", name="Carol", phone="+49 1", options={"contacts": [{"name": "Dan", "phone": "+49 2"}]}
            )
            assert [card.displayName for card in cards.contactsArrayMessage.contacts] == ["Carol", "Dan"]
            linked = await send(
                text="see https://a.example", options={"link": {"url": "https://a.example", "title": "A"}}
            )
            assert linked.extendedTextMessage.title == "A"
            sticker = await send(type="sticker", data=picture())
            assert sticker.stickerMessage.mimetype == "image/webp"
            with pytest.raises(InvalidInput, match="view_once"):
                await engine.send("one", to=BOB, text="hi", view_once=True)
            with pytest.raises(InvalidInput, match="did you mean mentions"):
                await engine.send("one", to=BOB, text="hi", mention=[BOB])
            assert (await send(type="animation", data=b"film")).videoMessage.gifPlayback
            assert (await send(type="video_note", data=b"film")).HasField("ptvMessage")
            written = await engine.send("one", to=BOB, text="keep this")
            pinned = await send(type="pin", message_id=written.message_id)
            assert (pinned.pinInChatMessage.key.ID, pinned.pinInChatMessage.type) == (written.message_id, 1)
            with pytest.raises(Rejected, match="sticker"):
                await engine.send("one", to=BOB, type="sticker", data=b"no picture")
            with pytest.raises(Rejected, match="ffmpeg"):
                await engine.send("one", to=BOB, type="voice", data=b"ID3 no sound")
            channel = whatsapp.channel("News", owner=alice)
            await engine.send("one", to=str(channel.jid), text="first")
            post = await channel.posts.wait_for()
            assert post.child("plaintext") is not None
            await engine.send("one", to=str(channel.jid), type="image", data=picture(), caption="look")
            shown = (await channel.posts.wait_for(start=1)).require("plaintext").data
            image = protobufs.messages().Message.FromString(shown).imageMessage
            assert (image.caption, image.mediaKey) == ("look", b"")
            own = {"phone": f"+{NUMBER}", "lid": str(alice.lid), "name": alice.name}
            while (life := engine.proof_of_life("one")) is None or life.account != own:
                await trio.sleep(0.02)


async def test_messages_during_an_absence_arrive_once(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    bob = whatsapp.phone(BOB)
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        alice, _ = await link(engine, whatsapp)
        before = [bob.send_text(alice, f"before {n}") for n in range(20)]
        await message(engine, before[-1].id)
    meanwhile = [bob.send_text(alice, f"meanwhile {n}") for n in range(20)]
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        with trio.fail_after(PATIENCE):
            for sent in before + meanwhile:
                await message(engine, sent.id)
        keys = [event.key for event in await events_of(engine, "one")]
        assert len(keys) == len(set(keys)) == 40


async def presence_and_probes(engine: Engine, whatsapp: WhatsAppSimulator, alice: Phone, device: LinkedDevice) -> None:
    with trio.fail_after(PATIENCE):
        await device.presences.wait_for(lambda node: node.get("type") == "available")
        (result,) = await engine.check_now(["one"])
        # It belongs to one connection: whoever connects again has to say it again.
        said = len(device.presences)
        device.drop()
        await device.presences.wait_for(lambda node: node.get("type") == "available", start=said)
    assert result.ok, result.error
    assert result.kind == "deep"


async def test_a_linked_session(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        alice, device = await link(engine, whatsapp, settings={"presence": "available"})
        for check in (
            text_both_ways_with_receipts,
            an_image_both_ways,
            inbound_kinds,
            a_conversation,
            presence_and_probes,
        ):
            await check(engine, whatsapp, alice, device)
