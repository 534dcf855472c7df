"""A growing list that tasks can wait on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import trio

T = TypeVar("T")

LIMIT = 10_000  # items that are kept; older ones are forgotten


class Feed(Generic[T]):
    """The latest items, in order; `wait_for` finds past items as well as new ones.

    Positions count from the very first item, forgotten or not, and so does the length.
    """

    def __init__(self) -> None:
        self._items: deque[T] = deque(maxlen=LIMIT)
        self._added = 0
        self._changed = trio.Event()

    def add(self, item: T) -> None:
        self._items.append(item)
        self._added += 1
        self._changed.set()
        self._changed = trio.Event()

    async def wait_for(self, matches: Callable[[T], bool] = lambda _: True, *, start: int = 0) -> T:
        """The first item from position `start` on that `matches`; the caller sets the timeout."""
        position = start
        while True:
            while position < self._added:
                item = self[position]
                position += 1
                if matches(item):
                    await trio.lowlevel.checkpoint()
                    return item
            await self._changed.wait()

    async def wait_until(self, count: int) -> list[T]:
        """The items still kept, as soon as `count` items have been added in all."""
        while self._added < count:
            await self._changed.wait()
        await trio.lowlevel.checkpoint()
        return list(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._items))

    def __len__(self) -> int:
        return self._added

    def __getitem__(self, position: int) -> T:
        """The item at `position`, or the oldest one that is kept; raises IndexError when it is still to come."""
        return self._items[max(0, position - (self._added - len(self._items)))]
