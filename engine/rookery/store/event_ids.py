"""Where event ids begin each time a database is opened.

Ids increase for ever, and an id never identifies two events, even after a backup is restored. Events stored and
delivered after the backup are then lost, and the events stored in their place must not get the same ids. So whenever an
existing database is opened, its ids continue at a number derived from the time, above every id that can have been
assigned.
"""

from __future__ import annotations

BEGINNING = 1_735_689_600.0
"""2025-01-01, in seconds since the epoch: numbers stay below 2**53, which JSON readers in other languages keep
exactly."""

PER_SECOND = 65_536
"""Ids reserved for each second that passes: more than the number of events that can be stored."""


def first_after(now: float) -> int:
    """The number above which ids continue in a database that is opened at `now`, seconds since the epoch."""
    return max(0, int((now - BEGINNING) * PER_SECOND))


class OldEvents:
    """The state of a retention run. Ids increase with the time of storage, so the run finds the old events by bisection
    and does not check an event twice.

    `position`: everything up to here was checked. `end`: every event below it is old enough.
    """

    def __init__(self) -> None:
        self._before: float | None = None
        self.position = 0
        self.end = 0

    def goes_on(self, before: float) -> bool:
        """True when a run with the same bound is in progress; otherwise a new one begins and `end` must be found."""
        if self._before == before:
            return True
        self._before, self.position = before, 0
        return False

    def begin_again(self) -> None:
        """What held events back up to here may be gone; `end` stays as it is."""
        self.position = 0

    def over(self) -> None:
        """The run has checked everything."""
        self._before = None


class Halving:
    """Bisects for the first event that is too young: look up `middle` and report the result, until it is None."""

    def __init__(self, lowest: int, highest: int) -> None:
        self._low, self._high = lowest, highest + 1

    @property
    def middle(self) -> int | None:
        """Look up the first event from this id on."""
        return None if self._low >= self._high else (self._low + self._high) // 2

    @property
    def end(self) -> int:
        """Every event below this id is old."""
        return self._low

    def found(self, id: int | None, *, old: bool) -> None:
        """Report the first event from `middle` on; None: there is no such event."""
        middle = (self._low + self._high) // 2
        if id is not None and id < self._high and old:
            self._low = id + 1
        else:
            self._high = middle
