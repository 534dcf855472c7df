"""What is deleted with a session or a webhook, in pieces: a foreign key would delete all of it in one transaction."""

from __future__ import annotations

from sqlite3 import Connection

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


def delete_of_session(connection: Connection, uid: int, limit: int) -> int:
    """At most `limit` rows; less when that is nearly all of them."""
    gone = _delete(connection, _OF_SESSION, uid, limit)
    for (number,) in connection.execute("SELECT number FROM webhooks WHERE uid = ?", (uid,)).fetchall():
        gone += delete_of_webhook(connection, number, limit - gone)
    return gone


def delete_of_webhook(connection: Connection, number: int, limit: int) -> int:
    """At most `limit` rows; less when that is nearly all of them."""
    return _delete(connection, _OF_WEBHOOK, number, limit)


def _delete(connection: Connection, statements: tuple[str, ...], number: int, limit: int) -> int:
    gone = 0
    for statement in statements:
        if gone < limit:
            gone += connection.execute(statement, (number, limit - gone)).rowcount
    return gone
