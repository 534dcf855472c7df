"""Chats as the API shows them: received and sent messages in one order, with what happened to them since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from .event import Event
from .message import OutboundMessage


class ChatSource(NamedTuple):
    """What the view of chats needs of an event. `body` is JSON."""

    id: int
    uid: int
    type: str
    platform: str
    time: float
    chat: str | None
    body: bytes
    stored_at: float


class ChatEntry(msgspec.Struct, frozen=True):
    """An event's place in its chat: a message (`in`, `out`), or something about the message `message_id`."""

    event: int
    uid: int
    chat: str
    at: float
    role: str
    message_id: str


class ChatNews(msgspec.Struct, kw_only=True):
    """What events tell of a chat; None: nothing new. `last_at` None: no message among them."""

    uid: int
    chat: str
    name: str | None = None
    kind: str | None = None
    last_at: float | None = None
    read_at: float | None = None


class ChatRow(msgspec.Struct, frozen=True, kw_only=True):
    """A chat as stored, with its newest event and send, of which the later one is its last message."""

    chat: str
    name: str | None
    kind: str | None
    last_at: float
    unread: int
    retention: float | None
    event: tuple[float, str, Event] | None = None  # when, role, event
    send: OutboundMessage | None = None


class Position(NamedTuple):
    """A place in a chat: the time, whether it is a send (1) or an event (0), and its number. They sort in this order."""

    at: float
    sent: int
    number: int


NEWEST = Position(float("1e300"), 1, 2**62)


class ChatPage(msgspec.Struct, frozen=True):
    """One page of a chat, newest first, as stored: events with time and role, sends with their number, and what is about
    them: (message id, role, event), and the sends that are about other messages."""

    events: list[tuple[float, str, Event]]
    sends: list[tuple[int, OutboundMessage]]


class ChatMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a chat, as it is now.

    `direction` is `in` or `out`. `state` is that of a send, `sent` for what was sent from another device, None for what was
    received. `content` is None after a deletion. `event` and `send` name the event or the send it came from.
    """

    position: Position
    direction: str
    message_id: str | None
    time: float
    sender: str | None
    sender_name: str | None
    type: str
    text: str | None
    content: Mapping[str, Any] | None
    media: Mapping[str, Any] | None
    state: str | None
    error: str | None
    reply_to: str | None
    reactions: tuple[Mapping[str, Any], ...] = ()
    edited_at: float | None = None
    deleted_at: float | None = None
    event: int | None = None
    send: str | None = None


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """A chat in a list; `unread` counts received messages behind the last read mark, up to 1000."""

    chat: str
    name: str | None
    kind: str | None
    last: ChatMessage | None
    unread: int
    last_at: float
    retention: float | None


class Erased(msgspec.Struct, frozen=True):
    """What an erasure removed; `media` are the ids of the files that came with the events."""

    events: int
    messages: int
    media: tuple[str, ...] = ()
