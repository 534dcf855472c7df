"""The types of Telegram events."""

from __future__ import annotations

from rookery.model.event_type import ChatRole, EventType

from .bodies.messages import TelegramAlbumBody, TelegramMessageBody
from .bodies.others import OTHER_BODIES
from .receiving.albums import TYPE as ALBUM
from .receiving.updates import ALL_KINDS, MESSAGE_KINDS

_SUMMARIES = {
    "message": "A message to the bot, or in a group that the bot is in.",
    "edited_message": "A message was edited; the body holds its new content.",
    "channel_post": "A post in a channel.",
    "edited_channel_post": "A post in a channel was edited; the body holds its new content.",
    "business_message": "A message of a connected business account.",
    "edited_business_message": "A message of a connected business account was edited; the body holds its new content.",
    "guest_message": "A message from a chat in which the bot is a guest.",
    "deleted_business_messages": "Messages of a connected business account were deleted.",
    "message_reaction": "Someone changed their reactions to a message.",
    "message_reaction_count": "The numbers of anonymous reactions to a message changed.",
    "callback_query": "A button below a message was pressed; it needs an answer.",
    "inline_query": "Someone is typing an inline query; it needs an answer.",
    "shipping_query": "An order needs a shipping price.",
    "pre_checkout_query": "An order needs a final confirmation before it is paid.",
}
_ROLES = {
    "message": ChatRole.MESSAGE,
    "channel_post": ChatRole.MESSAGE,
    "business_message": ChatRole.MESSAGE,
    "guest_message": ChatRole.MESSAGE,
    "edited_message": ChatRole.EDIT,
    "edited_channel_post": ChatRole.EDIT,
    "edited_business_message": ChatRole.EDIT,
    "deleted_business_messages": ChatRole.DELETION,
    "message_reaction": ChatRole.REACTION,
}


def _row(name: str) -> EventType:
    body = TelegramMessageBody if name in MESSAGE_KINDS else OTHER_BODIES[name]
    summary = _SUMMARIES.get(name, f"An update of the kind `{name}`.")
    return EventType(name=name, summary=summary, body=body, platform="telegram", role=_ROLES.get(name))


EVENT_TYPES = (
    *map(_row, ALL_KINDS),
    EventType(
        name=ALBUM,
        summary="The messages of a media group, after each has been an event of its own (setting `gather_albums`).",
        body=TelegramAlbumBody,
        platform="telegram",
    ),
    EventType(name="chat_migrated", summary="A group became a supergroup, with a new id.", platform="telegram"),
    EventType(name="unknown", summary="An update that this version cannot read; `raw` holds it.", platform="telegram"),
)
"""Telegram's rows in the catalogue of event types."""
