"""Reads a page of the log by session, type and chat, without looking through the events between the matching ones.

The indexes are by (session, type) and by type, each in the order of ids. A page is merged from one short read for each
session and type that can match, so its cost does not grow with the log, however rare a type is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Connection

from ....model.event import Event, EventQuery
from ....model.subscription import QUIET_TYPES, TypeFilter
from ...rows.events import EVENT_COLUMNS, event_from_row
from ...rows.values import to_json

_BEYOND = 2**63 - 1
_ALL = f"SELECT {EVENT_COLUMNS} FROM events WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608
_CHOSEN = f"SELECT {EVENT_COLUMNS} FROM events WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"  # noqa: S608
_OF_ALL = "SELECT id FROM events WHERE id > ? AND id < ?{} ORDER BY id {} LIMIT ?"

# Each type of a session, or of the log, is found with one step in the index.
_TYPES_OF = """
    WITH RECURSIVE known (type) AS (
        SELECT min(type) FROM events WHERE session = ?1
        UNION ALL
        SELECT (SELECT min(type) FROM events WHERE session = ?1 AND type > known.type)
        FROM known WHERE known.type IS NOT NULL
    )
    SELECT type FROM known WHERE type IS NOT NULL"""
_TYPES = """
    WITH RECURSIVE known (type) AS (
        SELECT min(type) FROM events
        UNION ALL
        SELECT (SELECT min(type) FROM events WHERE type > known.type) FROM known WHERE known.type IS NOT NULL
    )
    SELECT type FROM known WHERE type IS NOT NULL"""
_BY_SESSION = "SELECT id FROM events WHERE session = ? AND type = ? AND id > ? AND id < ?{} ORDER BY id {} LIMIT ?"
_BY_TYPE = "SELECT id FROM events WHERE type = ? AND id > ? AND id < ?{} ORDER BY id {} LIMIT ?"


def read_page(connection: Connection, query: EventQuery) -> list[Event]:
    """The matching events that `EventQuery` describes, in the order of ids."""
    if query == EventQuery(after=query.after, limit=query.limit):  # how the log is followed
        return [event_from_row(row) for row in connection.execute(_ALL, (query.after, query.limit))]
    ids = page_ids(connection, query)
    return [event_from_row(row) for row in connection.execute(_CHOSEN, (to_json(ids),))]


def page_ids(connection: Connection, query: EventQuery) -> list[int]:
    """The ids of the page, ascending."""
    sessions = _sessions(query)
    asked = None if query.types is None else TypeFilter.of(query.types)
    chat, condition = ((), "") if query.chat is None else ((query.chat,), " AND chat = ?")
    newest = query.before is not None
    first, last = query.after, _BEYOND if query.before is None else query.before
    keys: Iterable[tuple[str, ...]] = [()]
    if sessions is None and asked is None:
        statement = _OF_ALL
    else:
        statement = _BY_TYPE if sessions is None else _BY_SESSION
        keys = _keys(connection, sessions, asked)
    statement = statement.format(condition, "DESC" if newest else "ASC")
    found: list[int] = []
    for key in keys:
        rows = connection.execute(statement, (*key, first, last, *chat, query.limit)).fetchall()
        found = sorted([*found, *(row[0] for row in rows)], reverse=newest)[: query.limit] if rows else found
        if found and len(found) == query.limit:  # what follows can only come before this one
            first, last = (found[-1], last) if newest else (first, found[-1])
    return found[::-1] if newest else found


def _sessions(query: EventQuery) -> Sequence[str] | None:
    if query.sessions is None:
        return None if query.session is None else (query.session,)
    if query.session is None:
        return list(dict.fromkeys(query.sessions))
    return (query.session,) if query.session in query.sessions else ()


def _keys(
    connection: Connection, sessions: Sequence[str] | None, asked: TypeFilter | None
) -> Iterator[tuple[str, ...]]:
    """What to look up in the index: (type,) without sessions, otherwise (session, type)."""
    if sessions is None:
        for type in _types(connection, asked, _TYPES, ()):
            yield (type,)
        return
    for session in sessions:
        for type in _types(connection, asked, _TYPES_OF, (session,)):
            yield (session, type)


def _types(
    connection: Connection, asked: TypeFilter | None, known_types: str, values: tuple[str, ...]
) -> Iterable[str]:
    """The types that were asked for, once each; patterns stand for the types that are in the log."""
    if asked is not None and not asked.prefixes and not asked.everything:
        return dict.fromkeys(asked.names)
    known = [row[0] for row in connection.execute(known_types, values)]
    return known if asked is None else [type for type in known if _matches(type, asked)]


def _matches(type: str, asked: TypeFilter) -> bool:
    return (
        type in asked.names
        or (asked.everything and type not in QUIET_TYPES)
        or any(type.startswith(prefix) for prefix in asked.prefixes)
    )
