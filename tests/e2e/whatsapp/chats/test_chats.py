"""What happens to a message later, in the view of its chat: votes, reactions, edits."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from rookery import Engine, SessionStatus
from rookery.errors import Rejected
from rookery.model.chat import ChatMessage
from rookery_simulator.whatsapp import WhatsAppSimulator
from rookery_simulator.whatsapp.phone import outgoing
from rookery_simulator.whatsapp.phone.records import ReceivedMessage, SentMessage
from support.whatsapp_edits import MESSAGE_EDIT, POLL_EDIT, edited, sealed
from support.whatsapp_engine import BOB, NUMBER, PATIENCE, event_where, link, open_whatsapp_engine


async def shown(engine: Engine, chat: str) -> dict[str, ChatMessage]:
    return {str(one.message_id): one for one in await engine.chat_messages("one", chat)}


async def test_a_chat_shows_what_became_of_its_messages(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    bob, alice = whatsapp.phone(BOB, "Bob"), whatsapp.phone(NUMBER)
    chat = str(bob.jid)

    async def arrived(engine: Engine, sent: SentMessage) -> None:
        await event_where(engine, lambda event: event.key.endswith(f"/{sent.id}"))

    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        await link(engine, whatsapp)
        with trio.fail_after(PATIENCE):
            text = bob.send(alice, outgoing.with_secret(outgoing.text("tpyo")))
            poll = bob.send(alice, outgoing.poll("Lnuch?", ["soup", "salad"]))
            await arrived(engine, poll)
            ours = await engine.send("one", to=BOB, type="poll", question="When?", choices=["noon", "one"])
            asked = await bob.received.wait_for(lambda each: each.id == ours.message_id)
            await arrived(engine, bob.vote(asked, "noon"))

            # A vote of our own, changed, and one for an answer that the poll does not have.
            await engine.send("one", to=BOB, type="vote", message_id=poll.id, choices=("soup",))
            await engine.send("one", to=BOB, type="vote", message_id=poll.id, choices=("salad",))
            await bob.received.wait_for(lambda each: _is_vote(each) and bob.read_vote(each) == ["salad"])
            assert [bob.read_vote(each) for each in bob.received if _is_vote(each)] == [["soup"], ["salad"]]
            with pytest.raises(Rejected, match="it has 'soup', 'salad'"):
                await engine.send("one", to=BOB, type="vote", message_id=poll.id, choices=("pizza",))

    # After a restart the answers of polls and the texts of quotes come from the log.
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        with trio.fail_after(PATIENCE):
            await engine.wait_status("one", SessionStatus.CONNECTED)
            await arrived(engine, bob.vote(asked, "one"))
            await engine.send("one", to=BOB, text="read this", reply_to=text.id)
            reply = await bob.received.wait_for(lambda each: each.text == "read this")
            context = reply.message.extendedTextMessage.contextInfo
            assert (context.quotedMessage.conversation, context.participant) == ("tpyo", chat)

            bob.react(asked, "\U0001f35c")
            content = edited(text, bob, conversation="typo")
            await arrived(
                engine,
                bob.send(alice, sealed(text, bob, content, "Message Edit", MESSAGE_EDIT, "secretEncryptedMessage")),
            )
            content = edited(poll, bob, pollCreationMessageV3__name="Lunch?")
            await arrived(
                engine, bob.send(alice, sealed(poll, bob, content, "Poll Edit", POLL_EDIT, "secretEncryptedMessage"))
            )
            messages = await shown(engine, chat)
            assert messages[text.id].text == "typo"
            assert messages[text.id].edited_at is not None
            assert messages[poll.id].text == "Lunch?"
            assert [(one["sender"], one["options"]) for one in messages[poll.id].votes] == [(None, ["salad"])]
            assert [(one["sender"], one["options"]) for one in messages[ours.message_id].votes] == [(chat, ["one"])]
            assert [one["emoji"] for one in messages[ours.message_id].reactions] == ["\U0001f35c"]
            assert not {one.type for one in messages.values()} & {"vote", "poll_vote"}, "they are about others"

            # An edit that cannot be read leaves the text as it was, and is reported.
            text.draft.message.messageContextInfo.messageSecret = b"x" * 32
            content = edited(text, bob, conversation="forged")
            await arrived(
                engine,
                bob.send(alice, sealed(text, bob, content, "Message Edit", MESSAGE_EDIT, "secretEncryptedMessage")),
            )
            after = (await shown(engine, chat))[text.id]
            assert after.text == "typo"
            assert after.content is not None
            assert "does not decrypt it" in after.content["undecryptable"]


def _is_vote(each: ReceivedMessage) -> bool:
    return bool(each.message.HasField("pollUpdateMessage"))
