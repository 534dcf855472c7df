"""Rows of outbound messages to our nouns and back."""

from __future__ import annotations

import msgspec

from ...model.content import decode_content
from ...model.message import MessageState, OutboundMessage, Receipt
from .values import Row, to_json

MESSAGE_COLUMNS = (
    "id, session, recipient, content, options, reply_to, state, idempotency_key, receipt, error, attempts, "
    "created_at, updated_at, expires_at, send_at, ttl"
)
_decode = msgspec.json.Decoder().decode
_receipt = msgspec.json.Decoder(Receipt)


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
        message.ttl,
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
        ttl=row[15],
    )
