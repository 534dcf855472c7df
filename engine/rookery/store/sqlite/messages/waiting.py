"""Scheduled and cancelled sends and lists of them, in SQLite."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from sqlite3 import Connection

from ....errors import NotFound
from ....model.message import MessageQuery, MessageState, OutboundMessage
from ....model.session import Lease
from ...rows.messages import MESSAGE_COLUMNS, message_from_row
from ...rows.values import to_json
from ..base import SqliteBase
from ..database.connection import Database
from ..status_events import announce as announce_states
from .conditions import UNDER_WAY
from .pages import page_numbers

_CHOSEN = (
    f"SELECT {MESSAGE_COLUMNS}, number FROM messages WHERE number IN (SELECT value FROM json_each(?)) "  # noqa: S608
    "ORDER BY number DESC"
)
COUNT_WAITING = f"""
    SELECT s.id, counted.waiting FROM (
        SELECT uid, count(*) AS waiting FROM messages INDEXED BY messages_under_way
        WHERE {UNDER_WAY} GROUP BY uid) AS counted
    CROSS JOIN sessions AS s ON s.uid = counted.uid"""  # noqa: S608
"""Reads the index alone, and no message."""
_CANCEL = "UPDATE messages SET state = 'cancelled', updated_at = ? WHERE id = ? AND state IN ('queued', 'scheduled')"


class SqliteWaitingMessages(SqliteBase):
    """Implements the part of `MessageStore` about messages that wait: lists, schedules, cancelling."""

    async def list_messages(self, query: MessageQuery) -> Sequence[tuple[int, OutboundMessage]]:
        def read(connection: Connection) -> Sequence[tuple[int, OutboundMessage]]:
            found = connection.execute("SELECT uid FROM sessions WHERE id = ?", (query.session,)).fetchone()
            if found is None:
                raise NotFound("session", query.session)
            numbers = to_json(page_numbers(connection, found[0], query))
            return [(row[-1], message_from_row(row)) for row in connection.execute(_CHOSEN, (numbers,))]

        return await self._read(read)

    async def cancel_message(self, id: str, *, now: float, announce: bool = False) -> tuple[OutboundMessage, bool]:
        def work(database: Database) -> tuple[OutboundMessage, bool]:
            connection = database.connection
            if connection.execute(_CANCEL, (now, id)).rowcount:
                announce_states(database, [id], announce)
            row = connection.execute(f"SELECT {MESSAGE_COLUMNS} FROM messages WHERE id = ?", (id,)).fetchone()  # noqa: S608
            if row is None:
                raise NotFound("message", id)
            message = message_from_row(row)
            return message, message.state is MessageState.CANCELLED

        return await self._write(work)

    async def release_scheduled(self, *, now: float, limit: int = 1000) -> Sequence[str]:
        sql = (
            "UPDATE messages SET state = 'queued', updated_at = ?1 WHERE number IN (SELECT number FROM messages "
            "WHERE state = 'scheduled' AND send_at <= ?1 ORDER BY send_at LIMIT ?2) RETURNING session"
        )

        def work(database: Database) -> list[str]:
            rows = database.connection.execute(sql, (now, limit)).fetchall()
            if rows:
                database.room.forget()  # they wait in the queues now
            return [row[0] for row in rows]

        return await self._write(work)

    async def find_sent(self, lease: Lease, platform_ids: Collection[str]) -> Mapping[str, str]:
        sql = (
            "SELECT json_extract(receipt, '$.message_id'), id FROM messages WHERE uid = ? "
            "AND receipt IS NOT NULL AND state IN ('sent', 'delivered') "
            "AND json_extract(receipt, '$.message_id') IN (SELECT value FROM json_each(?))"
        )
        wanted = to_json(list(platform_ids))
        return await self._read(lambda connection: dict(connection.execute(sql, (lease.uid, wanted)).fetchall()))

    async def count_waiting(self) -> Mapping[str, int]:
        return await self._read(lambda connection: dict(connection.execute(COUNT_WAITING).fetchall()))

    async def next_scheduled_at(self) -> float | None:
        def query(connection: Connection) -> float | None:
            sql = "SELECT min(send_at) FROM messages WHERE state = 'scheduled'"
            found: float | None = connection.execute(sql).fetchone()[0]
            return found

        return await self._read(query)
