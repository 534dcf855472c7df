"""An outbound message, its states and their order."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from .content import Content

STATUS_EVENT = "message.status"
"""The type of events about the states of sends. Only readers that name this type receive them."""
STATUS_EPOCH = -1
"""Keeps the keys of these events apart from those of a platform."""


class MessageState(StrEnum):
    """The state of an outbound message. The first three are in progress; the others are final or, after SENT, can only
    improve."""

    SCHEDULED = "scheduled"  # waits for its time
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    EXPIRED = "expired"
    UNKNOWN = "unknown"  # the request was sent but no answer came: it may or may not have been delivered
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """True when the engine will do nothing more for the message."""
        return self not in _IN_PROGRESS


_IN_PROGRESS = frozenset((MessageState.SCHEDULED, MessageState.QUEUED, MessageState.SENDING))


STATE_RANKS = {
    MessageState.SCHEDULED: 0,
    MessageState.QUEUED: 0,
    MessageState.SENDING: 0,
    MessageState.FAILED: 1,
    MessageState.EXPIRED: 1,
    MessageState.CANCELLED: 1,
    MessageState.UNKNOWN: 1,
    MessageState.SENT: 2,
    MessageState.DELIVERED: 3,
    MessageState.READ: 4,
}
"""The rank of a state. A state in progress (0) gives way to any state; a final one only to a state of at least the same
rank."""


def may_follow(stored: MessageState, new: MessageState) -> bool:
    """True when `new` may be written over `stored`."""
    return STATE_RANKS[stored] == 0 or STATE_RANKS[new] >= STATE_RANKS[stored]


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The platform's answer to a send."""

    message_id: str
    time: float
    chat: str | None = None


class OutboundMessage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One send, from acceptance to its final state (F4)."""

    id: str
    session: str
    to: str
    content: Content
    created_at: float
    updated_at: float
    expires_at: float
    send_at: float | None = None  # as requested; a time in the past means at once
    ttl: float | None = None  # seconds, as requested; None: the engine's default
    state: MessageState = MessageState.QUEUED
    reply_to: str | None = None
    options: Mapping[str, Any] = {}  # fields that only this platform knows, passed on as they are
    idempotency_key: str | None = None
    receipt: Receipt | None = None
    error: str | None = None
    attempts: int = 0
    unreadable: str | None = None  # why its row cannot be read; the message is not sent


def is_same_request(one: OutboundMessage, other: OutboundMessage) -> bool:
    """True when a repeated idempotency key repeats the same request."""
    return _request_of(one) == _request_of(other)


def _request_of(message: OutboundMessage) -> tuple[object, ...]:
    return (
        message.session,
        message.to,
        message.content,
        message.reply_to,
        message.options,
        message.send_at,
        message.ttl,
    )


def as_queued(message: OutboundMessage) -> OutboundMessage:
    """Returns a message that was to leave at once as one that waits."""
    return msgspec.structs.replace(message, state=MessageState.QUEUED, attempts=0)


def after(message: OutboundMessage, outcome: SendOutcome, *, beginnings: int) -> OutboundMessage:
    """Returns the message as its row will be once `outcome` is stored and `beginnings` more attempts have begun."""
    return msgspec.structs.replace(
        message,
        state=outcome.state,
        updated_at=outcome.at,
        error=outcome.error,
        receipt=outcome.receipt or message.receipt,
        attempts=message.attempts + beginnings,
    )


class Unfinished(msgspec.Struct, frozen=True):
    """The stored messages of one session that are in progress."""

    sending: tuple[str, ...]  # ids
    queued: bool  # whether there are any


class SendOutcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A new state of an outbound message, written by the session's owner."""

    id: str
    state: MessageState
    at: float
    receipt: Receipt | None = None
    error: str | None = None


class Recorded(msgspec.Struct, frozen=True):
    """The result of writing states."""

    refused: frozenset[str] = frozenset()
    """Messages whose state was refused: they are already in a final state, for example cancelled, or gone."""
    announced: bool = False
    """True when the write may have stored events that only this process knows about yet."""


class MessageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which sends of a session to list, newest first; `before` is the number of the last send seen.

    `since` (inclusive) and `until` (exclusive) bound the time of acceptance, in seconds since the epoch.
    """

    session: str
    states: tuple[MessageState, ...] | None = None
    chat: str | None = None
    since: float | None = None
    until: float | None = None
    before: int | None = None
    limit: int = 100
