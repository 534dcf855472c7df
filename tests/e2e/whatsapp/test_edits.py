"""Content that newer phones encrypt under the secret of an earlier message: edits, reactions, comments, answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from rookery import Engine, Event
from rookery_simulator.whatsapp import WhatsAppSimulator
from rookery_simulator.whatsapp.phone import outgoing
from rookery_simulator.whatsapp.phone.records import SentMessage
from rookery_simulator.whatsapp.stanza import protobufs
from store.backends import PostgresBackend
from support.whatsapp_edits import MESSAGE_EDIT, POLL_EDIT, edited, sealed
from support.whatsapp_engine import BOB, PATIENCE, event_where, link, open_whatsapp_engine


async def message(engine: Engine, id: str) -> Event:
    return await event_where(engine, lambda event: event.key.endswith(f"/{id}"))


async def check(engine: Engine, whatsapp: WhatsAppSimulator) -> None:
    alice, _ = await link(engine, whatsapp)
    bob = whatsapp.phone(BOB, "Bob")

    async def edit(original: SentMessage, use: str = "Message Edit", kind: int = MESSAGE_EDIT, **content: Any) -> Event:
        draft = sealed(original, bob, edited(original, bob, **content), use, kind, "secretEncryptedMessage")
        found = await message(engine, bob.send(alice, draft).id)
        assert found.type == "edited_message"
        assert found.body["message_id"] == original.id
        assert found.body["encrypted"] is True
        assert found.body["sender"]["phone"] == str(bob.jid)
        return found

    with trio.fail_after(PATIENCE):
        text = bob.send(alice, outgoing.with_secret(outgoing.text("tpyo")))
        await message(engine, text.id)
        first = await edit(text, conversation="typo")
        assert (first.body["kind"], first.body["text"]) == ("text", "typo")
        assert (await edit(text, extendedTextMessage__text="typos")).body["text"] == "typos"

        draft = bob.world.media
        assert draft is not None
        picture = outgoing.with_secret(outgoing.location(1.0, 2.0))
        picture.message.imageMessage.directPath = "/v/x"
        picture.message.ClearField("locationMessage")
        shown = bob.send(alice, picture)
        await message(engine, shown.id)
        caption = await edit(shown, imageMessage__caption="better")
        assert (caption.body["kind"], caption.body["text"]) == ("image", "better")
        assert "media" not in caption.body

        poll = bob.send(alice, outgoing.poll("Lnuch?", ["yes", "no"]))
        await message(engine, poll.id)
        asked = await edit(poll, "Poll Edit", POLL_EDIT, pollCreationMessageV3__name="Lunch?")
        assert (asked.body["kind"], asked.body["text"]) == ("poll", "Lunch?")

        schema = protobufs.messages()
        reaction = schema.ReactionMessage(text="🍜")
        seen = await message(
            engine, bob.send(alice, sealed(text, bob, reaction, "Enc Reaction", 0, "encReactionMessage")).id
        )
        assert (seen.type, seen.body["message_id"], seen.body["emoji"]) == ("reaction", text.id, "🍜")
        comment = schema.Message(conversation="well said")
        said = await message(
            engine, bob.send(alice, sealed(text, bob, comment, "Enc Comment", 0, "encCommentMessage")).id
        )
        assert (said.body["kind"], said.body["text"], said.body["target"]) == ("comment", "well said", text.id)
        answer = schema.EventResponseMessage(response=1, extraGuestCount=2)
        going = await message(
            engine, bob.send(alice, sealed(text, bob, answer, "Event Response", 0, "encEventResponseMessage")).id
        )
        assert (going.type, going.body["answer"], going.body["guests"]) == ("event_response", "going", 2)

        # An original that this device never had.
        stranger = SentMessage("NEVER-SEEN", alice.lid, outgoing.with_secret(outgoing.text("?")))
        unread = await edit(stranger, conversation="secret")
        assert unread.body["kind"] == "undecryptable"
        assert unread.body["undecryptable"] == "the original message is not known here"
        # Encrypted under another secret.
        text.draft.message.messageContextInfo.messageSecret = b"x" * 32
        wrong = await edit(text, conversation="forged")
        assert (wrong.body["kind"], wrong.body["text"]) == ("undecryptable", "")
        assert "does not decrypt it" in wrong.body["undecryptable"]

        # What this session sent and its phone edits.
        receipt = await engine.send("one", to=BOB, text="from here")
        received = await bob.received.wait_for(lambda each: each.id == receipt.message_id)
        assert len(received.message.messageContextInfo.messageSecret) == 32
        own = SentMessage(receipt.message_id, bob.lid, outgoing.Draft(received.message))
        draft_of_phone = sealed(
            own,
            alice,
            edited(own, alice, conversation="from the phone"),
            "Message Edit",
            MESSAGE_EDIT,
            "secretEncryptedMessage",
        )
        mine = await message(engine, alice.send(bob, draft_of_phone).id)
        assert (mine.body["text"], mine.body["from_me"]) == ("from the phone", True)


async def test_encrypted_edits_are_read(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        await check(engine, whatsapp)


async def test_encrypted_edits_are_read_from_postgresql(
    whatsapp: WhatsAppSimulator, tmp_path: Path, postgres: PostgresBackend, postgres_url: str
) -> None:
    from rookery_whatsapp.device import secrets

    assert secrets.decrypt(b"", b"", secret=b"", message_id="", authors=[""], editors=[""], uses=["x"]) is None
    async with open_whatsapp_engine(
        whatsapp,
        tmp_path,
        store=f"{postgres_url}{'&' if '?' in postgres_url else '?'}schema={postgres.schema}",
        secret_key="0" * 64,
        database_url=postgres_url,
        schema=f"{postgres.schema}_wa",
    ) as engine:
        await check(engine, whatsapp)


@pytest.mark.parametrize(
    ("form", "expected"),
    [("+49 151 0000 0002", True), (BOB, True), (f"{BOB}@c.us", True), (f"10{BOB[:2]}", False)],
)
async def test_a_chat_is_found_under_each_of_its_names(
    whatsapp: WhatsAppSimulator, tmp_path: Path, form: str, expected: bool
) -> None:
    from rookery import EventQuery
    from rookery.model.message import MessageQuery

    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        alice, _ = await link(engine, whatsapp)
        bob = whatsapp.phone(BOB, "Bob")
        with trio.fail_after(PATIENCE):
            sent = bob.send_text(alice, "hi")
            await message(engine, sent.id)
            submitted = await engine.submit("one", to="+49 151 0000 0002", text="hello")
            assert submitted.to == str(bob.jid)
            for name in (form, str(bob.lid)) if expected else (form,):
                events = await engine.read_events(EventQuery(session="one", chat=name, types=("message",)))
                assert [event.body["text"] for event in events] == (["hi"] if expected else [])
                sends = await engine.list_messages(MessageQuery(session="one", chat=name))
                assert [each.id for _, each in sends] == ([submitted.id] if expected else [])
            hook = await engine.create_webhook(url="https://example.org/x", session="one", chats=[form])
            assert (str(bob.jid) in (hook.chats or ())) is expected
