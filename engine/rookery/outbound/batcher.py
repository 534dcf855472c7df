"""Handles together what several tasks want in the same turn of the loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, NoReturn, TypeVar

import outcome
import trio

from ..errors import OutcomeUnknown, RookeryError, own_copy

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
R = TypeVar("R")

MOST = 500
"""Maximum number of items that are handled together."""


class _Batch(Generic[T]):
    """`tasks` wait for the results of all items but the first."""

    __slots__ = ("items", "tasks")

    def __init__(self, first: T) -> None:
        self.items = [first]
        self.tasks: list[trio.lowlevel.Task] = []


class Batcher(Generic[K, T, R]):
    """The task that comes first handles the items of all tasks that come before its next turn.

    Args:
        handle: returns a result for each of the items of one key, in order. It shields itself and bounds its own time: the
            tasks that wait for it cannot be cancelled.
    """

    def __init__(self, handle: Callable[[K, Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        self._handle = handle
        self._open: dict[K, _Batch[T]] = {}

    async def run(self, key: K, item: T) -> R:
        """The result for this item. Raises what `handle` raises; if that is none of Rookery's errors, only the task that
        called `handle` raises it, and the others OutcomeUnknown."""
        batch = self._open.get(key)
        if batch is not None and len(batch.items) < MOST:
            batch.items.append(item)
            batch.tasks.append(trio.lowlevel.current_task())
            result: R = await trio.lowlevel.wait_task_rescheduled(_stay)
            return result
        batch = self._open[key] = _Batch(item)
        try:
            try:
                await trio.lowlevel.cancel_shielded_checkpoint()
            finally:
                if self._open.get(key) is batch:
                    del self._open[key]
            results = await self._handle(key, batch.items)
        except BaseException as error:
            for task in batch.tasks:
                trio.lowlevel.reschedule(task, outcome.Error(_error_of_another(error)))
            raise
        for task, result in zip(batch.tasks, results[1:], strict=True):
            trio.lowlevel.reschedule(task, outcome.Value(result))
        return results[0]


def _error_of_another(error: BaseException) -> RookeryError:
    """What a task raises whose item was handled together with those of the task that raises `error`."""
    if isinstance(error, RookeryError):
        return own_copy(error)
    unknown = OutcomeUnknown(
        f"what was done together with this failed ({type(error).__name__}); it may have happened or not"
    )
    if isinstance(error, Exception):
        unknown.__cause__ = error
    return unknown


def _stay(_: Callable[[], NoReturn]) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED
