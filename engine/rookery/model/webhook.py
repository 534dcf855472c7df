"""A webhook, its deliveries and their outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

import msgspec

from .event import Event

HIDDEN = "***"


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that events are posted to (F3), or a sink: the same with a message broker behind its URL."""

    id: str
    url: str
    secret: str  # whsec_..., encrypted at rest, never in an answer after creation
    session: str | None = None  # None: every session
    events: tuple[str, ...] | None = None  # None: every type
    chats: tuple[str, ...] | None = None  # None: every chat
    headers: Mapping[str, str] = {}  # sent with each delivery; may hold secrets, so encrypted at rest
    timeout: float | None = None  # seconds; None: as the engine is set
    previous_secret: str | None = None  # signs too, until `previous_until`
    previous_until: float | None = None
    target: str | None = None  # of a sink: the subject, routing key or stream, with fields such as {session}
    replies: bool = False  # an answer may hold messages to send
    format: str = "rookery"  # of the payload
    enabled: bool = True
    unreadable: str | None = None  # why its secret or another column cannot be read; nothing is delivered then
    created_at: float = 0.0
    updated_at: float = 0.0

    @property
    def is_sink(self) -> bool:
        """True when a broker is behind it."""
        return self.target is not None

    def __repr__(self) -> str:
        return f"<Webhook {self.id!r} session={self.session!r} enabled={self.enabled}>"


def shown_url(url: str) -> str:
    """An address for people: `***` in place of user, password and the values of the query, which are often tokens."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    authority = parts.netloc.rpartition("@")
    netloc = f"{HIDDEN}@{authority[2]}" if authority[1] else parts.netloc
    query = "&".join(
        f"{name}={HIDDEN}" if equals else HIDDEN
        for name, equals, _ in (part.partition("=") for part in parts.query.split("&"))
    )
    return urlunsplit((parts.scheme, netloc, parts.path, query if parts.query else "", ""))


def public_url(url: str) -> str:
    """The part of an address that is stored in clear: its host, with `/***` for the rest, which may be a token."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    more = parts.path not in ("", "/") or parts.query or "@" in parts.netloc
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" + (f"/{HIDDEN}" if more else parts.path)


def lane_of(session: str, chat: str | None) -> str:
    """Deliveries of one lane are made in order."""
    return f"{session}/{chat or ''}"


class Delivery(msgspec.Struct, frozen=True):
    """One event on its way to one webhook. A `lane` (session and chat) is delivered in order."""

    webhook: str
    event: Event
    lane: str
    attempts: int = 0


class DeliveryOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one attempt to deliver.

    `delivered`: done, the row goes away. Otherwise the attempt failed: `retry_at` set parks the lane until then; without
    it the delivery becomes a dead letter and its lane goes on.
    """

    webhook: str
    event_id: int
    delivered: bool
    at: float
    retry_at: float | None = None
    error: str | None = None


class DeadLetter(msgspec.Struct, frozen=True):
    """A delivery that was given up."""

    event: Event
    attempts: int
    error: str
    at: float


class ReplayQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters to deliver again: those that fit every condition given. `since` and `until` (exclusive) are about
    when they were given up."""

    event_ids: tuple[int, ...] | None = None
    session: str | None = None
    since: float | None = None
    until: float | None = None


class WebhookFacts(msgspec.Struct, frozen=True):
    """The first three are counted, the others written lazily (`DeliveryNote`), by the instance that delivers."""

    pending: int = 0
    dead: int = 0
    oldest_pending_at: float | None = None  # when the event was stored that waits longest
    last_success_at: float | None = None
    last_error: str | None = None
    last_error_at: float | None = None
    last_status: int | None = None  # of the last attempt; None when nothing was answered
    delivered: int = 0  # attempts since the webhook was made
    failed: int = 0
    rate: float = 0.0  # deliveries a second, lately
    noted_at: float | None = None

    def lag(self, now: float) -> float:
        """Seconds for which the oldest undelivered event has waited; 0 when nothing waits."""
        return 0.0 if self.oldest_pending_at is None else max(0.0, now - self.oldest_pending_at)


class DeliveryNote(msgspec.Struct, frozen=True, kw_only=True):
    """What happened since the last note; None: nothing of that kind."""

    last_success_at: float | None = None
    last_error: str | None = None
    last_error_at: float | None = None
    last_status: int | None = None  # taken with `delivered` or `failed` only
    delivered: int = 0
    failed: int = 0
    rate: float | None = None
    at: float = 0.0
