"""What is deleted with a session or a webhook, in pieces: a foreign key would delete all of it in one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from sqlite3 import Connection
from typing import NamedTuple, Protocol

from ...pieces import in_parts, in_pieces
from .connection import Database
from .writer import AWAITED_WAIT, Work

_OF_SESSION = (
    "DELETE FROM messages WHERE number IN (SELECT number FROM messages WHERE uid = ?1 LIMIT ?2)",
    "DELETE FROM media WHERE number IN (SELECT number FROM media WHERE uid = ?1 LIMIT ?2)",
    "DELETE FROM chats WHERE uid = ?1 AND chat IN (SELECT chat FROM chats WHERE uid = ?1 LIMIT ?2)",
)
_OF_WEBHOOK = (
    "DELETE FROM deliveries WHERE (event, webhook) IN (SELECT event, webhook FROM deliveries WHERE webhook = ?1 LIMIT ?2)",
    "DELETE FROM dead_letters WHERE webhook = ?1 AND event IN (SELECT event FROM dead_letters WHERE webhook = ?1 LIMIT ?2)",
    "DELETE FROM lanes WHERE webhook = ?1 AND lane IN (SELECT lane FROM lanes WHERE webhook = ?1 LIMIT ?2)",
)


def _delete_of_session(connection: Connection, uid: int, limit: int) -> int:
    """At most `limit` rows; less when that is nearly all of them."""
    gone = _delete(connection, _OF_SESSION, uid, limit)
    for (number,) in connection.execute("SELECT number FROM webhooks WHERE uid = ?", (uid,)).fetchall():
        gone += _delete_of_webhook(connection, number, limit - gone)
    return gone


def _delete_of_webhook(connection: Connection, number: int, limit: int) -> int:
    """At most `limit` rows; less when that is nearly all of them."""
    return _delete(connection, _OF_WEBHOOK, number, limit)


def _delete(connection: Connection, statements: tuple[str, ...], number: int, limit: int) -> int:
    gone = 0
    for statement in statements:
        if gone < limit:
            gone += connection.execute(statement, (number, limit - gone)).rowcount
    return gone


class Kind(NamedTuple):
    """A kind of row that others refer to. `find` is the statement for its number by its id, `delete` deletes a part of the
    others; the rest are statements with the number: for a row that is not deleted yet, and for the row itself."""

    find: str
    delete: Callable[[Connection, int, int], int]
    disable: tuple[str, ...]
    last: str


SESSION = Kind(
    "SELECT uid FROM sessions WHERE id = ?",
    _delete_of_session,
    ("UPDATE sessions SET enabled = 0 WHERE uid = ?", "UPDATE webhooks SET enabled = 0 WHERE uid = ?"),
    "DELETE FROM sessions WHERE uid = ?",
)
WEBHOOK = Kind(
    "SELECT number FROM webhooks WHERE id = ?",
    _delete_of_webhook,
    ("UPDATE webhooks SET enabled = 0 WHERE number = ?",),
    "DELETE FROM webhooks WHERE number = ?",
)


class Write(Protocol):
    """Runs work of the store in a transaction."""

    def __call__(self, work: Work[int], *, background: bool, patience: float) -> Awaitable[int]: ...


async def delete_whole(write: Write, kind: Kind, id: str) -> bool:
    """Delete a row with all that refers to it; False when there is no such row. Raises StoreError."""
    deleted = False

    def work(database: Database, limit: int) -> int:
        nonlocal deleted
        connection = database.connection
        row = connection.execute(kind.find, (id,)).fetchone()
        if row is None:
            return 0
        database.forget()  # rules of webhooks change
        gone = in_parts(lambda part: kind.delete(connection, row[0], part), limit, database.is_late)
        if not gone.is_cut and gone.rows < limit:  # the last few rows go with it
            deleted = connection.execute(kind.last, row).rowcount > 0
            return gone.rows
        for statement in kind.disable:  # nothing is to come in the meantime
            connection.execute(statement, row)
        return limit

    def piece(limit: int) -> Awaitable[int]:
        return write(lambda database: work(database, limit), background=True, patience=AWAITED_WAIT)

    await in_pieces(piece, rest=False)
    return deleted
