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


class OldEvents:
    """Where a run of retention stands: ids grow with the time of storage, so what is old enough is found by halving, and
    what was looked at once is not looked at again in the same run.

    `position`: everything up to here was looked at. `end`: every event below it is old enough.
    """

    def __init__(self) -> None:
        self._before: float | None = None
        self.position = 0
        self.end = 0

    def goes_on(self, before: float) -> bool:
        """True when a run with the same bound is under way; otherwise one begins and `end` has to be found."""
        if self._before == before:
            return True
        self._before, self.position = before, 0
        return False

    def over(self) -> None:
        """The run has seen everything."""
        self._before = None


class Halving:
    """The search for the first event that is too young: ask for `middle` and say what was found there, until it is None."""

    def __init__(self, lowest: int, highest: int) -> None:
        self._low, self._high = lowest, highest + 1

    @property
    def middle(self) -> int | None:
        """Look for the first event from this id on."""
        return None if self._low >= self._high else (self._low + self._high) // 2

    @property
    def end(self) -> int:
        """Every event below this id is old."""
        return self._low

    def found(self, id: int | None, *, old: bool) -> None:
        """The first event from `middle` on; None: there is none."""
        middle = (self._low + self._high) // 2
        if id is not None and id < self._high and old:
            self._low = id + 1
        else:
            self._high = middle
