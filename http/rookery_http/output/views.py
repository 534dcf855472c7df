"""Sessions, sends and events as the API shows them.

The class names of this and the other `*_views` are the names in the OpenAPI description.
"""

from __future__ import annotations

from typing import Any

import msgspec

from rookery import model
from rookery.model.content import Text, kind_of
from rookery.model.document import EventDocument, content_document

from ..config.advice import with_variables
from .values import Moment, moment, moment_or_none, redacted, without_password


class ProofOfLife(msgspec.Struct, frozen=True, kw_only=True):
    """When the session last showed that it is alive; kept by the instance that runs it."""

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
    account: dict[str, str | None] | None
    """Who the session is at its platform, as the instance that runs it knows."""
    limited_until: Moment | None
    """Until then the platform lets the account write only to people it knows."""
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
            detail=with_variables(health.detail),
            since=moment(health.since),
            action=health.action,
            last_error=with_variables(health.last_error),
            next_retry_at=moment_or_none(health.next_retry_at),
            owner=session.owner,
            proof_of_life=ProofOfLife.of(life) if life is not None else None,
            account=life.account if life is not None else None,
            limited_until=moment_or_none(life.limited_until) if life is not None else None,
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
    """The result of the deletion."""

    id: str
    deleted: bool
    was_running: bool
    logged_out: bool | None
    detail: str


class Receipt(msgspec.Struct, frozen=True):
    """The platform's answer."""

    message_id: str
    time: Moment
    chat: str | None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A send. Final states are sent, delivered, read, failed, expired, unknown and cancelled; `error` says why.

    `content` is as requested, for as long as the send is kept; it names a file by its `href` or `url`.
    """

    id: str
    session: str
    to: str
    type: str
    content: dict[str, Any]
    options: dict[str, Any]
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
        receipt, error, content = message.receipt, message.error, message.content
        created = moment(message.created_at)
        document = content_document(message)
        if type(content) is Text:
            kind = "text"
        else:
            kind, document = kind_of(content), _without_passwords(document)
        return cls(
            id=message.id,
            session=message.session,
            to=message.to,
            type=kind,
            content=document,
            options=dict(message.options),
            state=message.state,
            receipt=None if receipt is None else Receipt(receipt.message_id, moment(receipt.time), receipt.chat),
            error=None if error is None else with_variables(error),
            attempts=message.attempts,
            reply_to=message.reply_to,
            idempotency_key=message.idempotency_key,
            created_at=created,
            updated_at=created if message.updated_at == message.created_at else moment(message.updated_at),
            expires_at=moment(message.expires_at),
            send_at=None if message.send_at is None else moment(message.send_at),
        )


def _without_passwords(content: dict[str, Any]) -> dict[str, Any]:
    if isinstance(content.get("url"), str):
        content["url"] = without_password(content["url"])
    return content


class MessagePage(msgspec.Struct, frozen=True):
    """Newest first; `next` is the value of `before` for the next page, null on the last."""

    messages: list[Message]
    next: int | None


class Event(EventDocument, frozen=True, kw_only=True):
    """Something that a platform reported: `body` has the normalised fields, `raw` the platform's own document."""


class EventPage(msgspec.Struct, frozen=True):
    """`next` is the value of `after` (or of `before`, when that was given) for the next page, null when there is nothing
    more now."""

    events: list[Event]
    next: int | None


class EventTypeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A type of event. `platform` null: of every platform. `quiet`: only for those who name it. `body` is a JSON schema."""

    type: str
    platform: str | None
    summary: str
    quiet: bool
    body: dict[str, Any]


class EventTypeList(msgspec.Struct, frozen=True):
    """The catalogue of event types."""

    event_types: list[EventTypeRow]


class Deleted(msgspec.Struct, frozen=True):
    id: str
    deleted: bool
