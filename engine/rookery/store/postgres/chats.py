"""Chats in PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from ...errors import NotFound
from ...model.chat import ChatEntry, ChatNews, ChatPage, ChatRow, ChatSource, Erased, Position
from ...model.event import Event
from ...model.message import OutboundMessage
from ...model.webhook import lane_of
from ..rows import chats as sql
from ..rows.events import event_from_row
from ..rows.messages import message_from_row
from ..rows.values import Row
from .base import PostgresBase
from .database.pool import Connection

_LIST = re.compile(r"\{in (\$\d)\}")
_PAIRS = re.compile(r"\{pairs (\$\d) (\$\d)\}")
_TABLE = r"unnest(CAST(\1 AS text[]), CAST(\2 AS text[])) AS w (w_chat, w_value)"


def _text(statement: str) -> str:
    """A statement of `rows.chats` in PostgreSQL's dialect."""
    return _PAIRS.sub(_TABLE, _LIST.sub(r"= ANY (\1)", statement))


def _row(row: Any) -> Row:
    return tuple(row)


class PostgresChats(PostgresBase):
    """Implements `ChatStore`."""

    async def chat_position(self) -> int:
        return int(await self._value(sql.POSITION) or 0)

    async def chat_sources(self, after: int, *, session: str | None, limit: int) -> Sequence[ChatSource]:
        if session is None:
            return await self._all(sql.SOURCES, after, limit, of=sql.source_from_row)
        return await self._all(sql.SOURCES_OF, after, limit, session, of=sql.source_from_row)

    async def write_chats(
        self, entries: Sequence[ChatEntry], news: Sequence[ChatNews], *, position: int | None
    ) -> None:
        database = self._db
        # The same order everywhere, so that two writers do not block each other.
        ordered = sorted(news, key=lambda one: (one.uid, one.chat))
        batches = [
            (sql.ADD_ENTRY, [sql.entry_to_row(entry) for entry in entries]),
            (sql.ADD_CHAT, [sql.chat_to_row(one) for one in ordered if one.last_at is not None]),
            (sql.TELL_CHAT, [sql.chat_to_row(one) for one in ordered if one.last_at is None]),
            (sql.MOVE_POSITION, [] if position is None else [(str(position),)]),
        ]

        async def work(connection: Connection) -> None:
            for statement, rows in batches:
                if rows:
                    await connection.executemany(database.text(statement), rows)

        await database.transaction(work)

    async def list_chats(
        self, session: str, *, after: tuple[float, str] | None, limit: int, search: str | None
    ) -> Sequence[ChatRow]:
        uid = await self._uid(session)
        at, last = after or (1e300, "")
        rows = await self._all(sql.LIST, uid, at, last, sql.pattern_of(search), limit, of=_row)
        events = [row[6] for row in rows if row[6] is not None]
        sends = [row[7] for row in rows if row[7] is not None]
        by_event: dict[Any, Event] = {}
        by_number: dict[Any, OutboundMessage] = {}
        if events:
            for row in await self._all(_text(sql.LAST_EVENTS), events, of=_row):
                by_event[row[0]] = event_from_row(row)
        if sends:
            for row in await self._all(_text(sql.LAST_SENDS), sends, of=_row):
                by_number[row[0]] = message_from_row(row[1:])
        return [sql.chat_from_row(row, by_event, by_number) for row in rows]

    async def chat_page(self, session: str, chat: str, *, before: Position, limit: int) -> ChatPage:
        uid = await self._uid(session)
        (at, event), (send_at, number) = sql.bounds(before)
        events = await self._all(sql.PAGE_EVENTS, uid, chat, at, event, limit, of=_row)
        sends = await self._all(sql.PAGE_SENDS, uid, chat, send_at, number, limit, of=_row)
        return ChatPage(
            [(row[0], row[1], event_from_row(row[2:])) for row in events],
            [(row[0], message_from_row(row[1:])) for row in sends],
        )

    async def about_messages(
        self, session: str, chat: str, message_ids: Collection[str], *, since: float
    ) -> tuple[Sequence[tuple[str, str, Event]], Sequence[OutboundMessage]]:
        uid = await self._uid(session)
        events = await self._all(_text(sql.ABOUT_EVENTS), uid, chat, list(message_ids), of=_row)
        sends = await self._all(sql.ABOUT_SENDS, uid, chat, since, of=_row)
        return (
            [(row[0], row[1], event_from_row(row[2:])) for row in events],
            [message_from_row(row) for row in reversed(sends)],
        )

    async def about_last(
        self, session: str, last: Sequence[tuple[str, str, float]]
    ) -> tuple[Sequence[tuple[str, str, str, Event]], Sequence[tuple[str, OutboundMessage]]]:
        uid, chats = await self._uid(session), [chat for chat, _, _ in last]
        ids, times = [id for _, id, _ in last], [repr(at) for _, _, at in last]
        events = await self._all(_text(sql.ABOUT_LAST_EVENTS), uid, chats, ids, of=_row)
        sends = await self._all(_text(sql.ABOUT_LAST_SENDS), uid, chats, times, of=_row)
        return (
            [(row[0], row[1], row[2], event_from_row(row[3:])) for row in events],
            [(row[0], message_from_row(row[1:])) for row in reversed(sends)],
        )

    async def erase_chat(self, session: str, chat: str) -> Erased:
        database, uid, lane = self._db, await self._uid(session), lane_of(session, chat)

        async def work(connection: Connection) -> Erased:
            async def rows(statement: str, *values: object) -> list[Any]:
                found: list[Any] = await connection.fetch(database.text(_text(statement)), *values)
                return found

            await rows("SELECT 1 FROM rookery.lanes WHERE lane = $1 ORDER BY webhook FOR UPDATE", lane)
            ids = [row[0] for row in await rows(sql.ERASED_EVENTS, session, chat)]
            media = tuple(row[0] for row in await rows(sql.ERASE_MEDIA, ids))
            for statement in (sql.ERASE_DELIVERIES, sql.ERASE_LETTERS, sql.ERASE_LANES):
                await rows(statement, lane)
            await rows(sql.ERASE_EVENTS, ids)
            sends = len(await rows(sql.ERASE_MESSAGES, uid, chat))
            await rows(sql.ERASE_CHAT, uid, chat)
            await rows("SELECT rookery.notify_1('erased', '')")
            return Erased(len(ids), sends, media)

        return await database.transaction(work)

    async def keep_chat(self, session: str, chat: str, seconds: float | None) -> bool:
        await self._uid(session)
        return await self._value(sql.KEEP, session, chat, seconds) is not None

    async def tidy_chats(self, *, now: float, before: float) -> int:
        gone = len(await self._all(sql.TIDY_EVENTS, now, of=_row)) + len(
            await self._all(sql.TIDY_MESSAGES, now, of=_row)
        )
        await self._db.row(sql.TIDY_CHATS + " RETURNING chat", before)
        return gone

    async def _uid(self, session: str) -> int:
        uid: int | None = await self._value(sql.SESSION_UID, session)
        if uid is None:
            raise NotFound("session", session)
        return uid
