"""Changes of who is what in a chat, with the updates that tell of them."""

from __future__ import annotations

from typing import Any

from .bot import SimulatedBot
from .chats import Chat, user_json
from .members import ChatMember, administrator


def member_of(bot: SimulatedBot, chat: Chat, user_id: int) -> ChatMember:
    """What a person is in the chat. Without a change, a bot is an administrator who may do everything but be anonymous, and
    everybody else has left."""
    known = chat.members[user_id]
    if known is not None:
        return known
    if user_id != bot.id:
        return {"status": "left", "user": user_json(user_id)}
    if chat.id > 0:
        return {"status": "member", "user": bot.user}
    return administrator(bot.user, **dict.fromkeys(EVERYTHING, True))


EVERYTHING = (
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
)


def change(bot: SimulatedBot, chat: Chat, new: ChatMember, *, by: dict[str, Any], **how: Any) -> None:
    """Make a person what `new` says; `how` are further fields of the update, such as `invite_link`."""
    user_id = new["user"]["id"]
    old = member_of(bot, chat, user_id)
    chat.members.set(new)
    kind = "my_chat_member" if user_id == bot.id else "chat_member"
    update = {
        "chat": chat.json,
        "from": by,
        "date": int(bot.clock()),
        "old_chat_member": old,
        "new_chat_member": new,
        **how,
    }
    bot.push_update({kind: update})
