"""The queue of one session in SQLite: what it takes, and what it refuses."""

from __future__ import annotations

from ....errors import AlreadyExists, Busy, InvalidInput, NotFound
from ....model.message import MessageState, OutboundMessage, as_queued, is_same_request
from ....model.session import Lease
from ...rows.messages import MESSAGE_COLUMNS, message_from_row, message_to_row
from ..database.connection import Database
from ..sessions import is_held

_SELECT = f"SELECT {MESSAGE_COLUMNS} FROM messages"  # noqa: S608
_BY_KEY = f"{_SELECT} WHERE uid = ? AND idempotency_key = ?"
_BY_ID = f"{_SELECT} WHERE id = ?"
_INSERT = f"INSERT INTO messages (uid, {MESSAGE_COLUMNS}) VALUES (?{', ?' * (1 + MESSAGE_COLUMNS.count(','))})"  # noqa: S608
_COUNT = "SELECT count(*) FROM (SELECT 1 FROM messages WHERE uid = ? AND {} LIMIT ?)"
# Each is the condition of an index, which SQLite uses only where a query repeats it.
_COUNT_UNDER_WAY = _COUNT.format("state IN ('queued', 'sending')")
_COUNT_SCHEDULED = _COUNT.format("state = 'scheduled'")


class Queue:
    """The queue of one session, inside one transaction."""

    def __init__(self, database: Database, session: str, pending_limit: int, lease: Lease | None) -> None:
        """Raises NotFound."""
        self._database = database
        self._connection = database.connection
        self._session = session
        self._limit = pending_limit
        self._lease = lease
        self._held: bool | None = None
        self._has_stored = False
        found = self._connection.execute("SELECT uid FROM sessions WHERE id = ?", (session,)).fetchone()
        if found is None:
            raise NotFound("session", session)
        self._uid: int = found[0]

    def put(self, message: OutboundMessage) -> tuple[OutboundMessage, bool]:
        """See `MessageStore.enqueue`."""
        if (earlier := self._earlier(message)) is not None:
            return earlier, False
        self._take_room(message.state is MessageState.SCHEDULED)
        if message.state is MessageState.SENDING and not self._is_held():
            message = as_queued(message)
        self._connection.execute(_INSERT, (self._uid, *message_to_row(message)))
        self._has_stored = True
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

    def _take_room(self, is_scheduled: bool) -> None:
        """Raises Busy."""
        database, queue, limit = self._database, (self._uid, is_scheduled), self._limit
        if database.room.take(queue, limit):
            return
        if database.full.get(queue) != (limit, self._connection.total_changes):
            sql = _COUNT_SCHEDULED if is_scheduled else _COUNT_UNDER_WAY
            waiting: int = self._connection.execute(sql, (self._uid, limit)).fetchone()[0]
            if waiting < limit:
                database.room.counted(queue, limit, waiting + 1)
                database.full.pop(queue, None)
                return
            if not self._has_stored:  # otherwise this work may yet be rolled back, and the queue is not full
                database.full[queue] = limit, self._connection.total_changes
        raise Busy(f"{limit} messages of session {self._session!r} are waiting to be sent already: try again later")

    def _is_held(self) -> bool:
        if self._held is None:
            self._held = self._lease is not None and is_held(self._connection, self._lease)
        return self._held
