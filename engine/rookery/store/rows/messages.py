"""Rows of outbound messages to our nouns and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ...model.content import Content, Text, decode_content
from ...model.message import MessageState, OutboundMessage, Receipt, SendOutcome
from .unreadable import Troubles
from .values import Row, to_json

MESSAGE_COLUMNS = (
    "id, session, recipient, content, options, reply_to, state, idempotency_key, receipt, error, attempts, "
    "created_at, updated_at, expires_at, send_at, ttl"
)
CALL_START = '{"type":"call",'
"""How the stored content of a `PlatformCall` begins. The condition of the index `messages_calls` contains it."""

_object = msgspec.json.Decoder(dict[str, Any])
_receipt = msgspec.json.Decoder(Receipt)


def message_to_row(message: OutboundMessage) -> Row:
    """For `MESSAGE_COLUMNS`."""
    return (
        message.id,
        message.session,
        message.to,
        to_json(message.content),
        to_json(message.options) if message.options else "{}",
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
        message.ttl,
    )


def message_from_row(row: Row) -> OutboundMessage:
    """From `MESSAGE_COLUMNS`. Values that cannot be read are described in `OutboundMessage.unreadable` and in
    `error`."""
    troubles = Troubles()
    content: Content = troubles.read("content", lambda: decode_content(row[3]), Text(""))
    options: dict[str, Any] = troubles.read("options", lambda: _object.decode(row[4]), {})
    state = troubles.read("state", lambda: MessageState(row[6]), MessageState.UNKNOWN)
    receipt: Receipt | None = Troubles().read(
        "receipt", lambda: None if row[8] is None else _receipt.decode(row[8]), None
    )
    return OutboundMessage(
        id=row[0],
        session=row[1],
        to=row[2],
        content=content,
        options=options,
        reply_to=row[5],
        state=state,
        idempotency_key=row[7],
        receipt=receipt,
        error=row[9] or troubles.words,
        attempts=row[10],
        created_at=row[11],
        updated_at=row[12],
        expires_at=row[13],
        send_at=row[14],
        ttl=row[15],
        unreadable=troubles.words,
    )


def unreadable_outcomes(messages: Sequence[OutboundMessage]) -> list[SendOutcome]:
    """The final outcomes of messages that cannot be sent because their rows cannot be read."""
    return [
        SendOutcome(id=message.id, state=MessageState.FAILED, at=message.updated_at, error=message.unreadable)
        for message in messages
        if message.unreadable is not None
    ]
