"""Large deletions in small transactions, so that other writers never wait for long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from time import perf_counter
from typing import NamedTuple, TypeVar

import trio

BATCH = 250
"""Maximum number of rows deleted in one transaction: where rows that were quick suddenly come from a slow disk, even one such
transaction must end soon."""

FIRST = 50
"""Rows deleted in the first transaction of a run, before it is known how long a row takes."""

FEWEST = 5
"""Rows deleted in one transaction when the database is slow."""

PIECE_SECONDS = 0.01
"""How long one transaction should take, in seconds: a writer waits for the one that has begun."""

PARTS = 8
"""Statements in which one transaction deletes its rows where it may look at the clock between them."""

PIECE_TIMEOUT = 5.0
"""How long a caller who leaves waits for a piece that has begun, in seconds."""

D = TypeVar("D")
T = TypeVar("T")


async def announced(
    delete: Callable[[], Awaitable[Sequence[str]]], gone: Callable[[Sequence[str]], None] | None
) -> Sequence[str]:
    """Run `delete`, which deletes one piece and returns the files that came with it, and call `gone` with these. A caller who
    is cancelled waits for both, at most PIECE_TIMEOUT; any other waits until they are done. Raises what `delete` raises."""
    scope = trio.CancelScope(shield=True)
    ended = trio.Event()
    files: list[Sequence[str]] = []
    failed: list[Exception] = []

    async def piece() -> None:
        try:
            with scope:
                deleted = await delete()
                if gone is not None:
                    gone(deleted)
                files.append(deleted)
        except Exception as error:  # raised below, as it is
            failed.append(error)
        finally:
            ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(piece)
        try:
            await ended.wait()
        except trio.Cancelled:
            scope.deadline = trio.current_time() + PIECE_TIMEOUT
            raise
    if failed:
        raise failed[0]
    return files[0]


class Deleted(NamedTuple):
    """What one transaction has deleted. `is_cut`: its time was over, and there may be more."""

    rows: int
    is_cut: bool


def in_parts(delete: Callable[[int], int], limit: int, is_late: Callable[[], bool]) -> Deleted:
    """Delete up to `limit` rows within one transaction, a few with each call of `delete`, which takes their maximum number
    and returns how many it deleted, and stop once `is_late`. The first call comes in any case, so that every transaction
    gets on."""
    part = max(FEWEST, -(-limit // PARTS))
    gone = 0
    while gone < limit:
        wanted = min(part, limit - gone)
        found = delete(wanted)
        gone += found
        if found < wanted:
            break
        if is_late():
            return Deleted(gone, is_cut=True)
    return Deleted(gone, is_cut=False)


class Stopwatch:
    """Measures one piece of `in_pieces` where a store has it wait before its transaction: that time says nothing about the
    rows. In seconds; `transaction` is set by the store, in whichever thread."""

    __slots__ = ("transaction", "work")

    def __init__(self) -> None:
        self.work = 0.0  # between the transaction's begin and its commit, which may take long with a single row
        self.transaction: float | None = None  # None: the store does not measure

    def timing(self, work: Callable[[D], T]) -> Callable[[D], T]:
        """`work`, measured."""

        def measured(database: D) -> T:
            began = perf_counter()
            try:
                return work(database)
            finally:
                self.work += perf_counter() - began

        return measured


_watch: ContextVar[Stopwatch | None] = ContextVar("watch", default=None)


def running_watch() -> Stopwatch | None:
    """Of the piece that this task works for, if it does."""
    return _watch.get()


async def in_pieces(delete: Callable[[int], Awaitable[int]], *, rest: bool = True) -> int:
    """Delete rows until none is left. `delete` takes the maximum number of rows and returns how many it deleted, or that
    number while there may be more. Returns the sum.

    `rest`: pause after each piece for the time that it took, so that others are served first. Without it somebody waits for
    the end; on SQLite others come before the next piece in any case.

    Raises StoreError. What was deleted until then, or until the caller was cancelled, is gone.
    """
    limit, all_gone = FIRST, 0
    while True:
        watch, began = Stopwatch(), trio.current_time()
        token = _watch.set(watch)
        try:
            gone = await delete(limit)
        finally:
            _watch.reset(token)
        all_gone += gone
        if gone < limit:
            return all_gone
        took = pause = trio.current_time() - began
        if watch.transaction is not None:
            took, pause = watch.work, watch.transaction
        if took > PIECE_SECONDS:
            limit = max(FEWEST, int(limit * max(0.25, PIECE_SECONDS / took)))
        elif took < PIECE_SECONDS / 2:
            limit = min(BATCH, limit * 3 // 2)
        if rest:
            await trio.sleep(min(pause, 1.0))
