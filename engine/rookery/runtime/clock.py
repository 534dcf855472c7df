"""The time that stored times are compared with: the database's where several engines share it, otherwise a guarded
one. And the moments at which periodic tasks wake."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import trio

CATCH_UP = 0.1
"""Share of the elapsed time by which a guarded clock slows down while it is ahead of the wall clock."""

DRIFT = 1e-3
"""Seconds per second by which a monotonic clock may be wrong, which determines how fast a measurement becomes
inaccurate."""

BEAT = 10.0
"""Seconds between two moments at which periodic tasks wake together, see `next_beat`."""

STEP = 1.0
"""A difference of this many seconds beyond the uncertainty of both measurements means that the database's clock was
set."""


class GuardedClock:
    """A wall clock that never goes back. May be called from any thread.

    After the wall clock was set back, this clock runs at nine tenths of the usual speed until both agree again, so a
    waiting time computed before the change is never prolonged by much.
    """

    def __init__(self, wall: Callable[[], float] = time.time, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._last = wall()
        self._last_at = elapsed()

    def __call__(self) -> float:
        """Seconds since the epoch."""
        with self._lock:
            wall, at = self._wall(), self._elapsed()
            if wall < self._last:
                wall = max(wall, self._last + max(0.0, at - self._last_at) * (1.0 - CATCH_UP))
            self._last, self._last_at = wall, at
            return wall


class EngineClock:
    """The engine's current time: `wall`, guarded, until `measure` was called; then the database's time.

    Make and call it in one trio run. Between two measurements it advances with trio's own clock, which cannot be set.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._elapsed = trio.lowlevel.current_clock().current_time  # `trio.current_time` would look it up each time
        self._guarded = GuardedClock(wall, self._elapsed)
        self._offset: float | None = None  # the database's time minus trio's
        self._uncertainty = float("inf")  # in seconds, at the time of the measurement
        self._measured_at = 0.0

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self._guarded() if self._offset is None else self._elapsed() + self._offset

    @property
    def skew(self) -> float:
        """Seconds by which the machine's own clock is ahead of this one."""
        return self._wall() - self()

    def measure(self, theirs: float, *, began: float, ended: float) -> None:
        """The database answered `theirs` to a query that started at `began` and ended at `ended` (trio time).

        The less exact of two measurements is dropped, unless they contradict each other: then the newer one counts.
        """
        offset, uncertainty = theirs - (began + ended) / 2, (ended - began) / 2
        if self._offset is not None:
            known = self._uncertainty + DRIFT * (ended - self._measured_at)
            if uncertainty > known and abs(offset - self._offset) <= known + uncertainty + STEP:
                return
        self._offset, self._uncertainty, self._measured_at = offset, uncertainty, ended


def beat_after(at: float, seconds: float = BEAT) -> float:
    """The first multiple of `seconds` after `at`, a trio time."""
    return (at // seconds + 1.0) * seconds


async def next_beat(seconds: float = BEAT) -> None:
    """Sleep until trio's time is a multiple of `seconds`: at most that long. Periodic tasks that wake at the same moment
    find the caches warm; a process that has slept runs its first instructions a hundred times slower than usual."""
    await trio.sleep_until(beat_after(trio.current_time(), seconds))
