"""Outbound messages in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from ....errors import LeaseLost, NotFound
from ....model.message import (
    STATE_RANKS,
    OutboundMessage,
    Recorded,
    SendOutcome,
    Unfinished,
)
from ....model.session import Lease
from ...rows.messages import CALL_START, MESSAGE_COLUMNS, message_from_row, unreadable_outcomes
from ...rows.values import to_json
from ..database.outcome_batches import OutcomeBatches
from ..database.pool import Connection
from .order import FORGET
from .queue import PostgresQueue

_SELECT = f"SELECT {MESSAGE_COLUMNS} FROM rookery.messages"  # noqa: S608
_ANNOUNCE = "SELECT rookery.announce_2($1, $2)"
_HELD = "SELECT uid FROM rookery.sessions WHERE uid = $1 AND owner = $2 AND fence = $3"

# The condition of the index `messages_calls`.
_CALLS = f"""
    SELECT id, content::json ->> 'method' FROM rookery.messages
    WHERE uid = $1 AND state = 'queued' AND left(content, {len(CALL_START)}) = '{CALL_START}'
    ORDER BY number DESC LIMIT $2"""  # noqa: S608


class PostgresMessages(PostgresQueue):
    """Implements `MessageStore`."""

    async def get_message(self, id: str) -> OutboundMessage:
        for found in await self._all(f"{_SELECT} WHERE id = $1", id, of=message_from_row):
            return found
        raise NotFound("message", id)

    async def pending_messages(
        self, lease: Lease, *, exclude: Collection[str], limit: int
    ) -> Sequence[OutboundMessage]:
        # One row of the lease and as many messages as there are; without a row the lease is lost.
        columns = ", ".join(f"m.{column}" for column in MESSAGE_COLUMNS.split(", "))
        sql = f"""
            WITH held AS ({_HELD})
            SELECT {columns} FROM held LEFT JOIN LATERAL (
                SELECT * FROM rookery.messages WHERE uid = held.uid AND state = 'queued' AND NOT (id = ANY ($4))
                ORDER BY number LIMIT $5
            ) AS m ON true ORDER BY m.number"""  # noqa: S608

        def read(row: Any) -> OutboundMessage | None:
            return None if row[0] is None else message_from_row(row)

        while True:
            rows = await self._all(sql, lease.uid, lease.owner, lease.fence, list(exclude), limit, of=read)
            if not rows:
                raise LeaseLost(lease.session)
            found = [row for row in rows if row is not None]
            if not (failed := unreadable_outcomes(found)):
                return found
            await self.record_sends(lease, failed)

    async def pending_calls(self, lease: Lease, *, limit: int) -> Sequence[tuple[str, str]]:
        return await self._all(_CALLS, lease.uid, limit, of=lambda row: (str(row[0]), str(row[1])))

    @cached_property
    def _batches(self) -> OutcomeBatches:
        return OutcomeBatches(partial(self._record_sends, announce=True))

    async def record_sends(self, lease: Lease, outcomes: Sequence[SendOutcome], *, announce: bool = False) -> Recorded:
        if announce and any(outcome.state.final for outcome in outcomes):
            return await self._batches.record(lease, outcomes)
        return await self._record_sends(lease, outcomes, announce=announce)

    async def _record_sends(self, lease: Lease, outcomes: Sequence[SendOutcome], *, announce: bool) -> Recorded:
        sql = "SELECT rookery.record_sends_5($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
        refused = await self._value(
            sql,
            lease.uid,
            lease.owner,
            lease.fence,
            [outcome.id for outcome in outcomes],
            [outcome.state.value for outcome in outcomes],
            [outcome.at for outcome in outcomes],
            [None if outcome.receipt is None else to_json(outcome.receipt) for outcome in outcomes],
            [outcome.error for outcome in outcomes],
            to_json({state.value: rank for state, rank in STATE_RANKS.items()}),
            announce,
        )
        if refused is None:
            raise LeaseLost(lease.session)
        return Recorded(frozenset(refused), announce and any(outcome.state.final for outcome in outcomes))

    async def resolve_interrupted(
        self, lease: Lease, *, now: float, announce: bool = False, only: Collection[str] | None = None
    ) -> Sequence[str]:
        sql = f"""
            WITH held AS ({_HELD} FOR SHARE),
            resolved AS (
                UPDATE rookery.messages AS m SET state = 'unknown', updated_at = $4 FROM held
                WHERE m.uid = held.uid AND m.state = 'sending' AND ($5::text[] IS NULL OR m.id = ANY ($5))
                RETURNING m.id, m.watched
            )
            SELECT r.id, CASE WHEN r.watched THEN rookery.notify_1('message', r.id) END
            FROM held LEFT JOIN resolved AS r ON true"""  # noqa: S608
        database = self._db

        async def work(connection: Connection) -> list[str | None]:
            ids_only = None if only is None else list(only)
            rows = await connection.fetch(database.text(sql), lease.uid, lease.owner, lease.fence, now, ids_only)
            ids = [row[0] for row in rows]
            await connection.execute(database.text(_ANNOUNCE), [id for id in ids if id is not None], announce)
            return ids

        ids = await database.transaction(work)
        if not ids:
            raise LeaseLost(lease.session)
        return [id for id in ids if id is not None]

    async def unfinished_sends(self, owner: str) -> Mapping[str, Unfinished]:
        sql = """
            SELECT s.id, ARRAY(SELECT id FROM rookery.messages WHERE uid = s.uid AND state = 'sending'),
                   EXISTS (SELECT 1 FROM rookery.messages WHERE uid = s.uid AND state = 'queued')
            FROM rookery.sessions AS s WHERE owner = $1"""
        rows = await self._all(sql, owner, of=lambda row: (str(row[0]), Unfinished(tuple(row[1]), row[2])))
        return {session: found for session, found in rows if found.queued or found.sending}

    async def expire_messages(self, *, now: float, limit: int = 1000, announce: bool = False) -> int:
        sql = """
            WITH expired AS (
                UPDATE rookery.messages SET state = 'expired', updated_at = $1
                WHERE number IN (
                    SELECT number FROM rookery.messages WHERE state = 'queued' AND expires_at <= $1
                    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
                  AND state = 'queued'
                RETURNING id, watched
            )
            SELECT id, CASE WHEN watched THEN rookery.notify_1('message', id) END FROM expired"""
        database = self._db

        async def work(connection: Connection) -> int:
            ids = [row[0] for row in await connection.fetch(database.text(sql), now, limit)]
            if ids:
                await connection.execute(database.text(_ANNOUNCE), ids, announce)
            return len(ids)

        return await database.transaction(work)

    async def prune_messages(self, *, before: float, limit: int) -> int:
        sql = """
            WITH gone AS (
                DELETE FROM rookery.messages WHERE number IN (
                    SELECT number FROM rookery.messages
                    WHERE state NOT IN ('queued', 'sending', 'scheduled') AND updated_at < $1
                    ORDER BY updated_at LIMIT $2)
                RETURNING 1
            )
            SELECT count(*) FROM gone"""
        gone = int(await self._value(sql, before, limit))
        if gone < limit:
            await self._db.row(FORGET)
        return gone
