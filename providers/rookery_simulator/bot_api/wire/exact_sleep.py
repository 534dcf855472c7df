"""Sleeps that end at their deadline and not up to a millisecond later.

Trio waits in `epoll`, and Python rounds the time of that wait up to whole milliseconds. Linux also has timers that are
files, which wake the same wait within microseconds. Where there are none, a sleep is as exact as Trio's.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

import trio

ROUNDING = 0.0015
"""Seconds before the deadline from which on the timer is used: by so much Trio may wake up late."""

_CLOCK_MONOTONIC = 1
_TIMER_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC if hasattr(os, "O_CLOEXEC") else 0
_Interval = ctypes.c_long * 4  # struct itimerspec: seconds and nanoseconds of the period, then of the first time


async def sleep_until(deadline: float) -> None:
    """Return at `deadline` of Trio's clock, never before it."""
    await trio.sleep_until(deadline - ROUNDING)
    if _open_timer is not None and 0 < (left := deadline - trio.current_time()) <= ROUNDING:
        timer = _open_timer(left)
        if timer is not None:
            try:
                await trio.lowlevel.wait_readable(timer)
            finally:
                os.close(timer)
    await trio.sleep_until(deadline)  # a clock of a test stands still meanwhile


def _find_timers() -> Callable[[float], int | None] | None:
    try:
        library = ctypes.CDLL(None)
        create, set_time = library.timerfd_create, library.timerfd_settime
    except (OSError, TypeError, AttributeError):
        return None

    def open_timer(seconds: float) -> int | None:
        """A file that becomes readable then; None when there are too many open files."""
        file: int = create(_CLOCK_MONOTONIC, _TIMER_FLAGS)
        if file < 0:
            return None
        if set_time(file, 0, _Interval(0, 0, 0, int(seconds * 1e9) + 1), None) < 0:
            os.close(file)
            return None
        return file

    return open_timer


_open_timer = _find_timers()
