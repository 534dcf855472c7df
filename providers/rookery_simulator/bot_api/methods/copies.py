"""forwardMessage(s) and copyMessage(s): copies of messages, with or without their origin."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from ..wire.answers import ApiError
from ..wire.parameters import Parameters
from ..world.bot import Message, SimulatedBot
from .sending import MAX_CAPTION, check_parse_mode, create_message, create_messages, find_chat

MAX_MESSAGES = 100
CONTENT = (
    "text",
    "entities",
    "link_preview_options",
    "animation",
    "audio",
    "document",
    "photo",
    "sticker",
    "video",
    "video_note",
    "voice",
    "caption",
    "caption_entities",
    "show_caption_above_media",
    "has_media_spoiler",
    "contact",
    "dice",
    "poll",
    "venue",
    "location",
    "paid_media",
    "invoice",
    "game",
    "story",
)
"""The fields of a message that are copied."""

NO_COPIES = ("paid_media", "invoice", "game", "story")
CAPTIONED = ("animation", "audio", "document", "photo", "video", "voice", "paid_media")


def forward_message(bot: SimulatedBot, parameters: Parameters) -> Message:
    chat = find_chat(bot, parameters)
    source = _source(bot, parameters, parameters.integer("message_id"), "forward")
    return create_message(bot, "forwardMessage", chat, parameters, _forwarded(source))


def forward_messages(bot: SimulatedBot, parameters: Parameters) -> list[dict[str, int]]:
    found = _sources(bot, parameters, "forward")
    return _several(bot, "forwardMessages", parameters, [_forwarded(source) for source in found], found)


def copy_message(bot: SimulatedBot, parameters: Parameters) -> dict[str, int]:
    chat = find_chat(bot, parameters)
    content = _copied(_source(bot, parameters, parameters.integer("message_id"), "copy"))
    caption: str | None = None
    if "caption" in parameters.values and any(name in content for name in CAPTIONED):
        check_parse_mode(parameters)
        caption = parameters.text("caption")
        if len(caption) > MAX_CAPTION:
            raise ApiError(400, "Bad Request: message caption is too long")
        content = _without_caption(content)
        if caption:
            content["caption"] = caption
    text = str(content.get("text", content.get("caption", "")))
    return _id(create_message(bot, "copyMessage", chat, parameters, content, text))


def copy_messages(bot: SimulatedBot, parameters: Parameters) -> list[dict[str, int]]:
    found = _sources(bot, parameters, "copy")
    contents = [_copied(source) for source in found]
    if parameters.flag("remove_caption"):
        contents = [_without_caption(content) for content in contents]
    return _several(bot, "copyMessages", parameters, contents, found)


def _several(
    bot: SimulatedBot, method: str, parameters: Parameters, contents: list[Message], sources: list[Message]
) -> list[dict[str, int]]:
    """Copy several messages. Albums stay together, under a new id."""
    groups: dict[str, str] = {}
    grouped: list[Message] = []
    for content, source in zip(contents, sources, strict=True):
        if (old := source.get("media_group_id")) is not None:
            groups.setdefault(old, str(bot.id << 16 | bot.next_call_number()))
            content = content | {"media_group_id": groups[old]}
        grouped.append(content)
    chat = find_chat(bot, parameters)
    return [_id(message) for message in create_messages(bot, method, chat, parameters, grouped)]


def _source(bot: SimulatedBot, parameters: Parameters, message_id: int, purpose: str) -> Message:
    if not parameters.text("from_chat_id"):
        raise ApiError(400, 'Bad Request: parameter "from_chat_id" is required')
    if not message_id:
        raise ApiError(400, "Bad Request: message identifier is not specified")
    origin = find_chat(bot, Parameters({"chat_id": parameters.values["from_chat_id"]}))
    message = bot.find_message(origin.id, message_id, purpose)
    is_service = not any(name in message for name in CONTENT)
    if is_service or message.get("has_protected_content") or (purpose == "copy" and _is_unique(message)):
        raise ApiError(400, f"Bad Request: message can't be {'copied' if purpose == 'copy' else 'forwarded'}")
    return message


def _sources(bot: SimulatedBot, parameters: Parameters, purpose: str) -> list[Message]:
    """The messages that exist; missing ones are skipped."""
    ids = parameters.structure("message_ids")
    if not isinstance(ids, list) or not ids:
        raise ApiError(400, "Bad Request: message identifiers are not specified")
    if len(ids) > MAX_MESSAGES:
        raise ApiError(400, "Bad Request: too many message identifiers specified")
    numbers = [int(id) if isinstance(id, int | str) and str(id).isdecimal() else 0 for id in ids]
    if any(second <= first for first, second in pairwise(numbers)):
        raise ApiError(400, "Bad Request: message identifiers must be in a strictly increasing order")
    found: list[Message] = []
    for number in numbers:
        try:
            found.append(_source(bot, parameters, number, purpose))
        except ApiError as error:
            if "required" in error.description or "chat" in error.description:
                raise
    if not found:
        raise ApiError(400, f"Bad Request: there are no messages to {purpose}")
    return found


def _is_unique(message: Message) -> bool:
    poll = message.get("poll")
    is_secret = isinstance(poll, dict) and poll.get("type") == "quiz" and "correct_option_ids" not in poll
    return is_secret or any(name in message for name in NO_COPIES)


def _forwarded(source: Message) -> Message:
    origin = source.get("forward_origin")
    if origin is None:
        date = source["date"]
        sender: Any = source.get("sender_chat")
        if isinstance(sender, dict) and sender.get("type") == "channel":
            origin = {"type": "channel", "date": date, "chat": sender, "message_id": source["message_id"]}
        elif isinstance(sender, dict):
            origin = {"type": "chat", "date": date, "sender_chat": sender}
        else:
            origin = {"type": "user", "date": date, "sender_user": source["from"]}
    return {"forward_origin": origin} | _copied(source)


def _copied(source: Message) -> Message:
    return {name: source[name] for name in CONTENT if name in source}


def _without_caption(content: Message) -> Message:
    return {name: value for name, value in content.items() if name not in ("caption", "caption_entities")}


def _id(message: Message) -> dict[str, int]:
    return {"message_id": message["message_id"]}


METHODS = {
    "forwardmessage": forward_message,
    "forwardmessages": forward_messages,
    "copymessage": copy_message,
    "copymessages": copy_messages,
}
