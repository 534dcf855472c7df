"""Pieces of a chat that is erased from SQLite: its bytes are overwritten with zeros."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection

from ....model.media import id_of_event
from ...pieces import in_parts
from ...rows import chats as sql
from ...rows.values import Row
from ..database.connection import Database
from ..database.dialect import fetch_all
from ..deliveries import forget_deliveries


def overwritten(database: Database, statement: str, *values: object) -> list[Row]:
    """Run a statement and overwrite the deleted bytes with zeros."""
    database.connection.execute("PRAGMA secure_delete = ON")
    try:
        return fetch_all(database.connection, statement, *values)
    finally:
        database.connection.execute("PRAGMA secure_delete = OFF")


def erase_events(database: Database, ids: Sequence[int]) -> tuple[int, Sequence[str]]:
    """Erase the first of these events, as many as there is time for. Returns their number, and the files that came with
    them."""
    connection = database.connection
    media: list[str] = []
    done = 0

    def erase(part: int) -> int:
        nonlocal done
        some = ids[done : done + part]
        media.extend(row[0] for row in overwritten(database, sql.ERASE_MEDIA, [id_of_event(id) for id in some]))
        forget_deliveries(connection, some)
        fetch_all(connection, sql.ERASE_LETTERS, some)
        overwritten(database, sql.ERASE_EVENTS, some)
        done += len(some)
        return len(some)

    in_parts(erase, len(ids), database.is_late)
    keep_ids(database)
    return done, media


def erased_sends(connection: Connection, uid: int, chat: str, limit: int) -> list[int]:
    """The numbers of some sends of the chat that is erased."""
    found: dict[int, None] = {}
    for statement in sql.ERASED_MESSAGES:
        found |= dict.fromkeys(row[0] for row in fetch_all(connection, statement, uid, chat, limit))
    return list(found)[:limit]


def erase_sends(database: Database, numbers: Sequence[int]) -> int:
    """Erase the first of these sends, as many as there is time for. Returns their number."""
    done = 0

    def erase(part: int) -> int:
        nonlocal done
        some = numbers[done : done + part]
        overwritten(database, sql.ERASE_MESSAGES, some)
        done += len(some)
        return len(some)

    in_parts(erase, len(numbers), database.is_late)
    return done


def keep_ids(database: Database) -> None:
    """An id must not be assigned again after a restart; otherwise a reader that has passed it would never see the new
    event."""
    database.connection.execute("INSERT OR REPLACE INTO meta VALUES ('last_event', ?)", (str(database.last_event),))
