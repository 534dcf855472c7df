"""Whose turn it is among work that waits in the background: one piece at a time, and while the disk is busy not before its
time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import Any

import outcome
import trio

from .pieces import Stopwatch


class Job:
    """One piece of work in a writer's queue. `begun` and `withdrawn` exclude each other, under the writer's lock."""

    __slots__ = ("background", "begun", "patience", "result", "task", "watch", "withdrawn", "work")

    def __init__(
        self, work: Callable[[Any], Any], background: bool, task: trio.lowlevel.Task | None, patience: float = 0.0
    ) -> None:
        self.work = work
        self.background = background
        self.patience = patience  # seconds after other background work at which it comes while the disk is busy
        self.task = task  # None once the caller has gone
        self.watch: Stopwatch | None = None
        self.begun = False
        self.withdrawn = False
        self.result: outcome.Outcome[Any] | None = None


class BackgroundWork:
    """The background work that waits. Used by one thread, which says what time it is."""

    __slots__ = ("_ran_at", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[tuple[Job, float]] = []  # with the time from which it waits for no disk
        self._ran_at = -inf

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Job]:
        return (job for job, _ in self._waiting)

    def add(self, jobs: Iterable[Job]) -> None:
        self._waiting += [(job, self._ran_at + job.patience) for job in jobs]

    def take(self, now: float, *, is_busy: bool) -> Job | None:
        """Remove and return the first job that may run; None while all have to wait. What was withdrawn takes no turn."""
        self._waiting = [each for each in self._waiting if not each[0].withdrawn]
        for index, (job, due_at) in enumerate(self._waiting):
            if not is_busy or due_at <= now:
                del self._waiting[index]
                return job
        return None

    def ran(self, now: float) -> None:
        """A job has run."""
        self._ran_at = now
