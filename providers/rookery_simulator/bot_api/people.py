"""What people do besides writing to a bot: press buttons, pay, join, vote, react, send albums.

people = People(simulator.bot(token))
people.press("yes", chat_id=7)                 # a callback query, from the keyboard of the chat's last message
order = people.pay(chat_id=7)                  # the pre-checkout query; paid once the bot has agreed
people.join(-1001234567890, 5)                 # `chat_member` and `new_chat_members`
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from .methods.payments import ask_to_check_out
from .world.bot import Message, SimulatedBot
from .world.chats import user_json
from .world.members import RIGHTS, ChatMember, administrator, is_present
from .world.membership import change, member_of
from .world.orders import Order
from .world.update_queue import Update


class People:
    """Everyone but the bot. Methods raise ValueError for acts that are impossible. A missing `from_id` means the person of
    a private chat, and user 1 in a group; a missing `message_id` means the chat's last suitable message."""

    def __init__(self, bot: SimulatedBot) -> None:
        self._bot = bot

    def describe_chat(self, chat_id: int, **details: Any) -> None:
        """Set fields of the chat: `title`, `username`, `is_forum=True`, `type="channel"`."""
        self._bot.chat(chat_id).json |= {name: value for name, value in details.items() if value is not None}

    def press(
        self, data: str, *, chat_id: int = 1, message_id: int | None = None, from_id: int | None = None
    ) -> str | None:
        """Press the button with this callback data. Returns the id of the callback query, None when it is dropped."""
        message = self._last(chat_id, message_id, lambda message: data in _buttons(message), f"a button {data!r}")
        query = {"from": _user(chat_id, from_id), "message": message, "data": data}
        return _query_id(self._bot.push_update({"callback_query": query}))

    def pay(
        self,
        *,
        chat_id: int = 1,
        message_id: int | None = None,
        from_id: int | None = None,
        tip: int = 0,
        order_info: dict[str, Any] | None = None,
    ) -> Order:
        """Press the Pay button of an invoice. The bot gets a shipping query when the price is flexible, then a pre-checkout
        query; once it has agreed, the order has its `charge` and the bot gets the payment."""
        bot = self._bot
        message = self._last(
            chat_id, message_id, lambda message: (chat_id, message["message_id"]) in bot.invoices, "an invoice"
        )
        invoice = bot.invoices[chat_id, message["message_id"]]
        if not 0 <= tip <= invoice.max_tip:
            raise ValueError(f"the invoice takes tips of at most {invoice.max_tip}")
        order = Order(invoice, chat_id, _user(chat_id, from_id), invoice.total + tip, order_info)
        if not invoice.is_flexible:
            ask_to_check_out(bot, order)
            return order
        id = str(bot.id << 20 | bot.next_call_number())
        address = {"country_code": "DE", "state": "", "city": "Berlin", "post_code": "10115"}
        address |= {"street_line1": "Street 1", "street_line2": ""}
        bot.orders[id] = order
        shipping = {"id": id, "from": order.user, "invoice_payload": invoice.payload, "shipping_address": address}
        bot.push_update({"shipping_query": shipping})
        return order

    def join(self, chat_id: int, user_id: int, *, request: bool = False, bio: str = "") -> None:
        """Join a group, or ask to."""
        bot, chat = self._bot, self._group(chat_id)
        member = member_of(bot, chat, user_id)
        if is_present(member):
            raise ValueError(f"user {user_id} is already in the chat")
        if member["status"] == "kicked":
            raise ValueError(f"user {user_id} is banned from the chat")
        user = user_json(user_id)
        if request:
            chat.requests.add(user_id)
            asking = {"chat": chat.json, "from": user, "user_chat_id": user_id, "date": int(bot.clock())}
            bot.push_update({"chat_join_request": asking | ({"bio": bio} if bio else {})})
            return
        change(bot, chat, {"status": "member", "user": user}, by=user)
        bot.push_update({"message": {"chat": chat.json, "from": user, "new_chat_members": [user]}})

    def leave(self, chat_id: int, user_id: int) -> None:
        """Leave a group."""
        bot, chat = self._bot, self._group(chat_id)
        member = member_of(bot, chat, user_id)
        if not is_present(member):
            raise ValueError(f"user {user_id} is not in the chat")
        change(bot, chat, {"status": "left", "user": member["user"]}, by=member["user"])
        bot.push_update({"message": {"chat": chat.json, "from": member["user"], "left_chat_member": member["user"]}})

    def appoint(
        self, chat_id: int, user_id: int, status: str, *, by: int = 1, rights: Sequence[str] = RIGHTS[1:]
    ) -> None:
        """Make a person, or the bot itself, `creator`, `administrator` (with these rights), `member`, `left` or
        `kicked`."""
        bot, chat = self._bot, self._group(chat_id)
        user = bot.user if user_id == bot.id else user_json(user_id)
        member: ChatMember = {"status": status, "user": user}
        if status == "administrator":
            member = administrator(user, **dict.fromkeys(rights, True))
        elif status == "creator":
            member["is_anonymous"] = False
        elif status == "kicked":
            member["until_date"] = 0
        elif status not in ("member", "left"):
            raise ValueError("status: creator, administrator, member, left or kicked")
        change(bot, chat, member, by=user_json(by))

    def vote(
        self, options: Sequence[int], *, chat_id: int = 1, message_id: int | None = None, from_id: int | None = None
    ) -> None:
        """Vote in a poll of the bot: `poll`, and `poll_answer` unless the poll is anonymous."""
        message = self._last(chat_id, message_id, lambda message: isinstance(message.get("poll"), dict), "a poll")
        poll = message["poll"]
        if poll["is_closed"]:
            raise ValueError("the poll is closed")
        if len(options) > 1 and not poll["allows_multiple_answers"]:
            raise ValueError("the poll allows only one answer")
        if not all(0 <= option < len(poll["options"]) for option in options) or not options:
            raise ValueError(f"the poll has the options 0 to {len(poll['options']) - 1}")
        for option in options:
            poll["options"][option]["voter_count"] += 1
        poll["total_voter_count"] += 1
        self._bot.push_update({"poll": poll})
        if not poll["is_anonymous"]:
            ids = [poll["options"][option]["persistent_id"] for option in options]
            answer = {"poll_id": poll["id"], "option_ids": list(options), "option_persistent_ids": ids}
            self._bot.push_update({"poll_answer": answer | {"user": _user(chat_id, from_id)}})

    def react(
        self, emoji: str, *, chat_id: int = 1, message_id: int | None = None, from_id: int | None = None, old: str = ""
    ) -> None:
        """React to a message, replacing the reaction `old`; an empty emoji removes it."""
        message = self._last(chat_id, message_id, lambda message: True, "a message")
        reaction = {
            "chat": self._bot.chat(chat_id).json,
            "message_id": message["message_id"],
            "user": _user(chat_id, from_id),
            "date": int(self._bot.clock()),
            "old_reaction": [{"type": "emoji", "emoji": old}] if old else [],
            "new_reaction": [{"type": "emoji", "emoji": emoji}] if emoji else [],
        }
        self._bot.push_update({"message_reaction": reaction})

    def send_album(
        self, count: int, *, chat_id: int = 1, from_id: int | None = None, caption: str = "", thread: int | None = None
    ) -> list[Update]:
        """Send an album of `count` photos: one message each, which share a `media_group_id`."""
        if not 2 <= count <= 10:
            raise ValueError("an album has 2 to 10 parts")
        group = str(self._bot.id << 16 | self._bot.next_call_number())
        pushed: list[Update] = []
        for number in range(count):
            stored = self._bot.files.add(f"photo {group} {number}".encode(), f"photo{number}.jpg")
            message: Message = {"photo": [stored.describe() | {"width": 320, "height": 240}], "media_group_id": group}
            if caption and number == 0:
                message["caption"] = caption
            if thread is not None:
                message |= {"message_thread_id": thread, "is_topic_message": True}
            update = self._bot.push_message(message, chat_id=chat_id, from_id=from_id)
            pushed += [update] if update is not None else []
        return pushed

    def _group(self, chat_id: int) -> Any:
        chat = self._bot.chat(chat_id)
        if not chat.is_group:
            raise ValueError("chat_id: must be a group, whose number is negative")
        return chat

    def _last(self, chat_id: int, message_id: int | None, fits: Any, what: str) -> Message:
        for (chat, id), message in reversed(self._bot.messages.items()):
            if chat == chat_id and message_id in (None, id) and fits(message):
                return message
        where = f"message {message_id}" if message_id is not None else f"chat {chat_id}"
        raise ValueError(f"{where} does not have {what}")


def _user(chat_id: int, from_id: int | None) -> dict[str, Any]:
    return user_json(from_id if from_id is not None else chat_id if chat_id > 0 else 1)


def _buttons(message: Message) -> set[str]:
    rows = (message.get("reply_markup") or {}).get("inline_keyboard", [])
    return {str(button.get("callback_data")) for row in rows for button in row if "callback_data" in button}


def _query_id(update: Update | None) -> str | None:
    if update is None:
        return None
    return str(msgspec.json.decode(update.encoded)[update.kind]["id"])
