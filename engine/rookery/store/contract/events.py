"""The event log in a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ...model.event import Event, EventQuery, NewEvent
from ...model.session import Lease


class EventStore(Protocol):
    """The event log."""

    async def append(self, lease: Lease, events: Sequence[NewEvent], cursor: str | None) -> int:
        """Insert the events that are new by (uid, epoch, key), one delivery per matching enabled webhook, and the
        cursor (unless None). Returns the number of inserted events. Raises LeaseLost."""

    async def read_events(self, query: EventQuery) -> Sequence[Event]:
        """One page of the log, see `EventQuery`."""

    async def first_event_since(self, moment: float) -> int:
        """The id of the oldest event that was stored at or after `moment` (seconds since the epoch), or an id above every
        event's. Exact as far as ids and times of storage grow together."""

    async def last_event_id(self) -> int:
        """The newest id; 0 when the log is empty."""

    async def highest_event_id(self) -> int:
        """The highest id that may have been assigned; no reader can have seen a higher one. Opening an existing
        database raises it, see `store.event_ids`."""

    async def prune_events(self, *, before: float, limit: int) -> int:
        """Look at up to `limit` events stored before `before` and delete those that no delivery needs. Returns `limit` while
        there may be more, and less at the end.

        Up to `limit` dead letters given up before `before` are deleted first, so that they do not keep their events
        for ever; while there are more of them, `limit` is returned.
        """
