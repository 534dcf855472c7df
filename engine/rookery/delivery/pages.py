"""Pages of the log that are read once for all followers at about the same position.

Followers of all events that have fallen behind the tail are often together, because they fell behind at the same
moment. Each page covers a fixed range of ids, so that these followers ask for the same pages whatever their exact
position.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import trio

from ..model.event import Event, EventQuery
from ..runtime.signals import Signals
from ..store.contract import Store

KEPT = 16
"""Maximum number of pages kept."""
KEPT_BYTES = 8 * 1024 * 1024
"""Size limit in bytes of JSON; the last page is kept even if it is larger."""


def size_of(events: Sequence[Event]) -> int:
    """Bytes of JSON in the large fields of events; in memory they take a few times as much."""
    try:
        return sum(event.size for event in events)
    except RecursionError:  # nested almost too deeply to be read
        return KEPT_BYTES


class SharedPages:
    """Past events do not change, so a full page stays valid until a chat is erased."""

    def __init__(self, store: Store, signals: Signals, size: int) -> None:
        self._store = store
        self._signals = signals
        self._erasures = signals.erased.version
        self._size = size
        self._pages: OrderedDict[int, tuple[Sequence[Event], int]] = OrderedDict()
        self._bytes = 0
        self._reading: dict[int, trio.Event] = {}

    async def after(self, position: int) -> Sequence[Event]:
        """Returns some of the next events after a position, at least one if there is any. Raises StoreError."""
        if self._erasures != self._signals.erased.version:
            self._erasures = self._signals.erased.version
            self.forget()
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
        """Drop all pages read so far."""
        self._pages.clear()
        self._bytes = 0

    async def _read(self, number: int) -> Sequence[Event]:
        done = self._reading[number] = trio.Event()
        erasures = self._signals.erased.version
        try:
            page = await self._store.read_events(EventQuery(after=number * self._size, limit=self._size))
        finally:
            del self._reading[number]
            done.set()
        # A full page has all of its ids: nothing can be added.
        if len(page) == self._size and erasures == self._signals.erased.version:
            size = size_of(page)
            self._pages[number] = page, size
            self._bytes += size
            while len(self._pages) > KEPT or (self._bytes > KEPT_BYTES and len(self._pages) > 1):
                self._bytes -= self._pages.popitem(last=False)[1][1]
        return page
