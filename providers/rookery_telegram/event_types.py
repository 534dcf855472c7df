"""The events that Telegram's updates become: their types, and what their bodies hold."""

from __future__ import annotations

from typing import Any

import msgspec

from rookery.model.event_type import ChatRole, EventType

from .receiving.updates import ALL_KINDS

Text = str | msgspec.UnsetType
UNSET = msgspec.UNSET


class TelegramMedia(msgspec.Struct, frozen=True):
    """A file that can be fetched; `href` is there in answers of the API."""

    file_id: Text = UNSET
    filename: Text = UNSET
    mime_type: Text = UNSET
    size: int | msgspec.UnsetType = UNSET
    href: Text = UNSET


class TelegramMessageBody(msgspec.Struct, frozen=True):
    """A message: `text` is its text or caption; a `kind` other than text has a field of its own."""

    message_id: str
    kind: str
    text: str
    chat_type: str | msgspec.UnsetType | None = UNSET
    sender_name: Text = UNSET
    reply_to: Text = UNSET
    media: TelegramMedia | msgspec.UnsetType = UNSET
    location: Any = UNSET
    contact: Any = UNSET
    poll: Any = UNSET


class TelegramReactionBody(msgspec.Struct, frozen=True):
    """Reactions of one person to a message; `emoji` is empty when there are none any more."""

    message_id: Text = UNSET
    emoji: Text = UNSET
    new_reaction: Any = UNSET


class TelegramDeletionBody(msgspec.Struct, frozen=True):
    """Messages that are gone."""

    message_ids: list[str] | msgspec.UnsetType = UNSET


class TelegramQueryBody(msgspec.Struct, frozen=True):
    """A query that wants an answer within seconds: `id` names it."""

    id: Text = UNSET
    message_id: Text = UNSET
    data: Any = UNSET
    query: Any = UNSET


class TelegramUpdateBody(msgspec.Struct, frozen=True):
    """What the kinds of updates have in common; `raw` has the rest."""

    id: Text = UNSET
    message_id: Text = UNSET
    data: Any = UNSET
    query: Any = UNSET
    new_reaction: Any = UNSET
    option_ids: Any = UNSET


_SUMMARIES = {
    "message": "A message to the bot, or in a group that it is in.",
    "edited_message": "A message has another content.",
    "channel_post": "A post in a channel.",
    "edited_channel_post": "A post in a channel has another content.",
    "business_message": "A message of a connected business account.",
    "edited_business_message": "A message of a connected business account has another content.",
    "guest_message": "A message from a chat that the bot is a guest of.",
    "deleted_business_messages": "Messages of a connected business account are gone.",
    "message_reaction": "Somebody's reactions to a message are others.",
    "message_reaction_count": "The numbers of anonymous reactions to a message are others.",
    "callback_query": "A button below a message was pressed; it wants an answer.",
    "inline_query": "Somebody types an inline query; it wants an answer.",
    "shipping_query": "An order wants a shipping price.",
    "pre_checkout_query": "An order wants a last word before it is paid.",
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
_BODIES: dict[ChatRole | None, type[msgspec.Struct]] = {
    ChatRole.MESSAGE: TelegramMessageBody,
    ChatRole.EDIT: TelegramMessageBody,
    ChatRole.DELETION: TelegramDeletionBody,
    ChatRole.REACTION: TelegramReactionBody,
    None: TelegramUpdateBody,
}


def _row(name: str) -> EventType:
    body = TelegramQueryBody if name.endswith("_query") else _BODIES[_ROLES.get(name)]
    summary = _SUMMARIES.get(name, f"An update of the kind `{name}`.")
    return EventType(name=name, summary=summary, body=body, platform="telegram", role=_ROLES.get(name))


EVENT_TYPES = (
    *map(_row, ALL_KINDS),
    EventType(name="chat_migrated", summary="A group became a supergroup, with another id.", platform="telegram"),
    EventType(name="unknown", summary="An update that this version cannot read; `raw` has it.", platform="telegram"),
)
"""The catalogue's rows for Telegram."""
