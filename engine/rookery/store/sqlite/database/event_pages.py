"""Reads a page of the log by session, type and chat, without looking through the events between the matching ones.

`event_runs` has the ids of each session and type, a row for events that were stored together. A page is merged from one
short read for each session and type that can match, so its cost does not grow with the log, however rare a type is. The
events of a chat are in `event_chats`, one by one, except for the newest ones, which are looked through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from sqlite3 import Connection

from ....model.event import Event, EventQuery
from ....model.subscription import QUIET_TYPES, TypeFilter
from ...rows.events import EVENT_COLUMNS, event_from_row
from ...rows.values import to_json
from .event_rows import LONGEST_RUN
from .numbered import each

_BEYOND = 2**63 - 1
FEW = 10
"""Events that are read of each type at first."""
_ALL = f"SELECT {EVENT_COLUMNS} FROM events WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608
_CHOSEN = f"SELECT {EVENT_COLUMNS} FROM events WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"  # noqa: S608

_TYPES = each("type", "event_runs")
_TYPES_OF = each("type", "event_runs", "session = ?1")
_SESSIONS_IN = each("session", "event_chats", "chat = ?1")
_TYPES_IN = each("type", "event_chats", "chat = ?1 AND session = ?2")
_POSITION = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'chats_position'"


def _in_runs(condition: str) -> str:
    """A statement for the ids in the runs that meet this condition. CROSS JOIN keeps the order: each run is found in an index
    and its events are read by their ids."""
    return (
        "SELECT e.id FROM event_runs AS r CROSS JOIN events AS e "  # noqa: S608
        f"WHERE {condition} AND r.last > :first AND r.last < :last + {LONGEST_RUN} AND r.first < :last "
        "AND e.id BETWEEN max(r.first, :first + 1) AND min(r.last, :last - 1){also} "
        "ORDER BY r.last {order}, r.first {order}, e.id {order} LIMIT :limit"
    )


_OF_ALL = "SELECT id FROM events WHERE id > :first AND id < :last{also} ORDER BY id {order} LIMIT :limit"
_BY_TYPE = _in_runs("r.type = :type")
_BY_SESSION = _in_runs("r.session = :session AND r.type = :type")
_IN_CHAT = (
    "SELECT event FROM event_chats WHERE chat = :chat AND session = :session AND type = :type "
    "AND event > :first AND event < :last{also} ORDER BY event {order} LIMIT :limit"
)


def read_page(connection: Connection, query: EventQuery) -> list[Event]:
    """The matching events that `EventQuery` describes, in the order of ids."""
    if query == EventQuery(after=query.after, limit=query.limit):  # how the log is followed
        return [event_from_row(row) for row in connection.execute(_ALL, (query.after, query.limit))]
    ids = page_ids(connection, query)
    return [event_from_row(row) for row in connection.execute(_CHOSEN, (to_json(ids),))]


def page_ids(connection: Connection, query: EventQuery) -> list[int]:
    """The ids of the page, ascending."""
    first, last = query.after, _BEYOND if query.before is None else query.before
    newest = query.before is not None
    if query.chat is None:
        found = _of_log(connection, query, first, last, query.limit)
    else:
        indexed = (connection.execute(_POSITION).fetchone() or (0,))[0]
        parts = [
            (_of_chat, first, min(last, indexed + 1)),
            (_of_log, max(first, indexed), last),
        ]
        found = []
        for read, above, below in reversed(parts) if newest else parts:
            if len(found) < query.limit and above + 1 < below:
                found += read(connection, query, above, below, query.limit - len(found))
    return found[::-1] if newest else found


def _of_log(connection: Connection, query: EventQuery, first: int, last: int, limit: int) -> list[int]:
    """Matching ids between `first` and `last`, in the order of the page."""
    sessions = _sessions(query)
    asked = None if query.types is None else TypeFilter.of(query.types)
    keys: Iterable[dict[str, str]] = [{}]
    if sessions is None and asked is None:
        statement = _OF_ALL
    else:
        statement = _BY_TYPE if sessions is None else _BY_SESSION
        keys = _keys(connection, sessions, asked)
    also = "" if query.chat is None else " AND chat = :chat"
    return _merged(connection, statement, also, keys, query, (first, last), limit)


def _of_chat(connection: Connection, query: EventQuery, first: int, last: int, limit: int) -> list[int]:
    """The same from `event_chats`."""
    sessions = _sessions(query)
    asked = None if query.types is None else TypeFilter.of(query.types)
    if sessions is None:
        sessions = [row[0] for row in connection.execute(_SESSIONS_IN, (query.chat,))]
    keys = (
        {"session": session, "type": type}
        for session in sessions
        for type in _types(connection, asked, _TYPES_IN, (str(query.chat), session))
    )
    return _merged(connection, _IN_CHAT, "", keys, query, (first, last), limit)


def _merged(
    connection: Connection,
    statement: str,
    also: str,
    keys: Iterable[dict[str, str]],
    query: EventQuery,
    bounds: tuple[int, int],
    limit: int,
) -> list[int]:
    """The first ids, or the newest ones, of all keys together."""
    newest = query.before is not None
    statement = statement.format(also=also, order="DESC" if newest else "ASC")
    first, last = bounds
    names = list(keys)
    found: list[int] = []
    # How far each key was read, and how many events come next: first the key that is furthest behind, so that hardly more is
    # read than the page holds, however many rare types there are before a common one.
    start = limit if len(names) == 1 else min(limit, FEW)
    heap = [(-last if newest else first, number, start) for number in range(len(names))]
    while heap:
        at, number, count = heappop(heap)
        if found and len(found) == limit and at >= (-found[-1] if newest else found[-1]):
            break
        above, below = (first, -at) if newest else (at, last)
        values = {**names[number], "first": above, "last": below, "chat": query.chat, "limit": count}
        ids = [row[0] for row in connection.execute(statement, values).fetchall()]
        found = sorted([*found, *ids], reverse=newest)[:limit] if ids else found
        if found and len(found) == limit:  # what follows can only come before this one
            first, last = (found[-1], last) if newest else (first, found[-1])
        if len(ids) == count < limit:
            heappush(heap, (-ids[-1] if newest else ids[-1], number, min(limit, 2 * count)))
    return found


def _sessions(query: EventQuery) -> Sequence[str] | None:
    if query.sessions is None:
        return None if query.session is None else (query.session,)
    if query.session is None:
        return list(dict.fromkeys(query.sessions))
    return (query.session,) if query.session in query.sessions else ()


def _keys(connection: Connection, sessions: Sequence[str] | None, asked: TypeFilter | None) -> Iterator[dict[str, str]]:
    """What to look up: types, or sessions and types."""
    if sessions is None:
        for type in _types(connection, asked, _TYPES, ()):
            yield {"type": type}
        return
    for session in sessions:
        for type in _types(connection, asked, _TYPES_OF, (session,)):
            yield {"session": session, "type": type}


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
