"""Threads for work on files, separate from those of databases and look-ups, so that none can use up the others'
places."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio

T = TypeVar("T")

PLACES = 24
"""Maximum number of concurrent pieces of work on files."""

_limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("rookery file threads")


async def on_files(work: Callable[[], T]) -> T:
    """Run `work`, which reads or writes files, in a thread. Not cancelled once it has begun. Raises what `work`
    raises."""
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = trio.CapacityLimiter(PLACES)
        _limiter.set(limiter)
    return await trio.to_thread.run_sync(work, limiter=limiter)
