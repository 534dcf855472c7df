"""A webhook, its deliveries and their outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

import msgspec

from .event import Event

HIDDEN = "***"


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that receives events by POST (F3), or a sink, whose URL names a message broker."""

    id: str
    url: str
    secret: str  # whsec_..., encrypted at rest, never in an answer after creation
    session: str | None = None  # None: every session
    events: tuple[str, ...] | None = None  # None: every type
    chats: tuple[str, ...] | None = None  # None: every chat
    headers: Mapping[str, str] = {}  # sent with each delivery; may hold secrets, so encrypted at rest
    timeout: float | None = None  # seconds; None: the engine's default
    previous_secret: str | None = None  # also signs, until `previous_until`
    previous_until: float | None = None
    target: str | None = None  # of a sink: the subject, routing key or stream, with fields such as {session}
    commands: str | None = None  # of a sink: the subject, queue or stream that sends are read from
    replies: bool = False  # an answer may contain messages to send
    format: str = "rookery"  # format of the payload
    enabled: bool = True
    unreadable: str | None = None  # why its secret or another column cannot be read; until then nothing is delivered
    created_at: float = 0.0
    updated_at: float = 0.0

    @property
    def is_sink(self) -> bool:
        """True when the URL leads to a broker."""
        return self.target is not None

    def __repr__(self) -> str:
        return f"<Webhook {self.id!r} session={self.session!r} enabled={self.enabled}>"


def shown_url(url: str) -> str:
    """An address for people: `***` replaces user, password and the values of the query, which are often tokens."""
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
    """The part of an address that is stored in clear text: its host; `/***` replaces the rest, which may be a token."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return HIDDEN
    more = parts.path not in ("", "/") or parts.query or "@" in parts.netloc
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" + (f"/{HIDDEN}" if more else parts.path)


def lane_of(session: str, chat: str | None) -> str:
    """The lane of a session's chat. Deliveries of one lane are made in order."""
    return f"{session}/{chat or ''}"


def event_id(event: Event) -> str:
    """The event's id as endpoints see it. Test events are not stored and have no number, so their key distinguishes
    them."""
    return f"evt_{event.id}" if event.id else f"evt_test_{event.key}"


class Delivery(msgspec.Struct, frozen=True):
    """One event on its way to one webhook. A `lane` (session and chat) is delivered in order."""

    webhook: str
    event: Event
    lane: str
    attempts: int = 0


class DeliveryOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one attempt to deliver.

    `delivered`: done, the row is deleted. Otherwise the attempt failed: `retry_at`, if set, parks the lane until then;
    without it the delivery becomes a dead letter and its lane continues.
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
    """Which dead letters to deliver again: those that match every given condition. `since` and `until` (exclusive)
    bound the time when they were given up."""

    event_ids: tuple[int, ...] | None = None
    session: str | None = None
    since: float | None = None
    until: float | None = None


class DeliveryAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to deliver an event, as operators see it. `seconds` is how long the endpoint took; `status` is the HTTP
    status, None without an answer; `answer` is the beginning of the endpoint's answer as printable text, without our
    secrets. A delivered attempt has an `error` when its replies were bad."""

    event_id: int
    attempt: int  # counted from 1
    at: float  # when it began
    seconds: float
    delivered: bool
    status: int | None = None
    error: str | None = None
    answer: str = ""
    session: str = ""  # of the event; set when it is read
    type: str = ""
    chat: str | None = None


ATTEMPTS_KEPT = 50
"""How many attempts are kept for each webhook."""


class WebhookFacts(msgspec.Struct, frozen=True):
    """The delivering instance writes some of these lazily (`DeliveryNote`); the first three are counted."""

    pending: int = 0
    dead: int = 0
    oldest_pending_at: float | None = None  # when the oldest waiting event was stored
    last_success_at: float | None = None
    last_error: str | None = None
    last_error_at: float | None = None
    last_status: int | None = None  # of the last attempt; None without an answer
    delivered: int = 0  # attempts since the webhook was created
    failed: int = 0
    rate: float = 0.0  # deliveries per second, recently
    noted_at: float | None = None
    latency_p50: float | None = None  # seconds that half of the recent attempts took at most
    latency_p99: float | None = None
    commands_accepted: int = 0  # of a sink, since it was created
    commands_refused: int = 0
    command_error: str | None = None  # why the last command was refused, or why none can be read
    command_error_at: float | None = None

    def lag(self, now: float) -> float:
        """Seconds that the oldest undelivered event has waited; 0 when none waits."""
        return 0.0 if self.oldest_pending_at is None else max(0.0, now - self.oldest_pending_at)


class DeliveryNote(msgspec.Struct, frozen=True, kw_only=True):
    """What happened since the last note; None: nothing of that kind."""

    last_success_at: float | None = None
    last_error: str | None = None
    last_error_at: float | None = None
    last_status: int | None = None  # set only together with `delivered` or `failed`
    delivered: int = 0
    failed: int = 0
    rate: float | None = None
    at: float = 0.0
    latency_p50: float | None = None
    latency_p99: float | None = None
    commands_accepted: int = 0
    commands_refused: int = 0
    command_error: str | None = None
    command_error_at: float | None = None
    attempts: tuple[DeliveryAttempt, ...] = ()  # the newest, at most `ATTEMPTS_KEPT`, oldest first
