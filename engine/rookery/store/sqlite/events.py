"""The event log in SQLite. `append` is the hot path: every received event goes through it."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection

from ...errors import LeaseLost
from ...model.event import Event, EventQuery, NewEvent
from ...model.session import Lease
from ..event_ids import Halving
from ..pieces import in_parts
from ..rows.values import to_json
from .addressing import address
from .base import SqliteBase
from .database.connection import Database
from .database.event_pages import read_page
from .database.event_rows import insert_events
from .sessions import check_lease, held_by

_END = "SELECT id, stored_at FROM events ORDER BY id {} LIMIT 1"
_OLD = """
    SELECT id, EXISTS (SELECT 1 FROM deliveries WHERE event = events.id)
        OR EXISTS (SELECT 1 FROM dead_letters WHERE event = events.id)
    FROM events WHERE id > ? AND id < ? AND stored_at < ? ORDER BY id LIMIT ?"""
_PRUNE_LETTERS = """
    DELETE FROM dead_letters WHERE (webhook, event) IN (
        SELECT webhook, event FROM dead_letters WHERE at < ? ORDER BY at LIMIT ?)"""
_MOVE_CURSOR = "UPDATE sessions SET cursor = ? WHERE uid = ? AND owner = ? AND fence = ?"


class SqliteEvents(SqliteBase):
    """Implements `EventStore`."""

    async def append(self, lease: Lease, events: Sequence[NewEvent], cursor: str | None) -> int:
        return await self._write(lambda database: _append(database, lease, events, cursor))

    async def read_events(self, query: EventQuery) -> Sequence[Event]:
        return await self._read(lambda connection: read_page(connection, query))

    async def first_event_since(self, moment: float) -> int:
        return await self._read(lambda connection: _first_young(connection, moment))

    async def last_event_id(self) -> int:
        def query(connection: Connection) -> int:
            return connection.execute("SELECT max(id) FROM events").fetchone()[0] or 0

        return await self._read(query)

    async def highest_event_id(self) -> int:
        return await self._write(lambda database: database.last_event)

    async def prune_events(self, *, before: float, limit: int) -> int:
        return await self._write(lambda database: _prune(database, before, limit), background=True)


def _append(database: Database, lease: Lease, events: Sequence[NewEvent], cursor: str | None) -> int:
    connection = database.connection
    if cursor is None:
        check_lease(connection, lease)
    elif connection.execute(_MOVE_CURSOR, (cursor, *held_by(lease))).rowcount == 0:
        raise LeaseLost(lease.session)
    if not events:
        return 0
    uid = lease.uid
    session, platform = connection.execute("SELECT id, platform FROM sessions WHERE uid = ?", (uid,)).fetchone()
    before = database.last_event
    inserted = insert_events(database, uid, session, platform, events)
    if inserted:
        address(database, uid, session, before)
    return inserted


def _first_young(connection: Connection, before: float) -> int:
    lowest, highest = [connection.execute(_END.format(order)).fetchone() for order in ("ASC", "DESC")]
    if lowest is None or lowest[1] >= before:
        return lowest[0] if lowest else 0
    if highest[1] < before:
        return int(highest[0]) + 1
    search = Halving(lowest[0], highest[0])
    sql = "SELECT id, stored_at FROM events WHERE id >= ? ORDER BY id LIMIT 1"
    while (middle := search.middle) is not None:
        id, stored_at = connection.execute(sql, (middle,)).fetchone() or (None, 0.0)
        search.found(id, old=stored_at < before)
    return search.end


def _prune(database: Database, before: float, limit: int) -> int:
    connection = database.connection
    old = database.old_events
    if not old.goes_on(before):
        old.end = _first_young(connection, before)
    letters = in_parts(
        lambda part: connection.execute(_PRUNE_LETTERS, (before, part)).rowcount, limit, database.is_late
    )
    if letters.rows:
        old.begin_again()
    if letters.is_cut or letters.rows == limit:
        return limit
    gone = 0

    def look(part: int) -> int:
        """Those that stay are looked at as well, so their number is limited, too."""
        nonlocal gone
        rows = connection.execute(_OLD, (old.position, old.end, before, part)).fetchall()
        ids = [id for id, is_needed in rows if not is_needed]
        if ids:
            connection.execute("DELETE FROM events WHERE id IN (SELECT value FROM json_each(?))", (to_json(ids),))
        if rows:
            old.position = rows[-1][0]
        gone += len(ids)
        return len(rows)

    looked = in_parts(look, limit, database.is_late)
    if gone:
        # An id must not be assigned again after a restart; otherwise a reader that has passed it would never see the
        # new event.
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('last_event', ?)", (str(database.last_event),))
    if looked.is_cut or looked.rows == limit:
        return limit
    old.over()
    return max(gone, letters.rows)
