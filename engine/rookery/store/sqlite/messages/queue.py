"""The queue of one session in SQLite: which messages it accepts and which it refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter

from ....errors import AlreadyExists, Busy, InvalidInput, NotFound, RookeryError
from ....model.content import ABOUT_OTHERS
from ....model.message import MessageState, OutboundMessage, as_queued, is_same_request
from ....model.session import Lease
from ...rows.messages import MESSAGE_COLUMNS, message_from_row, message_to_row
from ...rows.values import Row, to_json
from ..database.chunks import ManyRows
from ..database.connection import OUT_OF_ORDER, Database
from ..sessions import is_held
from .conditions import UNDER_WAY

_SELECT = f"SELECT {MESSAGE_COLUMNS} FROM messages"  # noqa: S608
_BY_KEY = f"{_SELECT} WHERE uid = ? AND idempotency_key = ?"
_BY_ID = f"{_SELECT} WHERE id = ?"
_ANY_KEY = "SELECT 1 FROM messages WHERE uid = ? AND idempotency_key IN (SELECT value FROM json_each(?)) LIMIT 1"
_ANY_ID = "SELECT 1 FROM messages WHERE id IN (SELECT value FROM json_each(?)) LIMIT 1"
_COLUMNS = ("uid", *MESSAGE_COLUMNS.split(", "), "chat", "is_entry")
_RARE = tuple(_COLUMNS.index(name) for name in ("reply_to", "idempotency_key", "receipt", "error", "send_at", "ttl"))


@cache
def _insert_of(left_out: tuple[int, ...]) -> tuple[ManyRows, Callable[[Row], Row]]:
    """The statement without these columns, and the values of a row for it. Columns that no message has are left out:
    `sqlite3` takes ten times as long to bind a NULL as a number."""
    kept = [place for place in range(len(_COLUMNS)) if place not in left_out]
    names = ", ".join(_COLUMNS[place] for place in kept)
    return ManyRows(f"INSERT INTO messages ({names}) VALUES {{rows}}", len(kept)), itemgetter(*kept)  # noqa: S608


TOUCH_CHATS = ManyRows(
    "INSERT INTO chats (uid, chat, last_at) VALUES {rows} "
    "ON CONFLICT (uid, chat) DO UPDATE SET last_at = excluded.last_at WHERE excluded.last_at > last_at",
    3,
)
"""Lists chats by their newest messages."""
_COUNT = "SELECT count(*) FROM (SELECT 1 FROM messages WHERE uid = ? AND {} LIMIT ?)"
# Each is the condition of an index, which SQLite uses only where a query repeats it.
_COUNT_UNDER_WAY = _COUNT.format(UNDER_WAY)
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

    def put_all(self, messages: Sequence[OutboundMessage]) -> list[tuple[OutboundMessage, bool] | RookeryError]:
        """See `MessageStore.enqueue_batch`."""
        if len(messages) > 1 and (stored := self._put_new(messages)) is not None:
            return [(message, True) for message in stored]
        answers: list[tuple[OutboundMessage, bool] | RookeryError] = []
        for message in messages:
            try:
                answers.append(self.put(message))
            except (InvalidInput, AlreadyExists, Busy) as error:
                answers.append(error)
            except (UnicodeEncodeError, OverflowError) as error:
                answers.append(InvalidInput(f"cannot be stored: {type(error).__name__}"))
        return answers

    def _put_new(self, messages: Sequence[OutboundMessage]) -> list[OutboundMessage] | None:
        """Store the messages in one go and return them as stored. None when each has to be looked at; then nothing is
        stored."""
        scheduled = sum(message.state is MessageState.SCHEDULED for message in messages)
        if not self._are_new(messages) or not (
            self._has_room(scheduled, is_scheduled=True)
            and self._has_room(len(messages) - scheduled, is_scheduled=False)
        ):
            return None
        stored = [self._as_allowed(message) for message in messages]
        try:
            self._insert(stored)
        except (InvalidInput, UnicodeEncodeError, OverflowError):  # no savepoint for this: it copies changed pages
            ids = to_json([message.id for message in messages])
            self._connection.execute("DELETE FROM messages WHERE id IN (SELECT value FROM json_each(?))", (ids,))
            return None
        self._has_stored = True
        return stored

    def _are_new(self, messages: Sequence[OutboundMessage]) -> bool:
        """False when one has an id or a key that is known already."""
        ids = {message.id for message in messages}
        keys = [message.idempotency_key for message in messages if message.idempotency_key is not None]
        if len(ids) < len(messages) or len(set(keys)) < len(keys):
            return False
        try:
            if keys and self._connection.execute(_ANY_KEY, (self._uid, to_json(keys))).fetchone() is not None:
                return False
            return self._connection.execute(_ANY_ID, (to_json(list(ids)),)).fetchone() is None
        except (InvalidInput, UnicodeEncodeError):
            return False

    def put(self, message: OutboundMessage) -> tuple[OutboundMessage, bool]:
        """See `MessageStore.enqueue`."""
        if (earlier := self._earlier(message)) is not None:
            return earlier, False
        self._take_room(message.state is MessageState.SCHEDULED)
        message = self._as_allowed(message)
        self._insert((message,))
        self._has_stored = True
        return message, True

    def _as_allowed(self, message: OutboundMessage) -> OutboundMessage:
        return as_queued(message) if message.state is MessageState.SENDING and not self._is_held() else message

    def _insert(self, messages: Sequence[OutboundMessage]) -> None:
        """Messages whose ids and keys are new."""
        chats: dict[str, float] = {}
        rows: list[Row] = []
        newest, steps = self._database.newest_send, []
        for message in messages:
            if message.created_at > newest:
                newest = message.created_at
            elif message.created_at < newest - OUT_OF_ORDER:
                newest = message.created_at
                steps.append(len(messages) - 1 - len(rows))
            is_entry = type(message.content) not in ABOUT_OTHERS
            if is_entry:
                chats[message.to] = max(message.created_at, chats.get(message.to, message.created_at))
            rows.append((self._uid, *message_to_row(message), message.to, int(is_entry)))
        statement, values_of = _insert_of(tuple(place for place in _RARE if all(row[place] is None for row in rows)))
        statement.run(self._connection, list(map(values_of, rows)))
        self._database.sends_stored(newest, steps)
        TOUCH_CHATS.run(self._connection, [(self._uid, chat, at) for chat, at in chats.items()])

    def _earlier(self, message: OutboundMessage) -> OutboundMessage | None:
        if message.idempotency_key is not None:
            row = self._connection.execute(_BY_KEY, (self._uid, message.idempotency_key)).fetchone()
            if row is not None:
                found = message_from_row(row)
                if not is_same_request(found, message):
                    raise InvalidInput(
                        "this idempotency key was used for a different message: use a new one", field="idempotency_key"
                    )
                return found
        row = self._connection.execute(_BY_ID, (message.id,)).fetchone()
        if row is None:
            return None
        found = message_from_row(row)  # the caller repeats a call whose answer was lost
        if found.idempotency_key != message.idempotency_key or not is_same_request(found, message):
            raise AlreadyExists("message", message.id)
        return found

    def _has_room(self, count: int, *, is_scheduled: bool) -> bool:
        """Take room for so many messages, if there is enough."""
        database, queue, limit = self._database, (self._uid, is_scheduled), self._limit
        if not count or database.room.take(queue, limit, count):
            return True
        sql = _COUNT_SCHEDULED if is_scheduled else _COUNT_UNDER_WAY
        waiting: int = self._connection.execute(sql, (self._uid, limit)).fetchone()[0]
        if waiting + count > limit:
            return False
        database.room.counted(queue, limit, waiting + count)
        database.full.pop(queue, None)
        return True

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
        raise Busy(f"{limit} messages of session {self._session!r} are already waiting to be sent: try again later")

    def _is_held(self) -> bool:
        if self._held is None:
            self._held = self._lease is not None and is_held(self._connection, self._lease)
        return self._held
