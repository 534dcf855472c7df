"""Sleeps that end at their deadline and not up to a millisecond later.

Trio waits in `epoll`, and Python rounds the time of that wait up to whole milliseconds. Linux also has timers that are
files, which wake the same wait within microseconds. Where there are none, a sleep is as exact as Trio's.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import os
from collections.abc import Callable
from heapq import heappop, heappush

import trio

LONGEST = 86_400.0
"""Seconds after which a timer ends at the latest. A clock of a test that stands still has 30 years until any deadline."""

_CLOCK_MONOTONIC = 1
_TIMER_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC if hasattr(os, "O_CLOEXEC") else 0
_Interval = ctypes.c_long * 4  # struct itimerspec: seconds and nanoseconds of the period, then of the first time


class _Sleep:
    """One sleep. `task` is None once it was cancelled."""

    __slots__ = ("task",)

    def __init__(self, task: trio.lowlevel.Task) -> None:
        self.task: trio.lowlevel.Task | None = task


class ExactSleeps:
    """Many sleeps that share one timer, which is set to the earliest deadline: `run` wakes them.

    `run` waits until that deadline of Trio's clock too, so that a sleep ends where there are no timers, and so that the
    clock of a test, which jumps to the next deadline when all tasks wait, knows of it.
    """

    __slots__ = ("_numbers", "_scope", "_sleeps", "_timer")

    def __init__(self) -> None:
        self._sleeps: list[tuple[float, int, _Sleep]] = []  # a heap; the numbers are all different
        self._numbers = itertools.count()
        self._timer: int | None = None
        self._scope = trio.CancelScope()

    async def until(self, deadline: float) -> None:
        """Return at `deadline` of Trio's clock, never before it. Needs `run`."""
        if not deadline > trio.current_time():
            await trio.lowlevel.checkpoint()
            return
        sleep = _Sleep(trio.lowlevel.current_task())
        number = next(self._numbers)
        heappush(self._sleeps, (deadline, number, sleep))
        if self._sleeps[0][1] == number:
            self._scope.deadline = deadline
            self._set_timer(deadline)

        def abort(_: object) -> trio.lowlevel.Abort:
            sleep.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    async def run(self) -> None:
        """Wake those that sleep, until cancelled."""
        timer = self._timer = _open_timer()
        try:
            while True:
                deadline = self._sleeps[0][0] if self._sleeps else math.inf
                with trio.CancelScope(deadline=deadline) as self._scope:
                    self._set_timer(deadline)  # which also makes the file unreadable again
                    if timer is None:
                        await trio.sleep_forever()
                    else:
                        await trio.lowlevel.wait_readable(timer)
                self._wake()
        finally:
            self._timer = None
            if timer is not None:
                os.close(timer)

    def _wake(self) -> None:
        now, sleeps = trio.current_time(), self._sleeps
        while sleeps and sleeps[0][0] <= now:
            task = heappop(sleeps)[2].task
            if task is not None:
                trio.lowlevel.reschedule(task)

    def _set_timer(self, deadline: float) -> None:
        if self._timer is not None:
            seconds = trio.lowlevel.current_clock().deadline_to_sleep_time(deadline) if deadline < math.inf else LONGEST
            _set_timer(self._timer, min(max(seconds, 0.0), LONGEST))


def _find_timers() -> tuple[Callable[[], int | None], Callable[[int, float], None]]:
    """Functions that open a timer (None: there is none, or no file to spare) and that set it to so many seconds."""
    try:
        library = ctypes.CDLL(None)
        create, set_time = library.timerfd_create, library.timerfd_settime
    except (OSError, TypeError, AttributeError):
        return lambda: None, lambda timer, seconds: None

    def open_timer() -> int | None:
        file: int = create(_CLOCK_MONOTONIC, _TIMER_FLAGS)
        return file if file >= 0 else None

    def set_timer(timer: int, seconds: float) -> None:
        whole = int(seconds)
        nanoseconds = min(int((seconds - whole) * 1e9) + 1, 999_999_999)  # not zero, which would stop it
        set_time(timer, 0, _Interval(0, 0, whole, nanoseconds), None)

    return open_timer, set_timer


_open_timer, _set_timer = _find_timers()
