"""The statement that reads a page of the log by session, type and chat.

Each session and type that can match is read through an index in the order of ids, at most a page of it, and the page is
merged from those: its cost does not grow with the log, however rare a type or a chat is.
"""

from __future__ import annotations

from typing import Any

from ....model.event import EventQuery
from ....model.subscription import QUIET_TYPES, TypeFilter
from ...rows.events import EVENT_COLUMNS

# Each type of a session, or of the log, is found with one step in the index.
_TYPES_OF = """
    known AS (
        SELECT s.session, (SELECT min(type) FROM rookery.events WHERE session = s.session) AS type
        FROM unnest({sessions}::text[]) AS s (session)
        UNION ALL
        SELECT k.session, (SELECT min(type) FROM rookery.events WHERE session = k.session AND type > k.type)
        FROM known AS k WHERE k.type IS NOT NULL
    )"""
_TYPES = """
    known AS (
        SELECT (SELECT min(type) FROM rookery.events) AS type
        UNION ALL
        SELECT (SELECT min(type) FROM rookery.events WHERE type > k.type) FROM known AS k WHERE k.type IS NOT NULL
    )"""


# The same of a chat, in the list of its events.
_TYPES_OF_CHAT = """
    known AS (
        SELECT s.session,
               (SELECT min(type) FROM rookery.event_chats WHERE chat = {chat} AND session = s.session) AS type
        FROM unnest({sessions}::text[]) AS s (session)
        UNION ALL
        SELECT k.session,
               (SELECT min(type) FROM rookery.event_chats WHERE chat = {chat} AND session = k.session AND type > k.type)
        FROM known AS k WHERE k.type IS NOT NULL
    )"""
_PAIRS_OF_CHAT = """
    known AS (
        (SELECT session, type FROM rookery.event_chats WHERE chat = {chat} ORDER BY chat, session, type LIMIT 1)
        UNION ALL
        SELECT n.session, n.type FROM known AS k, LATERAL (
            SELECT session, type FROM rookery.event_chats
            WHERE chat = {chat} AND (session, type) > (k.session, k.type) ORDER BY chat, session, type LIMIT 1) AS n
    )"""


class _Values(list[Any]):
    def place(self, value: object) -> str:
        """The placeholder of a value."""
        self.append(value)
        return f"${len(self)}"


def page_statement(query: EventQuery) -> tuple[str, list[Any]]:
    """The statement and its values, for a query without a chat."""
    values = _Values()
    where = [f"e.id > {values.place(query.after)}"]
    if query.before is not None:
        where.append(f"e.id < {values.place(query.before)}")
    order = "ASC" if query.before is None else "DESC"
    limit = values.place(query.limit)
    sessions = _sessions(query)
    if sessions is not None and len(sessions) == 1 and query.types is None:
        where.append(f"e.session = {values.place(sessions[0])}")
        sessions = None
    if sessions is None and query.types is None:
        return _ascending(_page(" AND ".join(where), order, limit), query), values
    common = ""
    keys: list[str] = []
    chosen = "" if sessions is None else values.place(sessions)
    if sessions is not None:
        where.append("e.session = c.session")
        keys.append("session")
    if query.types is None:
        source = f"unnest({chosen}::text[]) AS c (session)"
    else:
        where.append("e.type = c.type")
        keys.append("type")
        asked = TypeFilter.of(query.types)
        if asked.prefixes or asked.everything:
            common = _TYPES if sessions is None else _TYPES_OF.format(sessions=chosen)
            source = f"(SELECT {', '.join(keys)} FROM known WHERE {_asked(asked, values)}) AS c"  # noqa: S608
        else:
            source = f"unnest({values.place(list(dict.fromkeys(asked.names)))}::text[]) AS c (type)"
            if sessions is not None:
                source = f"(SELECT session, type FROM unnest({chosen}::text[]) AS s (session), {source}) AS c"  # noqa: S608
    each = _page(" AND ".join(where), order, limit)
    return _ascending(_merged(common, source, each, order, limit), query), values


def chat_statement(query: EventQuery, position: int) -> tuple[str, list[Any]]:
    """Reads the events of a chat up to `position`: `event_chats` has all of them up to there."""
    values = _Values()
    chat, order = values.place(query.chat), "ASC" if query.before is None else "DESC"
    limit = values.place(query.limit)
    last = position if query.before is None else min(position, query.before - 1)
    where = f"chat = {chat} AND event > {values.place(query.after)} AND event <= {values.place(last)}"
    sessions = _sessions(query)
    known = (
        _PAIRS_OF_CHAT.format(chat=chat)
        if sessions is None
        else _TYPES_OF_CHAT.format(chat=chat, sessions=values.place(sessions))
    )
    chosen = "type IS NOT NULL" if query.types is None else _asked(TypeFilter.of(query.types), values)
    each = (
        f"SELECT event AS id FROM rookery.event_chats WHERE {where} AND session = c.session AND type = c.type "  # noqa: S608
        f"ORDER BY event {order} LIMIT {limit}"
    )
    ids = _merged(known, f"(SELECT session, type FROM known WHERE {chosen}) AS c", each, order, limit)  # noqa: S608
    # An array: in a join without fresh statistics the planner would read the log from end to end.
    return f"SELECT {EVENT_COLUMNS} FROM rookery.events WHERE id = ANY (ARRAY({ids})) ORDER BY id", values  # noqa: S608


def tail_statement(query: EventQuery, position: int) -> tuple[str, list[Any]]:
    """Looks through the events after the position for those of a chat."""
    values = _Values()
    where = [f"e.id > {values.place(max(query.after, position))}", f"e.chat = {values.place(query.chat)}"]
    if query.before is not None:
        where.append(f"e.id < {values.place(query.before)}")
    if (sessions := _sessions(query)) is not None:
        where.append(f"e.session = ANY ({values.place(sessions)}::text[])")
    if query.types is not None:
        where.append(f"({_asked(TypeFilter.of(query.types), values)})")
    order = "ASC" if query.before is None else "DESC"
    return _ascending(_page(" AND ".join(where), order, values.place(query.limit)), query), values


def _merged(common: str, source: str, each: str, order: str, limit: str) -> str:
    types = f"WITH RECURSIVE {common} " if common else ""
    return f"{types}SELECT p.* FROM {source}, LATERAL ({each}) AS p ORDER BY p.id {order} LIMIT {limit}"  # noqa: S608


def _ascending(page: str, query: EventQuery) -> str:
    return page if query.before is None else f"SELECT * FROM ({page}) AS newest ORDER BY id"  # noqa: S608


def _page(condition: str, order: str, limit: str) -> str:
    columns = ", ".join(f"e.{column}" for column in EVENT_COLUMNS.split(", "))
    return f"SELECT {columns} FROM rookery.events AS e WHERE {condition} ORDER BY e.id {order} LIMIT {limit}"  # noqa: S608


def _sessions(query: EventQuery) -> list[str] | None:
    if query.sessions is None:
        return None if query.session is None else [query.session]
    if query.session is None:
        return list(dict.fromkeys(query.sessions))
    return [query.session] if query.session in query.sessions else []


def _asked(asked: TypeFilter, values: _Values) -> str:
    either = [f"type = ANY ({values.place(list(asked.names))}::text[])"]
    either += [f"starts_with(type, {values.place(prefix)})" for prefix in asked.prefixes]
    if asked.everything:
        either.append(f"type <> ALL ({values.place(sorted(QUIET_TYPES))}::text[])")
    return " OR ".join(either)
