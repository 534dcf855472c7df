"""Reading and following the event log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import trio

from ..model import Event
from ..parts import EngineParts
from ..signals import Signals
from ..store import EventQuery, Store

FOLLOW_BATCH = 500
POLL_INTERVAL = 1.0  # seconds; on a shared store other instances write too


class EventFeatures(EngineParts):
    """The log is the truth; a follower is a cursor in it, so a slow one costs no memory."""

    async def read_events(self, query: EventQuery | None = None) -> Sequence[Event]:
        """One page, ordered by id; the last one's id is the cursor of the next."""
        return await self._store.read_events(query or EventQuery())

    async def last_event_id(self) -> int:
        """The newest event's id, 0 when there is none."""
        return await self._store.last_event_id()

    def events(
        self, *, after: int | None = None, session: str | None = None, types: Sequence[str] | None = None
    ) -> EventStream:
        """Every event after `after`, then new ones as they are stored, until the loop is left or cancelled.

        Without `after` it begins with the first event that was stored since this engine was opened; 0 is the whole log.
        To go on after a restart keep the last handled event's id and pass it.
        """
        return EventStream(
            self._store,
            self._signals,
            EventQuery(
                after=self._first_event if after is None else after,
                session=session,
                types=tuple(types) if types is not None else None,
                limit=FOLLOW_BATCH,
            ),
        )


class EventStream:
    """The events that a query matches, now and later. Holds one page; there is nothing to close."""

    def __init__(self, store: Store, signals: Signals, query: EventQuery) -> None:
        self._store = store
        self._signals = signals
        self._query = query
        self._page: Iterator[Event] = iter(())
        self._cursor = query.after

    def __aiter__(self) -> EventStream:
        return self

    async def aclose(self) -> None:
        """For callers who close every iterator."""
        await trio.lowlevel.checkpoint()

    async def __anext__(self) -> Event:
        event = next(self._page, None)
        while event is None:
            version = self._signals.events.version
            page = await self._store.read_events(msgspec.structs.replace(self._query, after=self._cursor))
            self._page = iter(page)
            event = next(self._page, None)
            if event is None:
                with trio.move_on_after(POLL_INTERVAL if self._store.shared else float("inf")):
                    await self._signals.events.newer_than(version)
        self._cursor = event.id
        return event
