"""Outbound messages in SQLite."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from sqlite3 import Connection

from ...errors import AlreadyExists, Busy, InvalidInput, NotFound, RookeryError
from ...model.message import (
    MessageState,
    OutboundMessage,
    Recorded,
    SendOutcome,
    Unfinished,
    as_queued,
    is_same_request,
    may_follow,
)
from ...model.session import Lease
from ..rows.messages import MESSAGE_COLUMNS, message_from_row, message_to_row, unreadable_outcomes
from ..rows.values import from_json, to_json
from .base import SqliteBase
from .database.connection import Database
from .sessions import check_lease, is_held
from .statuses import announce as announce_states

_SELECT = f"SELECT {MESSAGE_COLUMNS} FROM messages"  # noqa: S608
_BY_KEY = f"{_SELECT} WHERE uid = ? AND idempotency_key = ?"
_BY_ID = f"{_SELECT} WHERE id = ?"
_UNDER_WAY = "state IN ('queued', 'sending')"
"""The condition of the index `messages_under_way`; SQLite uses the index only where a query repeats the condition."""
_MOVES = {
    state: (
        "UPDATE messages SET state = ?, updated_at = ?, error = ?, receipt = coalesce(?, receipt), "  # noqa: S608
        f"attempts = attempts + {int(state is MessageState.SENDING)} WHERE id = ? AND uid = ? AND state IN "
        "(" + ", ".join(f"'{stored}'" for stored in MessageState if may_follow(stored, state)) + ")"
    )
    for state in MessageState
}
"""The statement that sets each state, only from the states that it may replace."""
_INSERT = f"INSERT INTO messages (uid, {MESSAGE_COLUMNS}) VALUES (?{', ?' * (1 + MESSAGE_COLUMNS.count(','))})"  # noqa: S608


class SqliteMessages(SqliteBase):
    """Implements `MessageStore`."""

    async def enqueue(
        self, message: OutboundMessage, *, pending_limit: int, lease: Lease | None = None
    ) -> tuple[OutboundMessage, bool]:
        return await self._write(lambda database: _Queue(database, message.session, pending_limit, lease).put(message))

    async def enqueue_batch(
        self, messages: Sequence[OutboundMessage], *, pending_limit: int, lease: Lease | None = None
    ) -> Sequence[tuple[OutboundMessage, bool] | RookeryError]:
        def work(database: Database) -> Sequence[tuple[OutboundMessage, bool] | RookeryError]:
            queue = _Queue(database, messages[0].session, pending_limit, lease)
            answers: list[tuple[OutboundMessage, bool] | RookeryError] = []
            for message in messages:
                try:
                    answers.append(queue.put(message))
                except (InvalidInput, AlreadyExists, Busy) as error:
                    answers.append(error)
                except (UnicodeEncodeError, OverflowError) as error:
                    answers.append(InvalidInput(f"cannot be stored: {type(error).__name__}"))
            return answers

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
            f"{_SELECT} WHERE uid = ? AND state = 'queued' AND {_UNDER_WAY} "  # noqa: S608
            "AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY number LIMIT ?"
        )
        values = (lease.uid, to_json(list(exclude)), limit)

        def query(connection: Connection) -> Sequence[OutboundMessage]:
            check_lease(connection, lease)
            return [message_from_row(row) for row in connection.execute(sql, values)]

        found = await self._read(query)
        if failed := unreadable_outcomes(found):
            await self.record_sends(lease, failed)
        return [message for message in found if message.unreadable is None]

    async def record_sends(self, lease: Lease, outcomes: Sequence[SendOutcome], *, announce: bool = False) -> Recorded:
        return await self._write(lambda database: _record_sends(database, lease, outcomes, announce))

    async def resolve_interrupted(
        self, lease: Lease, *, now: float, announce: bool = False, only: Collection[str] | None = None
    ) -> Sequence[str]:
        sql = (
            f"UPDATE messages SET state = 'unknown', updated_at = ? WHERE uid = ? AND state = 'sending' AND {_UNDER_WAY} "  # noqa: S608
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
            f"WHERE uid = s.uid AND state = 'sending' AND {_UNDER_WAY}), "
            f"EXISTS (SELECT 1 FROM messages WHERE uid = s.uid AND state = 'queued' AND {_UNDER_WAY}) "
            "FROM sessions AS s WHERE owner = ?"
        )

        def query(connection: Connection) -> Mapping[str, Unfinished]:
            return {
                session: Unfinished(tuple(from_json(sending)), bool(queued))
                for session, sending, queued in connection.execute(sql, (owner,))
                if queued or sending != "[]"
            }

        return await self._read(query)

    async def expire_messages(self, *, now: float, announce: bool = False) -> int:
        sql = "UPDATE messages SET state = 'expired', updated_at = ? WHERE state = 'queued' AND expires_at <= ? RETURNING id"

        def work(database: Database) -> int:
            ids = [id for (id,) in database.connection.execute(sql, (now, now)).fetchall()]
            announce_states(database, ids, announce)
            return len(ids)

        return await self._write(work)

    async def prune_messages(self, *, before: float, limit: int) -> int:
        sql = (
            "DELETE FROM messages WHERE number IN (SELECT number FROM messages "
            "WHERE state NOT IN ('queued', 'sending') AND state <> 'scheduled' AND updated_at < ? "
            "ORDER BY updated_at LIMIT ?)"
        )
        return await self._write(lambda database: database.connection.execute(sql, (before, limit)).rowcount)


class _Queue:
    """The queue of one session, inside one transaction."""

    def __init__(self, database: Database, session: str, pending_limit: int, lease: Lease | None) -> None:
        """Raises NotFound."""
        self._connection = database.connection
        self._session = session
        self._limit = pending_limit
        self._lease = lease
        self._held: bool | None = None
        self._waiting: dict[bool, int] = {}
        found = self._connection.execute("SELECT uid FROM sessions WHERE id = ?", (session,)).fetchone()
        if found is None:
            raise NotFound("session", session)
        self._uid: int = found[0]

    def put(self, message: OutboundMessage) -> tuple[OutboundMessage, bool]:
        """See `MessageStore.enqueue`."""
        if (earlier := self._earlier(message)) is not None:
            return earlier, False
        is_scheduled = message.state is MessageState.SCHEDULED
        waiting = self._count(is_scheduled)
        if waiting >= self._limit:
            raise Busy(
                f"{waiting} messages of session {self._session!r} are waiting to be sent already: try again later"
            )
        if message.state is MessageState.SENDING and not self._is_held():
            message = as_queued(message)
        self._connection.execute(_INSERT, (self._uid, *message_to_row(message)))
        self._waiting[is_scheduled] = waiting + 1
        return message, True

    def _earlier(self, message: OutboundMessage) -> OutboundMessage | None:
        if message.idempotency_key is not None:
            row = self._connection.execute(_BY_KEY, (self._uid, message.idempotency_key)).fetchone()
            if row is not None:
                found = message_from_row(row)
                if not is_same_request(found, message):
                    raise InvalidInput(
                        "this idempotency key was used for a different message: take a new key", field="idempotency_key"
                    )
                return found
        row = self._connection.execute(_BY_ID, (message.id,)).fetchone()
        if row is None:
            return None
        found = message_from_row(row)  # the caller repeats a call whose answer was lost
        if found.idempotency_key != message.idempotency_key or not is_same_request(found, message):
            raise AlreadyExists("message", message.id)
        return found

    def _count(self, is_scheduled: bool) -> int:
        if is_scheduled not in self._waiting:
            states = "state = 'scheduled'" if is_scheduled else _UNDER_WAY
            sql = f"SELECT count(*) FROM messages WHERE uid = ? AND {states}"  # noqa: S608
            self._waiting[is_scheduled] = self._connection.execute(sql, (self._uid,)).fetchone()[0]
        return self._waiting[is_scheduled]

    def _is_held(self) -> bool:
        if self._held is None:
            self._held = self._lease is not None and is_held(self._connection, self._lease)
        return self._held


def _record_sends(database: Database, lease: Lease, outcomes: Sequence[SendOutcome], announce: bool) -> Recorded:
    execute = database.connection.execute
    check_lease(database.connection, lease)
    refused = set()
    for outcome in outcomes:
        receipt = None if outcome.receipt is None else to_json(outcome.receipt)
        values = (outcome.state.value, outcome.at, outcome.error, receipt, outcome.id, lease.uid)
        if not execute(_MOVES[outcome.state], values).rowcount:
            refused.add(outcome.id)
    told = [outcome.id for outcome in outcomes if outcome.state.final and outcome.id not in refused]
    return Recorded(frozenset(refused), announce_states(database, told, announce))
