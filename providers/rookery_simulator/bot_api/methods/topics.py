"""The topics of forums: supergroups whose `is_forum` is true (`People.describe_chat`)."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..wire.answers import ApiError
from ..wire.parameters import Parameters
from ..world.bot import Message, SimulatedBot
from ..world.chats import Chat
from ..world.topics import GENERAL, Topic
from .sending import find_chat, log_call

COLORS = (0x6FB9F0, 0xFFD67E, 0xCB86DB, 0x8EEE98, 0xFF93B2, 0xFB6F5F)
MAX_NAME = 128


def create_forum_topic(bot: SimulatedBot, parameters: Parameters) -> dict[str, Any]:
    chat = _forum(bot, parameters)
    name = _name(parameters)
    color = parameters.integer("icon_color", COLORS[0])
    if color not in COLORS:
        raise ApiError(400, "Bad Request: TOPIC_ICON_COLOR_INVALID")
    chat.last_message_id = max(chat.last_message_id, GENERAL)  # the message that created the forum
    topic = Topic(0, name, color, parameters.text("icon_custom_emoji_id"))
    shown = topic.describe()
    del shown["message_thread_id"]
    topic.thread = _tell(bot, chat, 0, {"forum_topic_created": shown})
    chat.topics.add(topic)
    bot.actions.append(log_call(bot, "createForumTopic", parameters, chat.id, topic.thread, name))
    return topic.describe()


def edit_forum_topic(bot: SimulatedBot, parameters: Parameters) -> bool:
    chat = _forum(bot, parameters)
    topic = _topic(chat, parameters)
    edited: dict[str, Any] = {}
    if parameters.text("name"):
        edited["name"] = topic.name = _name(parameters)
    if "icon_custom_emoji_id" in parameters.values:
        edited["icon_custom_emoji_id"] = topic.icon_custom_emoji_id = parameters.text("icon_custom_emoji_id")
    _tell(bot, chat, topic.thread, {"forum_topic_edited": edited})
    bot.actions.append(log_call(bot, "editForumTopic", parameters, chat.id, topic.thread, topic.name))
    return True


def set_closed(method: str, is_closed: bool, bot: SimulatedBot, parameters: Parameters) -> bool:
    """Closes or reopens a topic; the general one when the method says so."""
    chat = _forum(bot, parameters)
    topic = chat.topics.general if "General" in method else _topic(chat, parameters)
    if topic.is_closed is is_closed:
        raise ApiError(400, "Bad Request: TOPIC_NOT_MODIFIED")
    topic.is_closed = is_closed
    _tell(bot, chat, topic.thread, {f"forum_topic_{'closed' if is_closed else 'reopened'}": {}})
    bot.actions.append(log_call(bot, method, parameters, chat.id, topic.thread, topic.name))
    return True


def set_hidden(method: str, is_hidden: bool, bot: SimulatedBot, parameters: Parameters) -> bool:
    """Hides or shows the general topic; hiding also closes it."""
    chat = _forum(bot, parameters)
    topic = chat.topics.general
    if topic.is_hidden is is_hidden:
        raise ApiError(400, "Bad Request: TOPIC_NOT_MODIFIED")
    topic.is_hidden = is_hidden
    topic.is_closed = topic.is_closed or is_hidden
    _tell(bot, chat, GENERAL, {f"general_forum_topic_{'hidden' if is_hidden else 'unhidden'}": {}})
    bot.actions.append(log_call(bot, method, parameters, chat.id, GENERAL, topic.name))
    return True


def edit_general_forum_topic(bot: SimulatedBot, parameters: Parameters) -> bool:
    chat = _forum(bot, parameters)
    chat.topics.general.name = _name(parameters)
    _tell(bot, chat, GENERAL, {"forum_topic_edited": {"name": chat.topics.general.name}})
    bot.actions.append(log_call(bot, "editGeneralForumTopic", parameters, chat.id, GENERAL, chat.topics.general.name))
    return True


def delete_forum_topic(bot: SimulatedBot, parameters: Parameters) -> bool:
    """Delete a topic and its messages."""
    chat = _forum(bot, parameters)
    topic = _topic(chat, parameters)
    chat.topics.remove(topic.thread)
    gone = [
        key
        for key, message in bot.messages.items()
        if key[0] == chat.id and (key[1] == topic.thread or message.get("message_thread_id") == topic.thread)
    ]
    for key in gone:
        del bot.messages[key]
    bot.actions.append(log_call(bot, "deleteForumTopic", parameters, chat.id, topic.thread, topic.name))
    return True


def get_forum_topic_icon_stickers(bot: SimulatedBot, parameters: Parameters) -> list[dict[str, Any]]:
    return []


def _forum(bot: SimulatedBot, parameters: Parameters) -> Chat:
    chat = find_chat(bot, parameters)
    chat.check_access()
    if chat.json["type"] != "supergroup" and not chat.is_forum:
        raise ApiError(400, "Bad Request: method is available only for supergroups")
    if not chat.is_forum:
        raise ApiError(400, "Bad Request: the chat is not a forum")
    own = chat.members[bot.id]
    if own is not None and not (own["status"] == "creator" or own.get("can_manage_topics")):
        raise ApiError(400, "Bad Request: not enough rights to manage topics")
    return chat


def _topic(chat: Chat, parameters: Parameters) -> Topic:
    thread = parameters.integer("message_thread_id")
    if not thread or thread == GENERAL:
        raise ApiError(400, "Bad Request: invalid forum topic identifier specified")
    return chat.topics.find(thread)


def _name(parameters: Parameters) -> str:
    name = parameters.text("name").strip()
    if not name:
        raise ApiError(400, "Bad Request: topic name must be non-empty")
    if len(name) > MAX_NAME:
        raise ApiError(400, "Bad Request: TOPIC_TITLE_TOO_LONG")
    return name


def _tell(bot: SimulatedBot, chat: Chat, thread: int, content: Message) -> int:
    """Add a service message by the bot; the bot itself gets no update about it. Returns its id."""
    id = chat.next_message_id()
    where = {"message_thread_id": thread or id, "is_topic_message": True} if thread != GENERAL else {}
    message = {"message_id": id, "from": bot.user, "chat": chat.json, "date": int(bot.clock())}
    bot.keep_message(message | where | content)
    return id


METHODS = {
    "createforumtopic": create_forum_topic,
    "editforumtopic": edit_forum_topic,
    "deleteforumtopic": delete_forum_topic,
    "editgeneralforumtopic": edit_general_forum_topic,
    "getforumtopiciconstickers": get_forum_topic_icon_stickers,
} | {
    method.lower(): partial(act, method, flag)
    for method, act, flag in (
        ("closeForumTopic", set_closed, True),
        ("reopenForumTopic", set_closed, False),
        ("closeGeneralForumTopic", set_closed, True),
        ("reopenGeneralForumTopic", set_closed, False),
        ("hideGeneralForumTopic", set_hidden, True),
        ("unhideGeneralForumTopic", set_hidden, False),
    )
}
