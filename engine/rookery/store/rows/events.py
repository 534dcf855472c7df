"""Rows of the event log to our nouns."""

from __future__ import annotations

import msgspec

from ...model.event import Event
from .values import Row

EVENT_COLUMNS = "id, session, platform, type, key, time, chat, sender, body, raw"


def event_from_row(row: Row) -> Event:
    """From `EVENT_COLUMNS`."""
    body, raw = msgspec.Raw(row[8]), msgspec.Raw(row[9])
    return Event(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], body, raw)
