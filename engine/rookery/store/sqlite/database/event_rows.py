"""Rows of the event log, many at once."""

from __future__ import annotations

from .chunks import ManyRows

INSERT_EVENTS = ManyRows(
    "INSERT INTO events (id, uid, epoch, key, session, platform, type, time, chat, sender, body, raw, stored_at) "
    "VALUES {rows} ON CONFLICT (uid, epoch, key) DO NOTHING",
    13,
)
"""Rows whose key is known are skipped."""
