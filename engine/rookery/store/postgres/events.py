"""The event log in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import msgspec

from ...errors import StoreUnavailable
from ...model.event import Event, EventQuery, NewEvent
from ...model.session import Lease
from ..event_ids import Halving, OldEvents
from ..rows.chats import POSITION
from ..rows.events import event_from_row
from .base import PostgresBase
from .database.appends import AppendQueue
from .database.event_pages import chat_statement, page_statement, tail_statement

# Those that stay are looked at as well, so their number is limited, too.
_PRUNE = """
    WITH seen AS MATERIALIZED (
        SELECT id, EXISTS (SELECT 1 FROM rookery.deliveries WHERE event = e.id)
            OR EXISTS (SELECT 1 FROM rookery.dead_letters WHERE event = e.id) AS is_needed
        FROM rookery.events AS e WHERE id > $3 AND id < $4 AND stored_at < $1 ORDER BY id LIMIT $2
    ),
    gone AS (DELETE FROM rookery.events WHERE id = ANY (ARRAY(SELECT id FROM seen WHERE NOT is_needed)) RETURNING 1)
    SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM seen), (SELECT max(id) FROM seen)"""
_LOOK = "SELECT id, stored_at FROM rookery.events WHERE id >= $1 ORDER BY id LIMIT 1"
_PRUNE_DEAD = """
    WITH letters AS (
        DELETE FROM rookery.dead_letters WHERE (webhook, event) IN (
            SELECT webhook, event FROM rookery.dead_letters WHERE at < $1 ORDER BY at LIMIT $2) RETURNING 1)
    SELECT count(*) FROM letters"""


class PostgresEvents(PostgresBase):
    """Implements `EventStore`."""

    _appends: AppendQueue | None

    async def append(self, lease: Lease, events: Sequence[NewEvent], cursor: str | None) -> int:
        if self._appends is None:
            raise StoreUnavailable("the store is not open")
        return await self._appends.append(lease, events, cursor)

    async def read_events(self, query: EventQuery) -> Sequence[Event]:
        if query.chat is not None:
            return await self._read_chat(query)
        sql, values = page_statement(query)
        return await self._all(sql, *values, of=event_from_row)

    async def _read_chat(self, query: EventQuery) -> Sequence[Event]:
        """The listed events and the newest ones, which are not listed yet. The position only grows, and what is listed
        up to it never changes but by deletion, so the parts fit together."""
        position = int(await self._value(POSITION) or 0)
        newest = query.before is not None
        found: list[Event] = []
        for statement in (tail_statement, chat_statement) if newest else (chat_statement, tail_statement):
            left = query.limit - len(found)
            if left > 0:
                sql, values = statement(msgspec.structs.replace(query, limit=left), position)
                part = await self._all(sql, *values, of=event_from_row)
                found = [*part, *found] if newest else [*found, *part]
        return found

    async def first_event_since(self, moment: float) -> int:
        return await self._first_young(moment)

    async def last_event_id(self) -> int:
        return int(await self._value("SELECT coalesce(max(id), 0) FROM rookery.events"))

    async def highest_event_id(self) -> int:
        sql = "SELECT last_value - (NOT is_called)::integer FROM rookery.events_id_seq"
        return int(await self._value(sql))

    async def prune_events(self, *, before: float, limit: int) -> int:
        old = self._old_events
        if not old.goes_on(before):
            old.end = await self._first_young(before)
        (letters,) = await self._db.row(_PRUNE_DEAD, before, limit)
        if letters:  # they may have held events back
            old.begin_again()
        if letters == limit:
            return limit
        gone, seen, last = await self._db.row(_PRUNE, before, limit, old.position, old.end)
        if seen < limit:
            old.over()
        else:
            old.position = last
        return limit if seen == limit else max(int(gone), int(letters))

    @cached_property
    def _old_events(self) -> OldEvents:
        return OldEvents()

    async def _first_young(self, before: float) -> int:
        lowest, highest = await self._db.row("SELECT min(id), max(id) FROM rookery.events")
        search = Halving(lowest or 0, highest or 0)
        while (middle := search.middle) is not None:
            row = await self._db.row(_LOOK, middle)
            search.found(None if row is None else row[0], old=row is not None and row[1] < before)
        return search.end
