"""Chats as the API shows them: received and sent messages in one order, with later changes applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from .event import Event
from .message import OutboundMessage


class ChatSource(NamedTuple):
    """The part of an event that the view of chats needs. `body` is JSON."""

    id: int
    uid: int
    type: str
    platform: str
    time: float
    chat: str | None
    body: bytes
    stored_at: float


class ChatEntry(msgspec.Struct, frozen=True):
    """An event's place in its chat: a message (`in`, `out`), or a change to the message `message_id`."""

    event: int
    uid: int
    chat: str
    at: float
    role: str
    message_id: str


class ChatNews(msgspec.Struct, kw_only=True):
    """What events say about a chat; None: nothing new. `last_at` None: the events contain no message."""

    uid: int
    chat: str
    name: str | None = None
    kind: str | None = None
    last_at: float | None = None
    read_at: float | None = None


class ChatRow(msgspec.Struct, frozen=True, kw_only=True):
    """A chat as stored, with its newest event and send; the later of the two is its last message."""

    chat: str
    name: str | None
    kind: str | None
    last_at: float
    unread: int
    retention: float | None
    event: tuple[float, str, Event] | None = None  # when, role, event
    send: OutboundMessage | None = None


ChatPlace = tuple[float, str]
"""A position in a session's list of chats: (`last_at`, `chat`). Newer chats come first, and have greater places."""


class ChatRows(msgspec.Struct, frozen=True):
    """The chats that a search found, as stored, newest first. `next`: the search continues after this place; None: all
    chats were examined."""

    rows: Sequence[ChatRow]
    next: ChatPlace | None


class Position(NamedTuple):
    """A position in a chat: the time, whether it is a send (1) or an event (0), and its number. Positions sort in this
    order."""

    at: float
    sent: int
    number: int


NEWEST = Position(float("1e300"), 1, 2**62)


class ChatPage(msgspec.Struct, frozen=True):
    """One page of a chat as stored, newest first: events with time and role, sends with their number, the events that
    refer to these messages as (message id, role, event), and the sends that refer to other messages."""

    events: list[tuple[float, str, Event]]
    sends: list[tuple[int, OutboundMessage]]


class ChatMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a chat in its current form.

    `direction` is `in` or `out`. `state` is the state of a send, `sent` for a message from another device, None for a
    received message. `content` is None after a deletion. `event` and `send` name the event or the send that the message
    came from.
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
    votes: tuple[Mapping[str, Any], ...] = ()
    edited_at: float | None = None
    deleted_at: float | None = None
    event: int | None = None
    send: str | None = None


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """A chat in a list; `unread` counts received messages after the last read mark, up to 1000."""

    chat: str
    name: str | None
    kind: str | None
    last: ChatMessage | None
    unread: int
    last_at: float
    retention: float | None


class ChatsPage(msgspec.Struct, frozen=True):
    """A page of a session's chats, newest first. `next`: the list or the search continues after this place; None: it is
    complete."""

    chats: Sequence[Chat]
    next: ChatPlace | None


class ChatMessages(msgspec.Struct, frozen=True):
    """A page of a chat, newest first. `next`: older messages come before this position; None: there are none."""

    messages: list[ChatMessage]
    next: Position | None


class ChatSearch(msgspec.Struct, frozen=True):
    """The messages that a search found, newest first. `next`: the search continues before this position; None: the
    whole chat was searched."""

    messages: list[ChatMessage]
    next: Position | None


class Erased(msgspec.Struct, frozen=True):
    """The result of an erasure; `media` are the ids of the files that came with the events."""

    events: int
    messages: int
    media: tuple[str, ...] = ()
