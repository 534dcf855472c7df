"""What the API shows of the engine's data: times as ISO 8601 in UTC, and never a secret.

The class names are the names in the OpenAPI description.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from rookery import model
from rookery.documents import iso, public_body
from rookery.media.files import MediaFile, MediaOrigin, MediaState
from rookery.webhook_facts import WebhookFacts

LAST_SECOND = 253402300799.0  # of the year 9999
Moment = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"}, examples=["2026-01-31T12:00:00.000Z"])]
REDACTED = "***"
_SECRET_NAME = re.compile(
    r"token|secret|passw|passphrase|api_?key|private_?key|credential|authorization", re.IGNORECASE
)


def moment(seconds: float) -> str:
    """A time for JSON; what a platform sent from beyond the calendar is shown as its edge."""
    return iso(min(max(seconds, 0.0), LAST_SECOND)) or ""


def moment_or_none(seconds: float | None) -> str | None:
    return None if seconds is None else moment(seconds)


def redacted(value: Any) -> Any:
    """The same document with `***` in place of what a key calls a token, secret or password, and of passwords in URLs."""
    if isinstance(value, Mapping):
        return {
            name: REDACTED if _SECRET_NAME.search(str(name)) and item not in (None, "") else redacted(item)
            for name, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [redacted(item) for item in value]
    return without_password(value) if isinstance(value, str) else value


def without_password(url: str) -> str:
    """The address with `***` for the password in it."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    account, at, host = authority.rpartition("@")
    user, colon, _ = account.partition(":")
    return f"{scheme}{separator}{user}{colon}{REDACTED}{at}{host}{slash}{path}" if colon and at else url


class ProofOfLife(msgspec.Struct, frozen=True, kw_only=True):
    """When the session last showed that it lives; kept by the instance that runs it."""

    last_pong: Moment | None
    last_inbound: Moment | None
    last_ack: Moment | None
    last_probe: Moment | None
    probe_latency: float | None  # seconds

    @classmethod
    def of(cls, life: model.ProofOfLife) -> ProofOfLife:
        return cls(
            last_pong=moment_or_none(life.last_pong),
            last_inbound=moment_or_none(life.last_inbound),
            last_ack=moment_or_none(life.last_ack),
            last_probe=moment_or_none(life.last_probe),
            probe_latency=life.probe_latency,
        )


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session: what the operator wants (`enabled`) and what was last observed (`status` and its explanation)."""

    id: str
    platform: str
    name: str
    enabled: bool
    status: model.SessionStatus
    reason: model.Reason
    detail: str
    since: Moment
    action: model.Action
    last_error: str | None
    next_retry_at: Moment | None
    owner: str | None
    proof_of_life: ProofOfLife | None
    has_credentials: bool
    settings: dict[str, Any]
    metadata: dict[str, Any]
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, session: model.Session, life: model.ProofOfLife | None) -> Session:
        health = session.health
        return cls(
            id=session.id,
            platform=session.platform,
            name=session.name,
            enabled=session.enabled,
            status=health.status,
            reason=health.reason,
            detail=health.detail,
            since=moment(health.since),
            action=health.action,
            last_error=health.last_error,
            next_retry_at=moment_or_none(health.next_retry_at),
            owner=session.owner,
            proof_of_life=ProofOfLife.of(life) if life is not None else None,
            has_credentials=bool(session.credentials),
            settings=redacted(session.settings),
            metadata=dict(session.metadata),
            created_at=moment(session.created_at),
            updated_at=moment(session.updated_at),
        )


class SessionPage(msgspec.Struct, frozen=True):
    """`next` is the value of `after` for the next page, null on the last."""

    sessions: list[Session]
    next: str | None


class Transition(msgspec.Struct, frozen=True):
    """One change of status."""

    status: model.SessionStatus
    reason: model.Reason
    detail: str
    at: Moment


class StatusHistory(msgspec.Struct, frozen=True):
    """The last 50 changes, newest first."""

    history: list[Transition]


class Deletion(msgspec.Struct, frozen=True, kw_only=True):
    """What the delete really did."""

    id: str
    deleted: bool
    was_running: bool
    logged_out: bool | None
    detail: str


class Receipt(msgspec.Struct, frozen=True):
    """What the platform answered."""

    message_id: str
    time: Moment
    chat: str | None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A send. Final states are sent, delivered, read, failed, expired, unknown and cancelled; `error` says why."""

    id: str
    session: str
    to: str
    type: str
    state: model.MessageState
    receipt: Receipt | None
    error: str | None
    attempts: int
    reply_to: str | None
    idempotency_key: str | None
    created_at: Moment
    updated_at: Moment
    expires_at: Moment
    send_at: Moment | None

    @classmethod
    def of(cls, message: model.OutboundMessage) -> Message:
        receipt = message.receipt
        return cls(
            id=message.id,
            session=message.session,
            to=message.to,
            type=str(message.content.__struct_config__.tag),
            state=message.state,
            receipt=Receipt(receipt.message_id, moment(receipt.time), receipt.chat) if receipt else None,
            error=message.error,
            attempts=message.attempts,
            reply_to=message.reply_to,
            idempotency_key=message.idempotency_key,
            created_at=moment(message.created_at),
            updated_at=moment(message.updated_at),
            expires_at=moment(message.expires_at),
            send_at=moment_or_none(message.send_at),
        )


class MessagePage(msgspec.Struct, frozen=True):
    """Newest first; `next` is the value of `before` for the next page, null on the last."""

    messages: list[Message]
    next: int | None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a platform told: `body` has the normalised fields, `raw` the platform's own document."""

    id: int
    session: str
    platform: str
    type: str
    key: str
    time: Moment
    chat: str | None
    sender: str | None
    body: dict[str, Any]
    raw: Any

    @classmethod
    def of(cls, event: model.Event) -> Event:
        return cls(
            id=event.id,
            session=event.session,
            platform=event.platform,
            type=event.type,
            key=event.key,
            time=moment(event.time),
            chat=event.chat,
            sender=event.sender,
            body=public_body(event),
            raw=event.raw,
        )


class EventPage(msgspec.Struct, frozen=True):
    """`next` is the value of `after` for the next page, null when there is nothing more now."""

    events: list[Event]
    next: int | None


class Webhook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An endpoint, and how deliveries to it go. `secret` is shown once, in the answer to its creation or rotation.

    `pending` events wait, the oldest for `lag` seconds. `delivered` and `failed` count attempts, `last_status` is what the
    last one was answered (null: nothing), `deliveries_per_second` is the rate of the last 10 s; these are up to 2 s old.
    """

    id: str
    url: str
    session: str | None
    events: list[str] | None
    chats: list[str] | None
    headers: dict[str, str]
    timeout: float | None
    enabled: bool
    previous_secret_until: Moment | None
    created_at: Moment
    updated_at: Moment
    pending: int
    dead: int
    oldest_pending_at: Moment | None
    last_success_at: Moment | None
    last_error: str | None
    last_error_at: Moment | None
    last_status: int | None
    delivered: int
    failed: int
    deliveries_per_second: float
    lag: float
    secret: str | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(cls, webhook: model.Webhook, facts: WebhookFacts | None = None, *, show_secret: bool = False) -> Webhook:
        facts = facts or WebhookFacts()
        return cls(
            id=webhook.id,
            url=without_password(webhook.url),
            session=webhook.session,
            events=list(webhook.events) if webhook.events is not None else None,
            chats=list(webhook.chats) if webhook.chats is not None else None,
            headers=dict.fromkeys(webhook.headers, REDACTED),
            timeout=webhook.timeout,
            enabled=webhook.enabled,
            previous_secret_until=moment_or_none(webhook.previous_until),
            pending=facts.pending,
            dead=facts.dead,
            oldest_pending_at=moment_or_none(facts.oldest_pending_at),
            last_success_at=moment_or_none(facts.last_success_at),
            last_error=facts.last_error,
            last_error_at=moment_or_none(facts.last_error_at),
            last_status=facts.last_status,
            delivered=facts.delivered,
            failed=facts.failed,
            deliveries_per_second=facts.rate,
            lag=facts.lag(time.time()),
            created_at=moment(webhook.created_at),
            updated_at=moment(webhook.updated_at),
            secret=webhook.secret if show_secret else msgspec.UNSET,
        )


class WebhookList(msgspec.Struct, frozen=True):
    webhooks: list[Webhook]


class DeadLetter(msgspec.Struct, frozen=True):
    """A delivery that was given up."""

    event: Event
    attempts: int
    error: str
    at: Moment

    @classmethod
    def of(cls, letter: model.DeadLetter) -> DeadLetter:
        return cls(Event.of(letter.event), letter.attempts, letter.error, moment(letter.at))


class DeadLetterPage(msgspec.Struct, frozen=True):
    """Ordered by event; `next` is the value of `after` for the next page, null on the last."""

    dead_letters: list[DeadLetter]
    next: int | None


class Replayed(msgspec.Struct, frozen=True):
    """How many dead letters are on their way again."""

    replayed: int


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """A file. `size` and `sha256` are certain once it is stored; `error` says why it could not be fetched."""

    id: str
    session: str | None
    origin: MediaOrigin
    state: MediaState
    content_type: str
    filename: str | None
    size: int | None
    sha256: str | None
    event: int | None
    error: str | None
    created_at: Moment
    expires_at: Moment

    @classmethod
    def of(cls, file: MediaFile) -> Media:
        return cls(
            id=file.id,
            session=file.session,
            origin=file.origin,
            state=file.state,
            content_type=file.content_type,
            filename=file.filename,
            size=file.size,
            sha256=file.sha256,
            event=file.event,
            error=file.error,
            created_at=moment(file.created_at),
            expires_at=moment(file.expires_at),
        )


class MediaPage(msgspec.Struct, frozen=True):
    """`next` is the value of `before` for the next page, null on the last."""

    media: list[Media]
    next: int | None


class Deleted(msgspec.Struct, frozen=True):
    id: str
    deleted: bool
