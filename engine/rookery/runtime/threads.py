"""Threads for work on files, apart from those of databases and look-ups: none of them can use up the others' places."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio

T = TypeVar("T")

PLACES = 24
"""Pieces of work on files at a time."""

_limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("rookery file threads")


async def on_files(work: Callable[[], T]) -> T:
    """Run `work`, which reads or writes files, in a thread. Not cancelled once it began. Raises what it raises."""
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = trio.CapacityLimiter(PLACES)
        _limiter.set(limiter)
    return await trio.to_thread.run_sync(work, limiter=limiter)
