"""Database rows to our nouns and back: the same for every kind of database.

Rows are sequences in the order of the column lists here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ...errors import InvalidInput
from ...model import (
    Action,
    DeadLetter,
    Event,
    Health,
    MessageState,
    OutboundMessage,
    Reason,
    Receipt,
    Session,
    SessionStatus,
    Transition,
    Webhook,
)
from ...model.content import decode_content
from ..secrets import SecretBox

Row = Sequence[Any]

SESSION_COLUMNS = (
    "uid, id, platform, name, enabled, status, reason, detail, since, action, last_error, next_retry_at, credentials, "
    "settings, metadata, cursor, commands, restarts, heeded, fence, owner, created_at, updated_at"
)
NEW_SESSION_COLUMNS = SESSION_COLUMNS.removeprefix("uid, ").replace("owner, ", "")
"""Without what the store itself gives a session."""
EVENT_COLUMNS = "id, session, platform, type, key, time, chat, sender, body, raw"
MESSAGE_COLUMNS = (
    "id, session, recipient, content, options, reply_to, state, idempotency_key, receipt, error, attempts, "
    "created_at, updated_at, expires_at, send_at"
)
WEBHOOK_COLUMNS = "id, url, secret, session, events, enabled, created_at, updated_at, chats, private, timeout"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_receipt = msgspec.json.Decoder(Receipt)


def to_json(value: Any) -> str:
    """JSON text. Raises InvalidInput."""
    try:
        return _encode(value).decode()
    except (TypeError, UnicodeEncodeError, OverflowError, RecursionError) as error:
        raise InvalidInput(f"cannot be written as JSON: {error}") from None


def health_to_row(health: Health) -> Row:
    """For `status` to `next_retry_at`, as they stand in `SESSION_COLUMNS`."""
    return (
        health.status.value,
        health.reason.value,
        health.detail,
        health.since,
        health.action.value,
        health.last_error,
        health.next_retry_at,
    )


def session_to_row(session: Session, secrets: SecretBox) -> Row:
    """For `NEW_SESSION_COLUMNS`."""
    return (
        session.id,
        session.platform,
        session.name,
        session.enabled,
        *health_to_row(session.health),
        secrets.seal(session.credentials),
        secrets.seal(session.settings),
        to_json(session.metadata),
        session.cursor,
        session.commands,
        session.restarts,
        session.heeded,
        session.fence,
        session.created_at,
        session.updated_at,
    )


def session_from_row(row: Row, secrets: SecretBox) -> Session:
    """From `SESSION_COLUMNS`. Raises SecretKeyError."""
    return Session(
        uid=row[0],
        id=row[1],
        platform=row[2],
        name=row[3],
        enabled=bool(row[4]),
        health=Health(
            status=SessionStatus(row[5]),
            reason=Reason(row[6]),
            detail=row[7],
            since=row[8],
            action=Action(row[9]),
            last_error=row[10],
            next_retry_at=row[11],
        ),
        credentials=secrets.unseal(row[12]),
        settings=secrets.unseal(row[13]),
        metadata=_decode(row[14]),
        cursor=row[15],
        commands=row[16],
        restarts=row[17],
        heeded=row[18],
        fence=row[19],
        owner=row[20],
        created_at=row[21],
        updated_at=row[22],
    )


def transition_from_row(row: Row) -> Transition:
    """From (status, reason, detail, at)."""
    return Transition(SessionStatus(row[0]), Reason(row[1]), row[2], row[3])


def event_from_row(row: Row) -> Event:
    """From `EVENT_COLUMNS`."""
    body = _document(row[8])
    body = body if isinstance(body, dict) else {"value": body}
    return Event(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], body, _document(row[9]))


def _document(data: bytes) -> Any:
    """Decoded JSON. What is not JSON comes as text: one odd row must not stop every reader of the log."""
    try:
        return _decode(data)
    except msgspec.DecodeError:
        return data.decode(errors="replace") or None


def message_to_row(message: OutboundMessage) -> Row:
    """For `MESSAGE_COLUMNS`."""
    return (
        message.id,
        message.session,
        message.to,
        to_json(message.content),
        to_json(message.options),
        message.reply_to,
        message.state.value,
        message.idempotency_key,
        None if message.receipt is None else to_json(message.receipt),
        message.error,
        message.attempts,
        message.created_at,
        message.updated_at,
        message.expires_at,
        message.send_at,
    )


def message_from_row(row: Row) -> OutboundMessage:
    """From `MESSAGE_COLUMNS`."""
    return OutboundMessage(
        id=row[0],
        session=row[1],
        to=row[2],
        content=decode_content(row[3]),
        options=_decode(row[4]),
        reply_to=row[5],
        state=MessageState(row[6]),
        idempotency_key=row[7],
        receipt=None if row[8] is None else _receipt.decode(row[8]),
        error=row[9],
        attempts=row[10],
        created_at=row[11],
        updated_at=row[12],
        expires_at=row[13],
        send_at=row[14],
    )


def is_same_request(one: OutboundMessage, other: OutboundMessage) -> bool:
    """True when a repeated idempotency key asks for the same thing again."""
    return (one.session, one.to, one.content, one.reply_to, one.options) == (
        other.session,
        other.to,
        other.content,
        other.reply_to,
        other.options,
    )


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
"""How good a state is. One under way (0) gives way to any; a final one only to one that is as good."""


def may_follow(stored: MessageState, new: MessageState) -> bool:
    """True when `new` may be written over `stored`."""
    return STATE_RANKS[stored] == 0 or STATE_RANKS[new] >= STATE_RANKS[stored]


def webhook_from_row(row: Row, secrets: SecretBox) -> Webhook:
    """From `WEBHOOK_COLUMNS`. Raises SecretKeyError."""
    private = secrets.unseal(row[9])
    return Webhook(
        id=row[0],
        url=row[1],
        secret=secrets.decrypt(row[2]) if row[2] else "",
        session=row[3],
        events=None if row[4] is None else tuple(_decode(row[4])),
        enabled=bool(row[5]),
        created_at=row[6],
        updated_at=row[7],
        chats=None if row[8] is None else tuple(_decode(row[8])),
        headers=private.get("headers", {}),
        timeout=row[10],
        previous_secret=private.get("previous_secret"),
        previous_until=private.get("previous_until"),
    )


def webhook_to_row(webhook: Webhook, secrets: SecretBox) -> Row:
    """For `WEBHOOK_COLUMNS`."""
    private = {
        "headers": dict(webhook.headers),
        "previous_secret": webhook.previous_secret,
        "previous_until": webhook.previous_until,
    }
    return (
        webhook.id,
        webhook.url,
        secrets.encrypt(webhook.secret),
        webhook.session,
        None if webhook.events is None else to_json(webhook.events),
        webhook.enabled,
        webhook.created_at,
        webhook.updated_at,
        None if webhook.chats is None else to_json(webhook.chats),
        secrets.seal({name: value for name, value in private.items() if value}),
        webhook.timeout,
    )


def dead_letter_from_row(row: Row) -> DeadLetter:
    """From (attempts, error, at) and `EVENT_COLUMNS`."""
    return DeadLetter(event_from_row(row[3:]), row[0], row[1], row[2])


def lane_of(session: str, chat: str | None) -> str:
    """Deliveries of one lane are made in order."""
    return f"{session}/{chat or ''}"
