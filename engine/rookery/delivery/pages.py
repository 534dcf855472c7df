"""Pages of the log that are read once for all who are at about the same place in it.

Followers of everything that have fallen behind the tail are often together: they were pushed out of it at the same moment.
Each page covers a fixed range of ids, so that they ask for the same ones wherever exactly they stand.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import msgspec
import trio

from ..model.event import Event, EventQuery
from ..store.contract import Store

KEPT = 16
"""Pages."""
KEPT_BYTES = 8 * 1024 * 1024
"""Of JSON; the last page is kept even if it has more."""

_encoder = msgspec.json.Encoder()


def size_of(events: Sequence[Event]) -> int:
    """Bytes of JSON of what is large in events; in memory they take a few times as much."""
    try:
        return sum(len(_encoder.encode((event.body, event.raw))) for event in events)
    except RecursionError:  # nested as deep as can just be read
        return KEPT_BYTES


class SharedPages:
    """What lies in the past does not change, so a full page is good for ever."""

    def __init__(self, store: Store, size: int) -> None:
        self._store = store
        self._size = size
        self._pages: OrderedDict[int, tuple[Sequence[Event], int]] = OrderedDict()
        self._bytes = 0
        self._reading: dict[int, trio.Event] = {}

    async def after(self, position: int) -> Sequence[Event]:
        """Some of the next events behind a position, at least one if there is any. Raises StoreError."""
        number = position // self._size
        while number in self._reading:
            await self._reading[number].wait()
        known = self._pages.get(number)
        if known is None:
            page = await self._read(number)
        else:
            page = known[0]
            self._pages.move_to_end(number)
        return [event for event in page if event.id > position]

    def forget(self) -> None:
        """Keep nothing of what was read so far."""
        self._pages.clear()
        self._bytes = 0

    async def _read(self, number: int) -> Sequence[Event]:
        done = self._reading[number] = trio.Event()
        try:
            page = await self._store.read_events(EventQuery(after=number * self._size, limit=self._size))
        finally:
            del self._reading[number]
            done.set()
        if len(page) == self._size:  # all of its ids are taken: nothing can be added
            size = size_of(page)
            self._pages[number] = page, size
            self._bytes += size
            while len(self._pages) > KEPT or (self._bytes > KEPT_BYTES and len(self._pages) > 1):
                self._bytes -= self._pages.popitem(last=False)[1][1]
        return page
