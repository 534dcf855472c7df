"""Outbound messages in SQLite."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from sqlite3 import Connection

from ....errors import NotFound, RookeryError
from ....model.message import OutboundMessage, Recorded, SendOutcome, Unfinished
from ....model.session import Lease
from ...pieces import in_parts
from ...rows.messages import CALL_START, MESSAGE_COLUMNS, message_from_row, unreadable_outcomes
from ...rows.values import from_json, to_json
from ..base import SqliteBase
from ..database.connection import Database
from ..sessions import check_lease
from ..status_events import announce as announce_states
from .conditions import FINISHED, UNDER_WAY
from .outcomes import record_sends
from .queue import Queue

_SELECT = f"SELECT {MESSAGE_COLUMNS} FROM messages"  # noqa: S608
_CALLS = (
    "SELECT id, json_extract(content, '$.method') FROM messages "  # noqa: S608
    f"WHERE uid = ? AND state = 'queued' AND substr(content, 1, {len(CALL_START)}) = '{CALL_START}' "
    "ORDER BY number DESC LIMIT ?"
)
"""Repeats the condition of the index `messages_calls`."""


class SqliteMessages(SqliteBase):
    """Implements `MessageStore`."""

    async def enqueue(
        self, message: OutboundMessage, *, pending_limit: int, lease: Lease | None = None
    ) -> tuple[OutboundMessage, bool]:
        return await self._write(lambda database: Queue(database, message.session, pending_limit, lease).put(message))

    async def enqueue_batch(
        self, messages: Sequence[OutboundMessage], *, pending_limit: int, lease: Lease | None = None
    ) -> Sequence[tuple[OutboundMessage, bool] | RookeryError]:
        def work(database: Database) -> Sequence[tuple[OutboundMessage, bool] | RookeryError]:
            return Queue(database, messages[0].session, pending_limit, lease).put_all(messages)

        return await self._write(work) if messages else []

    async def get_message(self, id: str) -> OutboundMessage:
        def query(connection: Connection) -> OutboundMessage:
            row = connection.execute(f"{_SELECT} WHERE id = ?", (id,)).fetchone()
            if row is None:
                raise NotFound("message", id)
            return message_from_row(row)

        return await self._read(query)

    async def pending_messages(
        self, lease: Lease, *, exclude: Collection[str], limit: int
    ) -> Sequence[OutboundMessage]:
        sql = (
            f"{_SELECT} WHERE uid = ? AND state = 'queued' AND {UNDER_WAY} "  # noqa: S608
            "AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY number LIMIT ?"
        )
        values = (lease.uid, to_json(list(exclude)), limit)

        def query(connection: Connection) -> Sequence[OutboundMessage]:
            check_lease(connection, lease)
            return [message_from_row(row) for row in connection.execute(sql, values)]

        while failed := unreadable_outcomes(found := await self._read(query)):
            await self.record_sends(lease, failed)
        return found

    async def pending_calls(self, lease: Lease, *, limit: int) -> Sequence[tuple[str, str]]:
        return await self._read(lambda connection: connection.execute(_CALLS, (lease.uid, limit)).fetchall())

    async def record_sends(self, lease: Lease, outcomes: Sequence[SendOutcome], *, announce: bool = False) -> Recorded:
        return await self._write(lambda database: record_sends(database, lease, outcomes, announce))

    async def resolve_interrupted(
        self, lease: Lease, *, now: float, announce: bool = False, only: Collection[str] | None = None
    ) -> Sequence[str]:
        sql = (
            f"UPDATE messages SET state = 'unknown', updated_at = ? WHERE uid = ? AND state = 'sending' AND {UNDER_WAY} "  # noqa: S608
            "AND (?3 IS NULL OR id IN (SELECT value FROM json_each(?3))) RETURNING id"
        )
        values = (now, lease.uid, None if only is None else to_json(list(only)))

        def work(database: Database) -> Sequence[str]:
            check_lease(database.connection, lease)
            ids = [id for (id,) in database.connection.execute(sql, values).fetchall()]
            announce_states(database, ids, announce)
            return ids

        return await self._write(work)

    async def unfinished_sends(self, owner: str) -> Mapping[str, Unfinished]:
        sql = (
            "SELECT s.id, (SELECT json_group_array(id) FROM messages "  # noqa: S608
            f"WHERE uid = s.uid AND state = 'sending' AND {UNDER_WAY}), "
            f"EXISTS (SELECT 1 FROM messages WHERE uid = s.uid AND state = 'queued' AND {UNDER_WAY}) "
            f"FROM sessions AS s WHERE owner = ? AND EXISTS (SELECT 1 FROM messages WHERE {UNDER_WAY})"
        )

        def query(connection: Connection) -> Mapping[str, Unfinished]:
            return {
                session: Unfinished(tuple(from_json(sending)), bool(queued))
                for session, sending, queued in connection.execute(sql, (owner,))
                if queued or sending != "[]"
            }

        return await self._read(query)

    async def expire_messages(self, *, now: float, limit: int = 1000, announce: bool = False) -> int:
        sql = (
            "UPDATE messages SET state = 'expired', updated_at = ?1 WHERE number IN (SELECT number FROM messages "
            "WHERE state = 'queued' AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2) RETURNING id"
        )

        def work(database: Database) -> int:
            ids = [id for (id,) in database.connection.execute(sql, (now, limit)).fetchall()]
            announce_states(database, ids, announce)
            return len(ids)

        return await self._write(work)

    async def prune_messages(self, *, before: float, limit: int) -> int:
        sql = (
            "DELETE FROM messages WHERE number IN (SELECT number FROM messages INDEXED BY messages_over "  # noqa: S608
            f"WHERE {FINISHED} AND updated_at < ? ORDER BY updated_at LIMIT ?)"
        )
        steps = "DELETE FROM send_steps WHERE number <= (SELECT min(number) FROM messages)"

        def work(database: Database) -> int:
            connection = database.connection
            gone = in_parts(lambda part: connection.execute(sql, (before, part)).rowcount, limit, database.is_late)
            if gone.is_cut:
                return limit
            if gone.rows < limit:
                connection.execute(steps)
            return gone.rows

        return await self._write(work, background=True)
