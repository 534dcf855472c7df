"""Chats in SQLite."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from sqlite3 import Connection

from ...errors import NotFound
from ...model.chat import ChatEntry, ChatNews, ChatPage, ChatRow, ChatSource, Erased, Position
from ...model.event import Event, EventQuery
from ...model.media import id_of_event
from ...model.message import OutboundMessage
from ..pieces import in_pieces
from ..rows import chats as sql
from ..rows.events import event_from_row
from ..rows.messages import message_from_row
from ..rows.values import Row, to_json
from .base import SqliteBase
from .database.connection import Database
from .database.event_pages import page_ids
from .deliveries import forget_deliveries

_INDEX = """
    INSERT OR IGNORE INTO event_chats SELECT chat, session, type, id FROM events
    WHERE id > coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'chats_position'), 0) AND id <= ?
      AND chat IS NOT NULL"""
"""Brings `event_chats` up to the new position."""

_ADD_ENTRY = """
    INSERT INTO chat_entries (event, uid, chat, at, role, message_id)
    SELECT $1, $2, $3, $4, $5, $6 WHERE EXISTS (SELECT 1 FROM events AS e WHERE e.id = $1)
    ON CONFLICT (event, message_id) DO NOTHING"""
_ADD_CHAT = """
    INSERT INTO chats AS c (uid, chat, name, kind, last_at, read_at)
    SELECT $1, $2, $3, $4, $5, $6 WHERE EXISTS (SELECT 1 FROM sessions AS s WHERE s.uid = $1)
    ON CONFLICT (uid, chat) DO UPDATE SET name = coalesce(excluded.name, c.name), kind = coalesce(excluded.kind, c.kind),
        last_at = CASE WHEN excluded.last_at > c.last_at THEN excluded.last_at ELSE c.last_at END,
        read_at = CASE WHEN excluded.read_at > coalesce(c.read_at, 0) THEN excluded.read_at ELSE c.read_at END"""

_LIST = re.compile(r"\{in (\$\d)\}")
_PAIRS = re.compile(r"\{pairs (\$\d) (\$\d)\}")
# The second list is read by position: joining the lists would compare each value with every value of the other.
_TABLE = r"(SELECT a.value AS w_chat, json_extract(\2, '$[' || a.key || ']') AS w_value FROM json_each(\1) AS a)"


@lru_cache(maxsize=64)
def _text(statement: str) -> str:
    """A statement of `rows.chats` in SQLite's dialect."""
    placed = statement.replace("{id m.receipt}", "json_extract(m.receipt, '$.message_id')")
    listed = _LIST.sub(r"IN (SELECT value FROM json_each(\1))", placed)
    return _PAIRS.sub(_TABLE, listed).replace("rookery.", "")


def _named(values: Sequence[object]) -> dict[str, object]:
    return {
        str(number): to_json(list(value)) if isinstance(value, list | tuple | set) else value
        for number, value in enumerate(values, 1)
    }


def _all(connection: Connection, statement: str, *values: object) -> list[Row]:
    return connection.execute(_text(statement), _named(values)).fetchall()


def _many(connection: Connection, statement: str, rows: Sequence[Row]) -> None:
    connection.executemany(_text(statement), [_named(row) for row in rows])


def _uid(connection: Connection, session: str) -> int:
    for row in _all(connection, sql.SESSION_UID, session):
        uid: int = row[0]
        return uid
    raise NotFound("session", session)


FOUND = 5000
"""Rows of each kind that are looked up at once to be deleted in steps."""


class SqliteChats(SqliteBase):
    """Implements `ChatStore`."""

    _untidy: Sequence[tuple[str, Row]] = ()
    """Tables and keys that `tidy_chats` has found and not deleted yet."""

    async def chat_position(self) -> int:
        return await self._read(lambda connection: int(next(iter(_all(connection, sql.POSITION)), ["0"])[0]))

    async def chat_sources(self, after: int, *, session: str | None, limit: int) -> Sequence[ChatSource]:
        def query(connection: Connection) -> Sequence[ChatSource]:
            if session is None:
                return [sql.source_from_row(row) for row in _all(connection, sql.SOURCES, after, limit)]
            ids = page_ids(connection, EventQuery(session=session, after=after, limit=limit))
            return [sql.source_from_row(row) for row in _all(connection, sql.SOURCES_IN, ids)]

        return await self._read(query)

    async def write_chats(
        self, entries: Sequence[ChatEntry], news: Sequence[ChatNews], *, position: int | None
    ) -> None:
        def work(database: Database) -> None:
            connection = database.connection
            _many(connection, _ADD_ENTRY, [sql.entry_to_row(entry) for entry in entries])
            _many(connection, _ADD_CHAT, [sql.chat_to_row(one) for one in news if one.last_at is not None])
            _many(connection, sql.TELL_CHAT, [sql.chat_to_row(one) for one in news if one.last_at is None])
            if position is not None:
                connection.execute(_INDEX, (position,))
                connection.execute(_text(sql.MOVE_POSITION), _named([position]))

        await self._write(work)

    async def list_chats(
        self, session: str, *, after: tuple[float, str] | None, limit: int, search: str | None
    ) -> Sequence[ChatRow]:
        at, last = after or (1e300, "")
        pattern = sql.pattern_of(search)

        def query(connection: Connection) -> Sequence[ChatRow]:
            rows = _all(connection, sql.LIST, _uid(connection, session), at, last, pattern, limit)
            events = _all(connection, sql.LAST_EVENTS, [row[6] for row in rows if row[6] is not None])
            sends = _all(connection, sql.LAST_SENDS, [row[7] for row in rows if row[7] is not None])
            by_event = {row[0]: event_from_row(row) for row in events}
            by_number = {row[0]: message_from_row(row[1:]) for row in sends}
            return [sql.chat_from_row(row, by_event, by_number) for row in rows]

        return await self._read(query)

    async def chat_page(self, session: str, chat: str, *, before: Position, limit: int) -> ChatPage:
        (at, event), (send_at, number) = sql.bounds(before)

        def query(connection: Connection) -> ChatPage:
            uid = _uid(connection, session)
            events = _all(connection, sql.PAGE_EVENTS, uid, chat, at, event, limit)
            sends = _all(connection, sql.PAGE_SENDS, uid, chat, send_at, number, limit)
            return ChatPage(
                [(row[0], row[1], event_from_row(row[2:])) for row in events],
                [(row[0], message_from_row(row[1:])) for row in sends],
            )

        return await self._read(query)

    async def about_messages(
        self, session: str, chat: str, message_ids: Collection[str], *, since: float
    ) -> tuple[Sequence[tuple[str, str, Event]], Sequence[OutboundMessage]]:
        def query(connection: Connection) -> tuple[list[tuple[str, str, Event]], list[OutboundMessage]]:
            uid = _uid(connection, session)
            events = _all(connection, sql.ABOUT_EVENTS, uid, chat, list(message_ids))
            sends = _all(connection, sql.ABOUT_SENDS, uid, chat, since)
            return (
                [(row[0], row[1], event_from_row(row[2:])) for row in events],
                [message_from_row(row) for row in reversed(sends)],
            )

        return await self._read(query)

    async def about_last(
        self, session: str, last: Sequence[tuple[str, str, float]]
    ) -> tuple[Sequence[tuple[str, str, str, Event]], Sequence[tuple[str, OutboundMessage]]]:
        chats = [chat for chat, _, _ in last]

        def query(
            connection: Connection,
        ) -> tuple[list[tuple[str, str, str, Event]], list[tuple[str, OutboundMessage]]]:
            uid = _uid(connection, session)
            events = _all(connection, sql.ABOUT_LAST_EVENTS, uid, chats, [id for _, id, _ in last])
            sends = _all(connection, sql.ABOUT_LAST_SENDS, uid, chats, [repr(at) for _, _, at in last])
            return (
                [(row[0], row[1], row[2], event_from_row(row[3:])) for row in events],
                [(row[0], message_from_row(row[1:])) for row in reversed(sends)],
            )

        return await self._read(query)

    async def sent_among(self, session: str, messages: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        return await self._among(session, messages, sql.SENT_AMONG)

    async def reported_among(
        self, session: str, messages: Collection[tuple[str, str]], *, besides: Collection[str]
    ) -> set[tuple[str, str]]:
        return await self._among(session, messages, sql.REPORTED_AMONG, list(besides))

    async def _among(
        self, session: str, messages: Collection[tuple[str, str]], statement: str, *more: list[str]
    ) -> set[tuple[str, str]]:
        chats, ids = [chat for chat, _ in messages], [id for _, id in messages]

        def query(connection: Connection) -> set[tuple[str, str]]:
            return {
                (row[0], row[1]) for row in _all(connection, statement, _uid(connection, session), chats, ids, *more)
            }

        return await self._read(query)

    async def erase_chat(self, session: str, chat: str) -> Erased:
        def begin(connection: Connection) -> tuple[int, int]:
            return _uid(connection, session), connection.execute("SELECT max(id) FROM events").fetchone()[0] or 0

        uid, last = await self._read(begin)
        media: list[str] = []

        async def events(limit: int) -> int:
            # The newest first, below what comes meanwhile: no reader of the view finds entries without their events.
            query = EventQuery(session=session, chat=chat, before=last + 1, limit=limit)
            ids = await self._read(lambda connection: page_ids(connection, query))
            if ids:
                media.extend(await self._write(lambda database: _erase_events(database, ids), background=True))
            return len(ids)

        async def sends(limit: int) -> int:
            numbers = await self._read(lambda connection: _erased_sends(connection, uid, chat, limit))
            if numbers:
                await self._write(lambda database: _overwritten(database, sql.ERASE_MESSAGES, numbers), background=True)
            return len(numbers)

        erased = Erased(await in_pieces(events, rest=False), await in_pieces(sends, rest=False), tuple(media))
        await self._write(lambda database: _overwritten(database, sql.ERASE_CHAT, uid, chat))
        return erased

    async def keep_chat(self, session: str, chat: str, seconds: float | None) -> bool:
        def work(database: Database) -> bool:
            _uid(database.connection, session)
            return bool(_all(database.connection, sql.KEEP, session, chat, seconds))

        return await self._write(work)

    async def tidy_chats(self, *, now: float, before: float, limit: int = 1000) -> int:
        def find(connection: Connection) -> list[tuple[str, Row]]:
            """Looks at everything beside the writer, because what stays may be much, and finds enough for many steps."""
            found: list[tuple[str, Row]] = []
            for table, statements in (("events", sql.OLD_EVENTS), ("messages", sql.OLD_MESSAGES)):
                for statement in statements:
                    found += [(table, row) for row in _all(connection, statement, now, FOUND)]
            return [*found, *(("chats", row) for row in _all(connection, sql.EMPTY_CHATS, before, FOUND))]

        def work(database: Database) -> int:
            connection = database.connection
            before_all = connection.total_changes
            _all(connection, sql.TIDY_EVENTS, [row[0] for table, row in chosen if table == "events"])
            _all(connection, sql.TIDY_MESSAGES, [row[0] for table, row in chosen if table == "messages"])
            _many(connection, sql.TIDY_CHAT, [(before, *row) for table, row in chosen if table == "chats"])
            gone = connection.total_changes - before_all
            _keep_ids(database)
            return gone

        if not self._untidy:
            self._untidy = await self._read(find)
        chosen, self._untidy = self._untidy[:limit], self._untidy[limit:]
        gone = await self._write(work, background=True) if chosen else 0
        # What changed in the meantime stays; when all of it does, the next run looks again.
        return limit if self._untidy else min(gone, len(chosen))


def _overwritten(database: Database, statement: str, *values: object) -> list[Row]:
    """Run a statement and overwrite the deleted bytes with zeros."""
    database.connection.execute("PRAGMA secure_delete = ON")
    try:
        return _all(database.connection, statement, *values)
    finally:
        database.connection.execute("PRAGMA secure_delete = OFF")


def _erase_events(database: Database, ids: Sequence[int]) -> Sequence[str]:
    """Returns the files that came with these events."""
    connection = database.connection
    media = [row[0] for row in _all(connection, sql.ERASE_MEDIA, [id_of_event(id) for id in ids])]
    forget_deliveries(connection, ids)
    _all(connection, sql.ERASE_LETTERS, ids)
    _overwritten(database, sql.ERASE_EVENTS, ids)
    _keep_ids(database)
    return media


def _erased_sends(connection: Connection, uid: int, chat: str, limit: int) -> list[int]:
    found: dict[int, None] = {}
    for statement in sql.ERASED_MESSAGES:
        found |= dict.fromkeys(row[0] for row in _all(connection, statement, uid, chat, limit))
    return list(found)[:limit]


def _keep_ids(database: Database) -> None:
    """An id must not be assigned again after a restart; otherwise a reader that has passed it would never see the new
    event."""
    database.connection.execute("INSERT OR REPLACE INTO meta VALUES ('last_event', ?)", (str(database.last_event),))
