"""Outbound messages in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from ...errors import AlreadyExists, Busy, InvalidInput, LeaseLost, NotFound, RookeryError, StoreUnavailable
from ...model.message import (
    STATE_RANKS,
    MessageState,
    OutboundMessage,
    Recorded,
    SendOutcome,
    Unfinished,
    as_queued,
    is_same_request,
)
from ...model.session import Lease
from ..rows.messages import MESSAGE_COLUMNS, message_from_row, message_to_row, unreadable_outcomes
from ..rows.values import to_json
from .base import PostgresBase
from .database.pool import Connection
from .database.sends import SendBatches

_SELECT = f"SELECT {MESSAGE_COLUMNS} FROM rookery.messages"  # noqa: S608
_VALUES = ", ".join(
    {
        "state": "CASE WHEN lost THEN 'queued' ELSE $7::text END",
        "attempts": "CASE WHEN lost THEN 0 ELSE $11::bigint END",
    }.get(column, f"${number}")
    for number, column in enumerate(MESSAGE_COLUMNS.split(", "), 1)
)
_SECONDS = ("created_at", "updated_at", "expires_at", "send_at", "ttl")
_ANNOUNCE = "SELECT rookery.announce_2($1, $2)"
_HELD = "SELECT uid FROM rookery.sessions WHERE uid = $1 AND owner = $2 AND fence = $3"

_KINDS = tuple(
    {"attempts": "bigint"}.get(column, "double precision" if column in _SECONDS else "text")
    for column in MESSAGE_COLUMNS.split(", ")
)
_BATCH_VALUES = tuple(
    {
        "state": "CASE WHEN s.unheld AND g.state = 'sending' THEN 'queued' ELSE g.state END",
        "attempts": "CASE WHEN s.unheld AND g.state = 'sending' THEN 0 ELSE g.attempts END",
    }.get(column, f"g.{column}")
    for column in MESSAGE_COLUMNS.split(", ")
)

# $1 is the id, $2 the session, $7 the state, $17 the limit, $18 the owners in this process, from $19 on the lease. The
# statement notifies an owner elsewhere, which notifies us of the outcome. Owners in this process need no notification,
# and notifications make commits wait for each other. A message in SENDING locks the lease's row until the commit, so
# that no other owner claims the session in between and misses the message when it resolves those that its predecessor
# was sending.
_ENQUEUE = f"""
    WITH held AS (
        SELECT 1 FROM rookery.sessions
        WHERE uid = $19 AND owner = $20 AND fence = $21 AND $7::text = 'sending' FOR SHARE
    ),
    s AS (SELECT uid, owner IS NULL OR owner <> ALL ($18::text[]) AS elsewhere,
                 $7::text = 'sending' AND NOT EXISTS (SELECT 1 FROM held) AS lost
          FROM rookery.sessions WHERE id = $2 FOR KEY SHARE),
    under_way AS (
        SELECT count(*) AS count FROM rookery.messages
        WHERE uid = (SELECT uid FROM s) AND state IN ('queued', 'sending')
    ),
    stored AS (
        INSERT INTO rookery.messages ({MESSAGE_COLUMNS}, uid, watched)
        SELECT {_VALUES}, s.uid, s.elsewhere OR s.lost FROM s, under_way WHERE under_way.count < $17
        ON CONFLICT DO NOTHING RETURNING session, state, watched
    )
    SELECT (SELECT uid FROM s), (SELECT count FROM under_way), (SELECT state FROM stored),
           (SELECT rookery.notify_1('messages', session) FROM stored WHERE watched)"""  # noqa: S608

_SCHEDULE = _ENQUEUE.replace("state IN ('queued', 'sending')", "state = 'scheduled'")


# Like `_ENQUEUE`, for many: $1 to $16 are arrays, and $17 is the session. Scheduled messages and the others are each
# accepted as far as there is room, in order.
_ENQUEUE_BATCH = f"""
    WITH held AS (
        SELECT 1 FROM rookery.sessions
        WHERE uid = $20 AND owner = $21 AND fence = $22 AND 'sending' = ANY ($7::text[]) FOR SHARE
    ),
    s AS (SELECT uid, owner IS NULL OR owner <> ALL ($19::text[]) AS elsewhere, NOT EXISTS (SELECT 1 FROM held) AS unheld
          FROM rookery.sessions WHERE id = $17 FOR KEY SHARE),
    given AS (
        SELECT *, row_number() OVER (PARTITION BY state = 'scheduled' ORDER BY place) AS rank
        FROM unnest({", ".join(f"${number}::{kind}[]" for number, kind in enumerate(_KINDS, 1))}) WITH ORDINALITY
             AS g ({MESSAGE_COLUMNS}, place)
    ),
    counts AS (
        SELECT count(*) FILTER (WHERE state <> 'scheduled') AS waiting,
               count(*) FILTER (WHERE state = 'scheduled') AS scheduled
        FROM rookery.messages WHERE uid = (SELECT uid FROM s) AND state IN ('queued', 'sending', 'scheduled')
    ),
    stored AS (
        INSERT INTO rookery.messages ({MESSAGE_COLUMNS}, uid, watched)
        SELECT {", ".join(_BATCH_VALUES)}, s.uid, s.elsewhere OR (s.unheld AND g.state = 'sending')
        FROM s, counts, given AS g
        WHERE g.rank + CASE WHEN g.state = 'scheduled' THEN counts.scheduled ELSE counts.waiting END <= $18
        ORDER BY g.place
        ON CONFLICT DO NOTHING RETURNING id, session, state, watched
    )
    SELECT (SELECT uid FROM s), (SELECT array_agg(id) FROM stored), (SELECT array_agg(state) FROM stored),
           (SELECT rookery.notify_1('messages', session) FROM stored WHERE watched LIMIT 1)"""  # noqa: S608


class PostgresMessages(PostgresBase):
    """Implements `MessageStore`."""

    async def enqueue(
        self, message: OutboundMessage, *, pending_limit: int, lease: Lease | None = None
    ) -> tuple[OutboundMessage, bool]:
        row = message_to_row(message)
        sql = _SCHEDULE if message.state is MessageState.SCHEDULED else _ENQUEUE
        for _ in range(3):
            held = (None, None, None) if lease is None else (lease.uid, lease.owner, lease.fence)
            uid, under_way, stored = (await self._db.row(sql, *row, pending_limit, list(self._owners), *held))[:3]
            if uid is None:
                raise NotFound("session", message.session)
            if stored is not None:
                return message if stored == message.state else as_queued(message), True
            earlier = await self._earlier(message, uid)
            if earlier is not None:
                return earlier, False
            if under_way >= pending_limit:
                raise Busy(
                    f"{under_way} messages of session {message.session!r} are waiting to be sent already: try again later"
                )
            # The conflicting row is gone meanwhile: pruned, or rolled back.
        raise StoreUnavailable("the message could not be stored: another request with the same key came and went")

    async def enqueue_batch(
        self, messages: Sequence[OutboundMessage], *, pending_limit: int, lease: Lease | None = None
    ) -> Sequence[tuple[OutboundMessage, bool] | RookeryError]:
        if not messages:
            return []
        session = messages[0].session
        columns = [list(column) for column in zip(*map(message_to_row, messages), strict=True)]
        held = (None, None, None) if lease is None else (lease.uid, lease.owner, lease.fence)
        uid, ids, states = (
            await self._db.row(_ENQUEUE_BATCH, *columns, session, pending_limit, list(self._owners), *held)
        )[:3]
        if uid is None:
            raise NotFound("session", session)
        stored = dict(zip(ids or (), states or (), strict=True))
        answers: list[tuple[OutboundMessage, bool] | RookeryError] = []
        for message in messages:
            if (state := stored.pop(message.id, None)) is not None:
                answers.append((message if state == message.state else as_queued(message), True))
                continue
            try:
                earlier = await self._earlier(message, uid)
            except (InvalidInput, AlreadyExists) as error:
                answers.append(error)
                continue
            busy = Busy(
                f"{pending_limit} messages of session {session!r} are waiting to be sent already: try again later"
            )
            answers.append(busy if earlier is None else (earlier, False))
        return answers

    async def _earlier(self, message: OutboundMessage, uid: int) -> OutboundMessage | None:
        """The stored message with the same key or id. Raises InvalidInput, AlreadyExists."""
        if message.idempotency_key is not None:
            sql = f"{_SELECT} WHERE uid = $1 AND idempotency_key = $2"
            for found in await self._all(sql, uid, message.idempotency_key, of=message_from_row):
                if not is_same_request(found, message):
                    raise InvalidInput(
                        "this idempotency key was used for a different message: take a new key", field="idempotency_key"
                    )
                return found
        for found in await self._all(f"{_SELECT} WHERE id = $1", message.id, of=message_from_row):
            if found.idempotency_key != message.idempotency_key or not is_same_request(found, message):
                raise AlreadyExists("message", message.id)
            return found  # the caller repeats a call whose answer was lost
        return None

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

        rows = await self._all(sql, lease.uid, lease.owner, lease.fence, list(exclude), limit, of=read)
        if not rows:
            raise LeaseLost(lease.session)
        found = [row for row in rows if row is not None]
        if failed := unreadable_outcomes(found):
            await self.record_sends(lease, failed)
        return [message for message in found if message.unreadable is None]

    @cached_property
    def _batches(self) -> SendBatches:
        return SendBatches(partial(self._record_sends, announce=True))

    async def record_sends(self, lease: Lease, outcomes: Sequence[SendOutcome], *, announce: bool = False) -> Recorded:
        if announce and any(outcome.state.final for outcome in outcomes):
            return await self._batches.record(lease, outcomes)
        return await self._record_sends(lease, outcomes, announce=announce)

    async def _record_sends(self, lease: Lease, outcomes: Sequence[SendOutcome], *, announce: bool) -> Recorded:
        sql = "SELECT rookery.record_sends_3($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
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

    async def expire_messages(self, *, now: float, announce: bool = False) -> int:
        sql = """
            WITH expired AS (
                UPDATE rookery.messages SET state = 'expired', updated_at = $1
                WHERE state = 'queued' AND expires_at <= $1 RETURNING id, watched
            )
            SELECT id, CASE WHEN watched THEN rookery.notify_1('message', id) END FROM expired"""
        database = self._db

        async def work(connection: Connection) -> int:
            ids = [row[0] for row in await connection.fetch(database.text(sql), now)]
            if ids:
                await connection.execute(database.text(_ANNOUNCE), ids, announce)
            return len(ids)

        return await database.transaction(work)

    async def prune_messages(self, *, before: float, limit: int) -> int:
        sql = """
            WITH gone AS (
                DELETE FROM rookery.messages WHERE number IN (
                    SELECT number FROM rookery.messages
                    WHERE state NOT IN ('queued', 'sending') AND state <> 'scheduled' AND updated_at < $1
                    ORDER BY updated_at LIMIT $2)
                RETURNING 1
            )
            SELECT count(*) FROM gone"""
        return int(await self._value(sql, before, limit))
