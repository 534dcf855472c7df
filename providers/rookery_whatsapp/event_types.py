"""The events that WhatsApp's reports become: their types, and what their bodies hold."""

from __future__ import annotations

from typing import Any

import msgspec

from rookery.model.event_type import ChatRole, EventType

Text = str | msgspec.UnsetType
MaybeText = str | msgspec.UnsetType | None
UNSET = msgspec.UNSET


class WhatsappAccount(msgspec.Struct, frozen=True):
    """An account or a group in every form that is known."""

    id: str | None
    phone: MaybeText = UNSET
    lid: MaybeText = UNSET
    device: int | msgspec.UnsetType = UNSET


class WhatsappMedia(msgspec.Struct, frozen=True):
    """A file that can be fetched; `href` is there in answers of the API."""

    mime_type: MaybeText = UNSET
    size: int | msgspec.UnsetType | None = UNSET
    filename: Text = UNSET
    seconds: int | msgspec.UnsetType = UNSET
    width: int | msgspec.UnsetType = UNSET
    height: int | msgspec.UnsetType = UNSET
    href: Text = UNSET


class WhatsappPlace(msgspec.Struct, frozen=True):
    """Where it happened, and who did it."""

    chat_type: Text = UNSET
    chat: WhatsappAccount | msgspec.UnsetType = UNSET
    sender: WhatsappAccount | msgspec.UnsetType = UNSET
    from_me: bool | msgspec.UnsetType = UNSET
    sender_name: Text = UNSET


class WhatsappMessageBody(WhatsappPlace, frozen=True, kw_only=True):
    """A message: `text` is its text or caption; a `kind` other than text has a field of its own."""

    message_id: str
    kind: str = "text"
    text: Text = UNSET
    reply_to: Text = UNSET
    mentions: list[str] | msgspec.UnsetType = UNSET
    forwarded: bool | msgspec.UnsetType = UNSET
    media: WhatsappMedia | msgspec.UnsetType = UNSET
    location: Any = UNSET
    contacts: Any = UNSET
    poll: Any = UNSET
    edit_id: Text = UNSET
    encrypted: bool | msgspec.UnsetType = UNSET
    undecryptable: Text = UNSET
    view_once: bool | msgspec.UnsetType = UNSET
    ephemeral: bool | msgspec.UnsetType = UNSET
    mention_all: bool | msgspec.UnsetType = UNSET
    reply: Any = UNSET
    quote: Any = UNSET
    target: Text = UNSET
    reason: Text = UNSET


class WhatsappReactionBody(WhatsappPlace, frozen=True, kw_only=True):
    """A reaction to the message `message_id`; an empty `emoji` takes it back."""

    message_id: str
    emoji: str
    reaction_id: Text = UNSET


class WhatsappReceiptBody(WhatsappPlace, frozen=True, kw_only=True):
    """Somebody got (`delivered`), read or played messages; `read_self` on another device of this account."""

    receipt: str
    message_ids: list[str]


class WhatsappVoteBody(WhatsappPlace, frozen=True, kw_only=True):
    """A vote in the poll `message_id`; `options` are the chosen answers, null when they cannot be read."""

    message_id: str
    vote_id: Text = UNSET
    options: list[str] | msgspec.UnsetType | None = UNSET
    option_hashes: list[str] | msgspec.UnsetType | None = UNSET


class WhatsappPresenceBody(msgspec.Struct, frozen=True):
    """`state`: online or offline; typing, recording or paused in a chat."""

    state: str
    sender: Any = UNSET
    last_seen: float | msgspec.UnsetType | None = UNSET


def _row(name: str, summary: str, body: type[msgspec.Struct] | None = None, role: ChatRole | None = None) -> EventType:
    return EventType(name=name, summary=summary, body=body, platform="whatsapp", role=role)


class WhatsappHistoryBody(WhatsappMessageBody, frozen=True, kw_only=True):
    """A message from before the device was linked, with its reactions."""

    starred: bool | msgspec.UnsetType = UNSET
    reactions: Any = UNSET


class WhatsappHistoryChatBody(msgspec.Struct, frozen=True):
    """A chat as the phone had it; `chat.name` is its name, if it has one."""

    chat_type: Text = UNSET
    chat: Any = UNSET
    unread: int | msgspec.UnsetType = UNSET
    receipt: Text = UNSET


EVENT_TYPES = (
    _row("message", "A message, also one that was sent from another device.", WhatsappMessageBody, ChatRole.MESSAGE),
    _row("edited_message", "A message has another content.", WhatsappMessageBody, ChatRole.EDIT),
    _row("deleted_message", "A message was deleted for everybody.", WhatsappMessageBody, ChatRole.DELETION),
    _row("service_message", "A chat's settings are others, or the like.", WhatsappMessageBody),
    _row("undecryptable_message", "A message that could not be read.", WhatsappMessageBody, ChatRole.MESSAGE),
    _row("reaction", "A reaction to a message.", WhatsappReactionBody, ChatRole.REACTION),
    _row("poll_vote", "A vote in a poll.", WhatsappVoteBody, ChatRole.VOTE),
    _row("event_response", "Somebody answered an invitation to an event (`answer`, `guests`).", WhatsappPlace),
    _row("receipt", "Messages were delivered, read or played.", WhatsappReceiptBody, ChatRole.READ),
    _row("chat_presence", "Somebody types, records, or stopped.", WhatsappPresenceBody),
    _row("presence", "Somebody is online, or not any more.", WhatsappPresenceBody),
    _row("group_joined", "The account is in a group now."),
    _row("group_changed", "Something about a group is different now."),
    _row("picture_changed", "The picture of an account or a group is another one."),
    _row("call", "Somebody calls, or a call came to its end."),
    _row(
        "history.message",
        "A message from before the device was linked.",
        WhatsappHistoryBody,
        ChatRole.MESSAGE,
    ),
    _row("history.chat", "A chat from before the device was linked.", WhatsappHistoryChatBody, ChatRole.READ),
    _row("unknown", "A report that this version cannot read."),
)
"""The catalogue's rows for WhatsApp."""
