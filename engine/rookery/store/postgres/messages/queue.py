"""The queue of one session in PostgreSQL: which messages it accepts and which it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from ....errors import AlreadyExists, Busy, InvalidInput, NotFound, RookeryError, StoreUnavailable
from ....model.content import ABOUT_OTHERS
from ....model.message import MessageState, OutboundMessage, as_queued, is_same_request
from ....model.session import Lease
from ...rows.messages import MESSAGE_COLUMNS, message_from_row, message_to_row
from ...send_room import SendRoom
from .order import PostgresOrder

_SELECT = f"SELECT {MESSAGE_COLUMNS} FROM rookery.messages"  # noqa: S608
_VALUES = ", ".join(
    {
        "state": "CASE WHEN lost THEN 'queued' ELSE $7::text END",
        "attempts": "CASE WHEN lost THEN 0 ELSE $11::bigint END",
    }.get(column, f"${number}")
    for number, column in enumerate(MESSAGE_COLUMNS.split(", "), 1)
)
_SECONDS = ("created_at", "updated_at", "expires_at", "send_at", "ttl")
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

# $1 is the id, $2 the session, $7 the state, $17 the limit, $18 the owners in this process, from $19 on
# the lease, and $22 whether it is a message of its own. The
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
    under_way AS ({{count}}),
    stored AS (
        INSERT INTO rookery.messages ({MESSAGE_COLUMNS}, chat, is_entry, uid, watched)
        SELECT {_VALUES}, $3::text, $22::boolean, s.uid, s.elsewhere OR s.lost FROM s, under_way WHERE under_way.count < $17
        ON CONFLICT DO NOTHING RETURNING session, state, watched
    )
    SELECT (SELECT uid FROM s), (SELECT count FROM under_way), (SELECT state FROM stored),
           (SELECT rookery.notify_1('messages', session) FROM stored WHERE watched)"""  # noqa: S608

_COUNT = """
        SELECT count(*) AS count FROM (
            SELECT 1 FROM rookery.messages WHERE uid = (SELECT uid FROM s) AND {} LIMIT $17
        ) AS waiting"""
_ENQUEUE_UNCOUNTED = _ENQUEUE.format(count="SELECT 0 AS count")
_ENQUEUE_COUNTED = {
    True: _ENQUEUE.format(count=_COUNT.format("state = 'scheduled'")),
    False: _ENQUEUE.format(count=_COUNT.format("state IN ('queued', 'sending')")),
}
"""By whether the message is scheduled."""


# Like `_ENQUEUE`, for many: $1 to $16 and $23 are arrays, and $17 is the session. Scheduled messages and the others are each
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
        FROM unnest({", ".join(f"${number}::{kind}[]" for number, kind in enumerate(_KINDS, 1))}, $23::boolean[])
             WITH ORDINALITY AS g ({MESSAGE_COLUMNS}, is_entry, place)
    ),
    counts AS ({{counts}}),
    stored AS (
        INSERT INTO rookery.messages ({MESSAGE_COLUMNS}, chat, is_entry, uid, watched)
        SELECT {", ".join(_BATCH_VALUES)}, g.recipient, g.is_entry, s.uid, s.elsewhere OR (s.unheld AND g.state = 'sending')
        FROM s, counts, given AS g
        WHERE g.rank + CASE WHEN g.state = 'scheduled' THEN counts.scheduled ELSE counts.waiting END <= $18
        ORDER BY g.place
        ON CONFLICT DO NOTHING RETURNING id, session, state, watched
    )
    SELECT (SELECT uid FROM s), (SELECT array_agg(id) FROM stored), (SELECT array_agg(state) FROM stored),
           (SELECT rookery.notify_1('messages', session) FROM stored WHERE watched LIMIT 1),
           (SELECT waiting FROM counts), (SELECT scheduled FROM counts)"""  # noqa: S608
_COUNT_EACH = f"(SELECT count FROM ({_COUNT.replace('$17', '$18')}) AS counted)"  # noqa: S608
_BATCH_UNCOUNTED = _ENQUEUE_BATCH.format(counts="SELECT 0 AS waiting, 0 AS scheduled")
_BATCH_COUNTED = _ENQUEUE_BATCH.format(
    counts="SELECT {} AS waiting, {} AS scheduled".format(
        _COUNT_EACH.format("state IN ('queued', 'sending')"), _COUNT_EACH.format("state = 'scheduled'")
    )
)


class PostgresQueue(PostgresOrder):
    """The part of `MessageStore` that accepts messages."""

    @cached_property
    def _room(self) -> SendRoom:
        return SendRoom(alone=False)

    async def enqueue(
        self, message: OutboundMessage, *, pending_limit: int, lease: Lease | None = None
    ) -> tuple[OutboundMessage, bool]:
        row, is_entry = message_to_row(message), type(message.content) not in ABOUT_OTHERS
        is_scheduled = message.state is MessageState.SCHEDULED
        queue = (message.session, is_scheduled)
        if not self._order.holds(message.created_at, message.created_at):
            await self._keep_order(message.created_at)
        for _ in range(3):
            held = (None, None, None) if lease is None else (lease.uid, lease.owner, lease.fence)
            is_counted = not self._room.take(queue, pending_limit)
            sql = _ENQUEUE_COUNTED[is_scheduled] if is_counted else _ENQUEUE_UNCOUNTED
            uid, under_way, stored = (
                await self._db.row(sql, *row, pending_limit, list(self._owners), *held, is_entry)
            )[:3]
            if uid is None:
                raise NotFound("session", message.session)
            if stored is not None:
                if is_counted:
                    self._room.counted(queue, pending_limit, under_way + 1)
                return message if stored == message.state else as_queued(message), True
            earlier = await self._earlier(message, uid)
            if earlier is not None:
                return earlier, False
            if under_way >= pending_limit:
                raise Busy(
                    f"{under_way} messages of session {message.session!r} are already waiting to be sent: try again later"
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
        entries = [type(message.content) not in ABOUT_OTHERS for message in messages]
        held = (None, None, None) if lease is None else (lease.uid, lease.owner, lease.fence)
        given = {True: 0, False: 0}
        for message in messages:
            given[message.state is MessageState.SCHEDULED] += 1
        times = [message.created_at for message in messages]
        if not self._order.holds(min(times), max(times)):
            await self._keep_order(min(times))
        takes = [self._room.take((session, kind), pending_limit, count) for kind, count in given.items() if count]
        sql = _BATCH_UNCOUNTED if all(takes) else _BATCH_COUNTED
        uid, ids, states, _, *counts = await self._db.row(
            sql, *columns, session, pending_limit, list(self._owners), *held, entries
        )
        if uid is None:
            raise NotFound("session", session)
        stored = dict(zip(ids or (), states or (), strict=True))
        if sql is _BATCH_COUNTED:
            for kind, waiting in zip((False, True), counts, strict=True):
                if given[kind]:
                    self._room.counted((session, kind), pending_limit, waiting + given[kind])
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
                f"{pending_limit} messages of session {session!r} are already waiting to be sent: try again later"
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
                        "this idempotency key was used for a different message: use a new one", field="idempotency_key"
                    )
                return found
        for found in await self._all(f"{_SELECT} WHERE id = $1", message.id, of=message_from_row):
            if found.idempotency_key != message.idempotency_key or not is_same_request(found, message):
                raise AlreadyExists("message", message.id)
            return found  # the caller repeats a call whose answer was lost
        return None
