"""Where the ids of events begin each time that a database is opened.

Ids grow for ever, and no id means two events, also when a backup is restored: events that were stored and delivered after
the backup are forgotten then, and those that are stored instead must not get their ids. So whenever a database is opened
that was there before, its ids go on at a number that follows from the time: above all that can have been given out.
"""

from __future__ import annotations

BEGINNING = 1_735_689_600.0
"""2025-01-01, seconds since the epoch: numbers stay below 2**53, which JSON readers in other languages keep exactly."""

PER_SECOND = 65_536
"""Ids for each second that passes: more than events can be stored."""


def first_after(now: float) -> int:
    """The number above which ids go on in a database that is opened at `now`, seconds since the epoch."""
    return max(0, int((now - BEGINNING) * PER_SECOND))
