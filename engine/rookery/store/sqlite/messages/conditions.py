"""Conditions of partial indexes on messages. SQLite uses such an index only where a query repeats its condition."""

from __future__ import annotations

UNDER_WAY = "state IN ('queued', 'sending')"
FINISHED = "state <> 'queued' AND state <> 'sending' AND state <> 'scheduled'"
UNUSUAL = f"{FINISHED} AND state <> 'sent'"
