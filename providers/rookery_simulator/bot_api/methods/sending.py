"""sendMessage and sendChatAction, and what all methods that create messages share.

Checks run in the server's order and use its error texts. Not simulated: entities are not parsed from a text with a
parse_mode (the text comes back as sent).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..wire.answers import ApiError
from ..wire.parameters import Parameters
from ..world.bot import Message, SimulatedBot
from ..world.chats import Chat, supergroup_id
from ..world.records import Sent

MAX_TEXT = 4096
MAX_CAPTION = 1024
PARSE_MODES = frozenset({"", "none", "markdown", "markdownv2", "html"})
ACTIONS = frozenset(
    {
        "cancel",
        "typing",
        "record_video",
        "upload_video",
        "record_voice",
        "record_audio",
        "upload_voice",
        "upload_audio",
        "upload_photo",
        "upload_document",
        "choose_sticker",
        "pick_up_location",
        "find_location",
        "record_video_note",
        "upload_video_note",
    }
)

_PUBLIC_NAME = re.compile(r"@[A-Za-z][A-Za-z0-9_]{3,31}")


def find_chat(bot: SimulatedBot, parameters: Parameters) -> Chat:
    """The chat that `chat_id` names. Raises ApiError 400."""
    chat_id = parameters.values.get("chat_id")
    if type(chat_id) is not int:
        text = parameters.text("chat_id").strip()
        if not text:
            raise ApiError(400, "Bad Request: chat_id is empty")
        chat_id = supergroup_id(text) if _PUBLIC_NAME.fullmatch(text) else parameters.integer("chat_id")
    if chat_id == 0 or abs(chat_id) >= 1 << 52 or (bot.settings.known_chats_only and chat_id not in bot.chats):
        raise ApiError(400, "Bad Request: chat not found")
    return bot.chat(chat_id)


def log_call(
    bot: SimulatedBot, method: str, parameters: Parameters, chat_id: int, message_id: int | None, text: str
) -> Sent:
    """A record of a call that took effect."""
    return Sent(
        number=bot.next_call_number(),
        at=bot.clock(),
        method=method,
        chat_id=chat_id,
        message_id=message_id,
        text=text,
        parameters=parameters.values,
        files={name: (upload.file_name, len(upload.content)) for name, upload in parameters.files.items()},
    )


def check_text(parameters: Parameters) -> str:
    """The `text` of a message. Raises ApiError 400 when empty, too long or of an unknown parse_mode."""
    text = parameters.text("text")
    if not text:
        raise ApiError(400, "Bad Request: message text is empty")
    check_parse_mode(parameters)
    if not text.strip():
        raise ApiError(400, "Bad Request: text must be non-empty")
    if len(text) > MAX_TEXT:
        raise ApiError(400, "Bad Request: message is too long")
    return text


def check_caption(parameters: Parameters) -> str:
    """The `caption` of a media message, perhaps empty. Raises ApiError 400."""
    caption = parameters.text("caption")
    check_parse_mode(parameters)
    if len(caption) > MAX_CAPTION:
        raise ApiError(400, "Bad Request: message caption is too long")
    return caption


def check_parse_mode(parameters: Parameters) -> None:
    """Raise ApiError 400 for a parse_mode that does not exist."""
    if parameters.text("parse_mode").lower() not in PARSE_MODES:
        raise ApiError(400, "Bad Request: unsupported parse_mode")


def inline_keyboard(parameters: Parameters) -> dict[str, Any]:
    """`{"reply_markup": ...}` if messages show it. Raises ApiError 400 when it is not a JSON object."""
    if not parameters.values.get("reply_markup"):
        return {}
    markup = parameters.structure("reply_markup")
    if not isinstance(markup, dict):
        raise ApiError(400, "Bad Request: object expected as reply markup")
    return {"reply_markup": markup} if "inline_keyboard" in markup else {}


def create_message(
    bot: SimulatedBot, method: str, chat: Chat, parameters: Parameters, content: Message, text: str = ""
) -> Message:
    """Send a message with the given content: access, reply, flood limit, then the effect. Raises ApiError."""
    return create_messages(bot, method, chat, parameters, [content], text)[0]


def create_messages(
    bot: SimulatedBot, method: str, chat: Chat, parameters: Parameters, contents: Sequence[Message], text: str = ""
) -> list[Message]:
    """Send one message for each content, all or none; it is one call in `bot.sent`. Raises ApiError."""
    chat.check_access()
    extra = inline_keyboard(parameters)
    extra |= _quote(bot, chat, parameters)
    extra |= _thread(bot, chat, parameters.integer("message_thread_id"))
    if parameters.flag("protect_content"):
        extra["has_protected_content"] = True
    bot.take_flood_allowance(chat)
    messages = [
        {
            "message_id": chat.next_message_id(),
            "from": bot.user,
            "chat": chat.json,
            "date": int(bot.clock()),
            **extra,
            **content,
        }
        for content in contents
    ]
    for message in messages:
        bot.keep_message(message)
    bot.sent.append(log_call(bot, method, parameters, chat.id, messages[0]["message_id"], text))
    return messages


def _thread(bot: SimulatedBot, chat: Chat, thread: int) -> Message:
    """The fields of a message in a thread. Raises ApiError 400."""
    if not thread:
        return {}
    if chat.is_forum:
        topic = chat.topics.find(thread)
        own = chat.members[bot.id]
        if topic.is_closed and own is not None and not own.get("can_manage_topics"):
            raise ApiError(400, "Bad Request: TOPIC_CLOSED")
    return {"message_thread_id": thread, "is_topic_message": True}


def send_message(bot: SimulatedBot, parameters: Parameters) -> Message:
    text = check_text(parameters)
    content: Message = {"text": text}
    entities = parameters.structure("entities")
    if entities:
        content["entities"] = entities
    return create_message(bot, "sendMessage", find_chat(bot, parameters), parameters, content, text)


def send_chat_action(bot: SimulatedBot, parameters: Parameters) -> bool:
    action = parameters.text("action").lower()
    if action not in ACTIONS:
        raise ApiError(400, "Bad Request: wrong parameter action in request")
    chat = find_chat(bot, parameters)
    chat.check_access()
    bot.actions.append(log_call(bot, "sendChatAction", parameters, chat.id, None, action))
    return True


def _quote(bot: SimulatedBot, chat: Chat, parameters: Parameters) -> Message:
    reply = parameters.structure("reply_parameters")
    if isinstance(reply, dict):
        message_id, may_be_missing = Parameters(reply).integer("message_id"), reply.get("allow_sending_without_reply")
    else:
        message_id, may_be_missing = parameters.integer("reply_to_message_id"), False
        if not message_id:
            return {}
    message = bot.messages.get((chat.id, message_id))
    if message is not None:
        return {"reply_to_message": {key: message[key] for key in message if key != "reply_to_message"}}
    if not may_be_missing:
        raise ApiError(400, "Bad Request: message to be replied not found")
    return {}


METHODS = {"sendmessage": send_message, "sendchataction": send_chat_action}
