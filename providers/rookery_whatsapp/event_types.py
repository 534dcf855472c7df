"""The types of WhatsApp events, and the fields of their bodies."""

from __future__ import annotations

from typing import Any

import msgspec

from rookery.model.event_type import ChatRole, EventType

Text = str | msgspec.UnsetType
MaybeText = str | msgspec.UnsetType | None
UNSET = msgspec.UNSET


class WhatsappAccount(msgspec.Struct, frozen=True):
    """An account or a group, with all of its known addresses."""

    id: str | None
    phone: MaybeText = UNSET
    lid: MaybeText = UNSET
    device: int | msgspec.UnsetType = UNSET


class WhatsappMedia(msgspec.Struct, frozen=True):
    """A file that can be downloaded; the HTTP API adds `href`, the address to download it from."""

    mime_type: MaybeText = UNSET
    size: int | msgspec.UnsetType | None = UNSET
    filename: Text = UNSET
    seconds: int | msgspec.UnsetType = UNSET
    width: int | msgspec.UnsetType = UNSET
    height: int | msgspec.UnsetType = UNSET
    href: Text = UNSET


class WhatsappPlace(msgspec.Struct, frozen=True):
    """The chat in which something happened, and who did it."""

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
    """A reaction to the message `message_id`; an empty `emoji` removes it."""

    message_id: str
    emoji: str
    reaction_id: Text = UNSET


class WhatsappReceiptBody(WhatsappPlace, frozen=True, kw_only=True):
    """Someone received (`delivered`), read or played messages; `read_self`: another device of this account read them."""

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
    """A chat as it was on the phone; `chat.name` is its name, if it has one."""

    chat_type: Text = UNSET
    chat: Any = UNSET
    unread: int | msgspec.UnsetType = UNSET
    receipt: Text = UNSET


EVENT_TYPES = (
    _row(
        "message",
        "A message, including one sent from another device of the account.",
        WhatsappMessageBody,
        ChatRole.MESSAGE,
    ),
    _row("edited_message", "A message was edited; the body holds its new content.", WhatsappMessageBody, ChatRole.EDIT),
    _row("deleted_message", "A message was deleted for everyone.", WhatsappMessageBody, ChatRole.DELETION),
    _row("service_message", "A notice in a chat, such as a change of its settings.", WhatsappMessageBody),
    _row("undecryptable_message", "A message that could not be read.", WhatsappMessageBody, ChatRole.MESSAGE),
    _row("reaction", "A reaction to a message.", WhatsappReactionBody, ChatRole.REACTION),
    _row("poll_vote", "A vote in a poll.", WhatsappVoteBody, ChatRole.VOTE),
    _row("event_response", "Someone answered an invitation to an event (`answer`, `guests`).", WhatsappPlace),
    _row("receipt", "Messages were delivered, read or played.", WhatsappReceiptBody, ChatRole.READ),
    _row("chat_presence", "Someone started or stopped typing or recording.", WhatsappPresenceBody),
    _row("presence", "Someone went online or offline.", WhatsappPresenceBody),
    _row("group_joined", "The account joined a group, or was added to one."),
    _row("group_changed", "A group's settings or members changed."),
    _row("picture_changed", "The picture of an account or a group changed."),
    _row("call", "Someone is calling, or a call ended."),
    _row(
        "history.message",
        "A message from before the device was linked.",
        WhatsappHistoryBody,
        ChatRole.MESSAGE,
    ),
    _row("history.chat", "A chat from before the device was linked.", WhatsappHistoryChatBody, ChatRole.READ),
    _row("unknown", "A report that this version cannot read."),
)
"""WhatsApp's rows in the catalogue of event types."""
