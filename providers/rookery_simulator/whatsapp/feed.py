"""A growing list that tasks can wait on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Feed(Generic[T]):
    """Everything that happened, in order; `wait_for` finds what happened already as well as what comes."""

    def __init__(self) -> None:
        self._items: list[T] = []
        self._changed = trio.Event()

    def add(self, item: T) -> None:
        self._items.append(item)
        self._changed.set()
        self._changed = trio.Event()

    async def wait_for(self, matches: Callable[[T], bool] = lambda _: True, *, start: int = 0) -> T:
        """The first item from position `start` on that `matches`; the caller brings the timeout."""
        position = start
        while True:
            while position < len(self._items):
                item = self._items[position]
                position += 1
                if matches(item):
                    await trio.lowlevel.checkpoint()
                    return item
            await self._changed.wait()

    async def wait_until(self, count: int) -> list[T]:
        """All items once there are `count` of them."""
        while len(self._items) < count:
            await self._changed.wait()
        await trio.lowlevel.checkpoint()
        return list(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._items))

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> T:
        return self._items[index]
