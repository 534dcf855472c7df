"""Chats in SQLite."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from sqlite3 import Connection

import msgspec
import trio

from ....errors import NotFound, StoreError
from ....model.chat import ChatEntry, ChatNews, ChatPage, ChatPlace, ChatRow, ChatRows, ChatSource, Erased, Position
from ....model.event import Event, EventQuery
from ....model.message import OutboundMessage
from ...pieces import announced, in_parts, in_pieces
from ...rows import chats as sql
from ...rows.events import event_from_row
from ...rows.messages import message_from_row
from ...rows.values import Row
from ..base import SqliteBase
from ..database.connection import Database
from ..database.dialect import fetch_all, named, run_many, statement_text
from ..database.event_pages import page_ids
from ..database.writer import AWAITED_WAIT
from .erasing import erase_events, erase_sends, erased_sends, keep_ids, overwritten
from .unread_counts import add_entries, remember_unread

_INDEX = """
    INSERT OR IGNORE INTO event_chats SELECT chat, session, type, id FROM events
    WHERE id > coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'chats_position'), 0) AND id <= ?
      AND chat IS NOT NULL"""
"""Brings `event_chats` up to the new position."""

_ADD_CHAT = """
    INSERT INTO chats AS c (uid, chat, name, kind, last_at, read_at)
    SELECT $1, $2, $3, $4, $5, $6 WHERE EXISTS (SELECT 1 FROM sessions AS s WHERE s.uid = $1)
    ON CONFLICT (uid, chat) DO UPDATE SET name = coalesce(excluded.name, c.name), kind = coalesce(excluded.kind, c.kind),
        last_at = CASE WHEN excluded.last_at > c.last_at THEN excluded.last_at ELSE c.last_at END,
        read_at = CASE WHEN excluded.read_at > coalesce(c.read_at, 0) THEN excluded.read_at ELSE c.read_at END"""


_FIND = sql.FIND.replace("lower(", "(")
"""SQLite's LIKE ignores the case of the letters that its `lower` knows, and takes a third less time without it."""


def _uid(connection: Connection, session: str) -> int:
    for row in fetch_all(connection, sql.SESSION_UID, session):
        uid: int = row[0]
        return uid
    raise NotFound("session", session)


def _chats(connection: Connection, rows: Sequence[Row]) -> Sequence[ChatRow]:
    """From rows that `LIST` or `FIND` selects."""
    events = fetch_all(connection, sql.LAST_EVENTS, [row[6] for row in rows if row[6] is not None])
    sends = fetch_all(connection, sql.LAST_SENDS, [row[7] for row in rows if row[7] is not None])
    by_event = {row[0]: event_from_row(row) for row in events}
    by_number = {row[0]: message_from_row(row[1:]) for row in sends}
    return [sql.chat_from_row(row, by_event, by_number) for row in rows]


FOUND = 5000
"""Rows of each kind that are looked up at once to be deleted in steps."""


class _Untidy(msgspec.Struct, frozen=True):
    """Rows that a run of `tidy_chats` has found. Another run has other bounds, and looks again."""

    bounds: tuple[float, float]  # `now` and `before`
    rows: Sequence[tuple[str, Row]]  # table and key
    is_more: bool


class SqliteChats(SqliteBase):
    """Implements `ChatStore`."""

    _untidy: _Untidy | None = None
    """What `tidy_chats` has found and not deleted yet."""

    async def chat_position(self) -> int:
        return await self._read(lambda connection: int(next(iter(fetch_all(connection, sql.POSITION)), ["0"])[0]))

    async def chat_sources(self, after: int, *, session: str | None, limit: int) -> Sequence[ChatSource]:
        def query(connection: Connection) -> Sequence[ChatSource]:
            if session is None:
                return [sql.source_from_row(row) for row in fetch_all(connection, sql.SOURCES, after, limit)]
            ids = page_ids(connection, EventQuery(session=session, after=after, limit=limit))
            return [sql.source_from_row(row) for row in fetch_all(connection, sql.SOURCES_IN, ids)]

        return await self._read(query)

    async def write_chats(
        self, entries: Sequence[ChatEntry], news: Sequence[ChatNews], *, position: int | None
    ) -> None:
        def work(database: Database) -> None:
            connection = database.connection
            add_entries(connection, entries)
            run_many(connection, _ADD_CHAT, [sql.chat_to_row(one) for one in news if one.last_at is not None])
            run_many(connection, sql.TELL_CHAT, [sql.chat_to_row(one) for one in news if one.last_at is None])
            if position is not None:
                connection.execute(_INDEX, (position,))
                connection.execute(statement_text(sql.MOVE_POSITION), named([position]))

        await self._write(work)

    async def list_chats(self, session: str, *, after: ChatPlace | None, limit: int) -> Sequence[ChatRow]:
        def query(connection: Connection) -> tuple[int, Sequence[Row], Sequence[ChatRow]]:
            uid = _uid(connection, session)
            rows = fetch_all(connection, sql.LIST, uid, *(after or sql.FIRST), limit)
            return uid, rows, _chats(connection, rows)

        uid, rows, chats = await self._read(query)
        await self._remember(uid, rows)
        return chats

    async def find_chats(self, session: str, text: str, *, after: ChatPlace | None, limit: int, among: int) -> ChatRows:
        begin, pattern = after or sql.FIRST, sql.pattern_of(text)

        def query(connection: Connection) -> tuple[int, Sequence[Row], ChatRows]:
            uid = _uid(connection, session)
            examined = fetch_all(connection, sql.LAST_EXAMINED, uid, *begin, among - 1)
            end = (examined[0][0], examined[0][1]) if examined else None
            found = fetch_all(connection, _FIND, uid, *begin, limit + 1, *(end or sql.LAST), pattern)
            rows, place = sql.found_page(found, limit, end)
            return uid, rows, ChatRows(_chats(connection, rows), place)

        uid, rows, page = await self._read(query)
        await self._remember(uid, rows)
        return page

    async def _remember(self, uid: int, rows: Sequence[Row]) -> None:
        with trio.move_on_after(sql.REMEMBER_SECONDS), suppress(StoreError):  # otherwise counted again at the next look
            for piece in sql.worth_remembering(rows):
                await self._write(partial(remember_unread, uid=uid, chats=piece), background=True, patience=0.0)

    async def chat_page(self, session: str, chat: str, *, before: Position, limit: int) -> ChatPage:
        (at, event), (send_at, number) = sql.bounds(before)

        def query(connection: Connection) -> ChatPage:
            uid = _uid(connection, session)
            events = fetch_all(connection, sql.PAGE_EVENTS, uid, chat, at, event, limit)
            sends = fetch_all(connection, sql.PAGE_SENDS, uid, chat, send_at, number, limit)
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
            events = fetch_all(connection, sql.ABOUT_EVENTS, uid, chat, list(message_ids))
            sends = fetch_all(connection, sql.ABOUT_SENDS, uid, chat, since)
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
            events = fetch_all(connection, sql.ABOUT_LAST_EVENTS, uid, chats, [id for _, id, _ in last])
            sends = fetch_all(connection, sql.ABOUT_LAST_SENDS, uid, chats, [repr(at) for _, _, at in last])
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
                (row[0], row[1])
                for row in fetch_all(connection, statement, _uid(connection, session), chats, ids, *more)
            }

        return await self._read(query)

    async def erase_chat(
        self, session: str, chat: str, *, gone: Callable[[Sequence[str]], None] | None = None
    ) -> Erased:
        def begin(connection: Connection) -> tuple[int, int]:
            return _uid(connection, session), connection.execute("SELECT max(id) FROM events").fetchone()[0] or 0

        uid, last = await self._read(begin)
        media: list[str] = []
        write = partial(self._write, background=True, patience=AWAITED_WAIT)
        events_gone = sends_gone = 0

        async def events(limit: int) -> int:
            # The newest first, below what comes meanwhile: no reader of the view finds entries without their events.
            nonlocal events_gone
            query = EventQuery(session=session, chat=chat, before=last + 1, limit=limit)
            ids = await self._read(lambda connection: page_ids(connection, query))
            gone_now = 0

            def work(database: Database) -> Sequence[str]:
                nonlocal gone_now
                gone_now, files = erase_events(database, ids)
                return files

            if ids:
                media.extend(await announced(partial(write, work), gone))
            events_gone += gone_now
            return len(ids) if gone_now == len(ids) else limit

        async def sends(limit: int) -> int:
            nonlocal sends_gone
            numbers = await self._read(lambda connection: erased_sends(connection, uid, chat, limit))
            if not numbers:
                return 0
            gone_now = await write(lambda database: erase_sends(database, numbers))
            sends_gone += gone_now
            return len(numbers) if gone_now == len(numbers) else limit

        await in_pieces(events, rest=False)
        await in_pieces(sends, rest=False)
        await self._write(lambda database: overwritten(database, sql.ERASE_CHAT, uid, chat))
        return Erased(events_gone, sends_gone, tuple(media))

    async def keep_chat(self, session: str, chat: str, seconds: float | None) -> bool:
        def work(database: Database) -> bool:
            _uid(database.connection, session)
            return bool(fetch_all(database.connection, sql.KEEP, session, chat, seconds))

        return await self._write(work)

    async def tidy_chats(self, *, now: float, before: float, limit: int = 1000) -> int:
        tidied = 0

        def work(database: Database) -> int:
            nonlocal tidied
            connection = database.connection
            before_all, tidied = connection.total_changes, 0

            def tidy(part: int) -> int:
                nonlocal tidied
                rows = chosen[tidied : tidied + part]
                fetch_all(connection, sql.TIDY_EVENTS, [row[0] for table, row in rows if table == "events"], now)
                fetch_all(connection, sql.TIDY_MESSAGES, [row[0] for table, row in rows if table == "messages"], now)
                run_many(connection, sql.TIDY_CHAT, [(before, *row) for table, row in rows if table == "chats"])
                tidied += len(rows)
                return len(rows)

            in_parts(tidy, len(chosen), database.is_late)
            gone = connection.total_changes - before_all
            keep_ids(database)
            return gone

        untidy = self._untidy
        if untidy is None or untidy.bounds != (now, before):
            untidy = await self._read(lambda connection: _find_untidy(connection, now, before))
        chosen = untidy.rows[:limit]
        gone = await self._write(work, background=True) if chosen else 0
        left = untidy.rows[tidied:]
        self._untidy = msgspec.structs.replace(untidy, rows=left) if left else None
        # What changed in the meantime stays.
        return limit if left or untidy.is_more else min(gone, len(chosen))


def _find_untidy(connection: Connection, now: float, before: float) -> _Untidy:
    """Looks at everything beside the writer, because what stays may be much, and finds enough for many steps."""
    rows: list[tuple[str, Row]] = []
    is_more = False
    for table, statements, bound in (
        ("events", sql.OLD_EVENTS, now),
        ("messages", sql.OLD_MESSAGES, now),
        ("chats", (sql.EMPTY_CHATS,), before),
    ):
        for statement in statements:
            found = fetch_all(connection, statement, bound, FOUND)
            is_more |= len(found) == FOUND
            rows += [(table, row) for row in found]
    return _Untidy((now, before), rows, is_more)
