"""sendMediaGroup and sendPaidMedia: several files in one call."""

from __future__ import annotations

from typing import Any

from ..wire.answers import ApiError
from ..wire.parameters import Parameters
from ..world.bot import Message, SimulatedBot
from .media import find_media, media_content
from .sending import MAX_CAPTION, create_message, create_messages, find_chat

MAX_ITEMS = 10
FIELDS = frozenset({"photo", "video", "audio", "document"})
ALONE = ("audio", "document")
"""Kinds that share an album only with items of the same kind."""


def send_media_group(bot: SimulatedBot, parameters: Parameters) -> list[Message]:
    items = _items(parameters)
    chat = find_chat(bot, parameters)
    chat.check_access()
    contents = [_content(bot, parameters, item) for item in items]
    kinds = {item["type"] for item in items}
    for kind in ALONE:
        if kind in kinds and len(kinds) > 1:
            raise ApiError(400, f"Bad Request: {kind} can't be mixed with other media types")
    if len(contents) > 1:
        group = str(bot.id << 16 | bot.next_call_number())
        contents = [content | {"media_group_id": group} for content in contents]
    caption = next((content["caption"] for content in contents if "caption" in content), "")
    return create_messages(bot, "sendMediaGroup", chat, parameters, contents, caption)


def send_paid_media(bot: SimulatedBot, parameters: Parameters) -> Message:
    stars = parameters.integer("star_count")
    if not 1 <= stars <= 25_000:
        raise ApiError(400, "Bad Request: invalid star_count specified")
    items = _items(parameters)
    chat = find_chat(bot, parameters)
    chat.check_access()
    media = [_content(bot, parameters, item) for item in items]
    paid = [{"type": item["type"]} | content for item, content in zip(items, media, strict=True)]
    content: Message = {"paid_media": {"star_count": stars, "paid_media": paid}}
    if caption := parameters.text("caption"):
        content["caption"] = caption
    return create_message(bot, "sendPaidMedia", chat, parameters, content, caption)


def _items(parameters: Parameters) -> list[dict[str, Any]]:
    if not parameters.text("media"):
        raise ApiError(400, 'Bad Request: parameter "media" is required')
    items = parameters.structure("media")
    if not isinstance(items, list):
        raise ApiError(400, "Bad Request: expected an Array of InputMedia")
    if not items:
        raise ApiError(400, "Bad Request: there are no messages to send")
    if len(items) > MAX_ITEMS:
        raise ApiError(400, "Bad Request: too many messages to send as an album")
    return items


def _content(bot: SimulatedBot, parameters: Parameters, item: Any) -> Message:
    if not isinstance(item, dict):
        raise ApiError(400, "Bad Request: can't parse InputMedia: expected an Object")
    field = str(item.get("type"))
    if field not in FIELDS:
        raise ApiError(400, "Bad Request: can't parse InputMedia: invalid media type specified")
    if not item.get("media"):
        raise ApiError(400, "Bad Request: can't parse InputMedia: media not found")
    caption = str(item.get("caption") or "")
    if len(caption) > MAX_CAPTION:
        raise ApiError(400, "Bad Request: message caption is too long")
    content = media_content(field, find_media(bot, parameters, field, item["media"]))
    if caption:
        content["caption"] = caption
    if item.get("caption_entities"):
        content["caption_entities"] = item["caption_entities"]
    if item.get("has_spoiler"):
        content["has_media_spoiler"] = True
    return content


METHODS = {"sendmediagroup": send_media_group, "sendpaidmedia": send_paid_media}
