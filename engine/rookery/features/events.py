"""Reading and following the event log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import trio

from ..model import Event
from ..parts import EngineParts
from ..store import EventQuery

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

    async def events(
        self, *, after: int | None = None, session: str | None = None, types: Sequence[str] | None = None
    ) -> AsyncIterator[Event]:
        """Every event after `after`, then new ones as they are stored, until the loop is left or cancelled.

        Without `after` it begins with the first event that was stored since this engine was opened; 0 is the whole log.
        To go on after a restart keep the last handled event's id and pass it.
        """
        cursor = self._first_event if after is None else after
        wanted = tuple(types) if types is not None else None
        while True:
            version = self._signals.events.version
            page = await self._store.read_events(
                EventQuery(after=cursor, session=session, types=wanted, limit=FOLLOW_BATCH)
            )
            for event in page:
                yield event
                cursor = event.id
            if len(page) < FOLLOW_BATCH:
                with trio.move_on_after(POLL_INTERVAL if self._store.shared else float("inf")):
                    await self._signals.events.newer_than(version)
