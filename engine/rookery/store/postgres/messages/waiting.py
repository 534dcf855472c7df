"""Scheduled and cancelled sends and lists of them, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ....errors import NotFound
from ....model.message import MessageQuery, MessageState, OutboundMessage
from ....model.session import Lease
from ...rows.messages import MESSAGE_COLUMNS, message_from_row
from ..base import PostgresBase
from ..database.pool import Connection
from .pages import page_statement

_CANCEL = """
    UPDATE rookery.messages SET state = 'cancelled', updated_at = $2 WHERE id = $1 AND state IN ('queued', 'scheduled')
    RETURNING CASE WHEN watched THEN rookery.notify_1('message', id) END"""
_FIND = """
    SELECT receipt::json ->> 'message_id', id FROM rookery.messages
    WHERE uid = $1 AND receipt IS NOT NULL AND state IN ('sent', 'delivered') AND receipt::json ->> 'message_id' = ANY ($2)"""
_WAITING = "SELECT session, count(*) FROM rookery.messages WHERE state IN ('queued', 'sending') GROUP BY session"
_RELEASE = """
    WITH released AS (
        UPDATE rookery.messages SET state = 'queued', updated_at = $1
        WHERE number IN (
            SELECT number FROM rookery.messages WHERE state = 'scheduled' AND send_at <= $1
            ORDER BY send_at LIMIT $2 FOR UPDATE SKIP LOCKED)
        RETURNING session
    )
    SELECT session, count, rookery.notify_1('messages', session)
    FROM (SELECT session, count(*) AS count FROM released GROUP BY session) AS s"""


class PostgresWaitingMessages(PostgresBase):
    """Implements the part of `MessageStore` about messages that wait: lists, schedules, cancelling."""

    async def list_messages(self, query: MessageQuery) -> Sequence[tuple[int, OutboundMessage]]:
        def read(row: Any) -> tuple[int, OutboundMessage] | None:
            return None if row[-1] is None else (row[-1], message_from_row(row))

        sql, values = page_statement(query)
        rows = await self._all(sql, *values, of=read)
        if not rows:
            raise NotFound("session", query.session)
        return [row for row in rows if row is not None]

    async def cancel_message(self, id: str, *, now: float, announce: bool = False) -> tuple[OutboundMessage, bool]:
        database = self._db

        async def work(connection: Connection) -> Any:
            if await connection.fetch(database.text(_CANCEL), id, now):
                await connection.execute(database.text("SELECT rookery.announce_2(ARRAY[$1::text], $2)"), id, announce)
            return await connection.fetchrow(
                database.text(f"SELECT {MESSAGE_COLUMNS} FROM rookery.messages WHERE id = $1"),  # noqa: S608
                id,
            )

        row = await database.transaction(work)
        if row is None:
            raise NotFound("message", id)
        message = message_from_row(row)
        return message, message.state is MessageState.CANCELLED

    async def release_scheduled(self, *, now: float, limit: int = 1000) -> Sequence[str]:
        rows = await self._all(_RELEASE, now, limit, of=lambda row: (str(row[0]), int(row[1])))
        return [session for session, count in rows for _ in range(count)]

    async def find_sent(self, lease: Lease, platform_ids: Collection[str]) -> Mapping[str, str]:
        found = await self._all(_FIND, lease.uid, list(platform_ids), of=lambda row: (str(row[0]), str(row[1])))
        return dict(found)

    async def count_waiting(self) -> Mapping[str, int]:
        return dict(await self._all(_WAITING, of=lambda row: (str(row[0]), int(row[1]))))

    async def next_scheduled_at(self) -> float | None:
        found: float | None = await self._value("SELECT min(send_at) FROM rookery.messages WHERE state = 'scheduled'")
        return found
