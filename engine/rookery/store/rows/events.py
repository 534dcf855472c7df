"""Rows of the event log to our nouns."""

from __future__ import annotations

from typing import Any

import msgspec

from ...model.event import Event
from .values import Row

EVENT_COLUMNS = "id, session, platform, type, key, time, chat, sender, body, raw"
_decode = msgspec.json.Decoder().decode


def event_from_row(row: Row) -> Event:
    """From `EVENT_COLUMNS`."""
    body = _document(row[8])
    body = body if isinstance(body, dict) else {"value": body}
    return Event(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], body, _document(row[9]))


def _document(data: bytes) -> Any:
    """Decoded JSON. Data that is not JSON is returned as text: one odd row must not stop every reader of the log."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return data.decode(errors="replace") or None
