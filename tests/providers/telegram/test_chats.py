"""One conversation of a bot, both directions, with what happened to its messages since."""

from __future__ import annotations

import time
from typing import Any

from rookery.model.chat import ChatMessage
from rookery_simulator import open_bot_api_simulator
from support.telegram_engine import DEADLINE, Setup, open_setup
from support.waiting import until_found

NOW = int(time.time())
PERSON = {"id": 7, "type": "private", "first_name": "Ann"}


async def conversation(setup: Setup, count: int) -> list[ChatMessage]:
    """The messages, the oldest first, once there are so many."""
    found = await until_found(
        lambda: setup.engine.chat_messages("shop", "7"), lambda found: len(found) >= count, seconds=DEADLINE
    )
    return list(reversed(found))


async def update(setup: Setup, count: int, partial: dict[str, Any]) -> None:
    """Push an update and wait until there are so many events of the bot."""
    setup.bot.push_update(partial)
    await until_found(
        setup.engine.read_events,
        lambda events: len([one for one in events if one.type != "session.status"]) >= count,
        seconds=DEADLINE,
    )


async def test_a_conversation_with_an_edit_a_reaction_and_a_deletion() -> None:
    async with open_bot_api_simulator() as simulator, open_setup(simulator) as setup:
        await setup.connected()
        person = {"id": 7, "is_bot": False, "first_name": "Ann"}
        asked = {"message_id": 100, "date": NOW - 100, "chat": PERSON, "from": person, "text": "Is it payed?"}
        await update(setup, 1, {"message": asked})
        answer = await setup.engine.send("shop", to="7", text="It is payd.")
        mistake = await setup.engine.send("shop", to="7", text="and this is for somebody else")
        await update(setup, 2, {"edited_message": asked | {"edit_date": NOW - 40, "text": "Is it paid?"}})
        reaction = {"type": "emoji", "emoji": "👍"}
        about = {"chat": PERSON, "date": NOW - 10, "message_id": int(answer.message_id), "user": person}
        await update(setup, 3, {"message_reaction": about | {"old_reaction": [], "new_reaction": [reaction]}})
        await setup.engine.send("shop", to="7", type="edit", message_id=answer.message_id, text="It is paid.")
        await setup.engine.send("shop", to="7", type="delete", message_id=mistake.message_id)

        first, second, third = await conversation(setup, 3)
        assert (first.direction, first.text, first.sender_name, first.state) == ("in", "Is it paid?", "Ann", None)
        assert first.edited_at == NOW - 40
        assert (second.direction, second.text, second.state) == ("out", "It is paid.", "sent")
        assert second.edited_at is not None
        assert [(one["sender"], one["emoji"]) for one in second.reactions] == [("7", "👍")]
        assert (third.direction, third.text, third.content) == ("out", None, None)
        assert third.deleted_at is not None

        [chat] = await setup.engine.chats("shop")
        assert (chat.chat, chat.name, chat.kind, chat.unread) == ("7", "Ann", "private", 1)
        assert chat.last is not None
        assert chat.last.send is not None

        await update(setup, 4, {"message_reaction": about | {"old_reaction": [reaction], "new_reaction": []}})
        assert [one.reactions for one in await conversation(setup, 3)] == [(), (), ()]


async def test_a_group_has_its_title_and_files_have_links() -> None:
    async with open_bot_api_simulator() as simulator, open_setup(simulator) as setup:
        await setup.connected()
        group = {"id": -100, "type": "supergroup", "title": "The shop"}
        person = {"id": 7, "is_bot": False, "first_name": "Ann"}
        photo = [{"file_id": "f1", "file_unique_id": "u1", "width": 9, "height": 9, "file_size": 5}]
        message = {
            "message_id": 5,
            "date": NOW - 100,
            "chat": group,
            "from": person,
            "caption": "look",
            "photo": photo,
        }
        await update(setup, 1, {"message": message})
        [chat] = await setup.engine.chats("shop", q="SHOP")
        assert (chat.chat, chat.name, chat.kind) == ("-100", "The shop", "supergroup")
        assert chat.last is not None
        assert (chat.last.type, chat.last.text) == ("photo", "look")
        assert chat.last.media is not None
        assert chat.last.media["href"] == f"/v1/events/{chat.last.event}/media"
        assert await setup.engine.chats("shop", q="nothing") == []


async def test_an_erased_chat_is_gone_and_begins_anew() -> None:
    async with open_bot_api_simulator() as simulator, open_setup(simulator) as setup:
        await setup.connected()
        setup.bot.push_text("forget me", chat_id=7)
        setup.bot.push_text("keep me", chat_id=8)
        await conversation(setup, 1)
        await setup.texts(2)
        receipt = await setup.engine.send("shop", to="7", text="I will")
        erased = await setup.engine.erase_chat("shop", "7")
        assert erased.messages == 1
        assert erased.events >= 1, "the message, and perhaps the states of the send"
        assert await setup.engine.chat_messages("shop", "7") == []
        assert [chat.chat for chat in await setup.engine.chats("shop")] == ["8"]
        assert [one.chat for one in await setup.engine.read_events() if one.chat] == ["8"], "nothing names it any more"
        assert receipt.message_id
        setup.bot.push_text("me again", chat_id=7)
        assert [one.text for one in await conversation(setup, 1)] == ["me again"]


async def test_pages_hold_every_message_once_in_one_order() -> None:
    async with open_bot_api_simulator() as simulator, open_setup(simulator) as setup:
        await setup.connected()
        for number in range(6):
            setup.bot.push_text(f"in {number}", chat_id=7)
            await setup.texts(number + 1)
            await setup.engine.send("shop", to="7", text=f"out {number}")
        seen: list[ChatMessage] = []
        while page := await setup.engine.chat_messages(
            "shop", "7", before=seen[-1].position if seen else None, limit=5
        ):
            seen += page
        expected = [f"{way} {number}" for number in range(6) for way in ("in", "out")]
        assert [one.text for one in reversed(seen)] == expected
