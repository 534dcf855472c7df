"""Chats in PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby
from typing import Any

import trio

from ...errors import NotFound, StoreError
from ...model.chat import ChatEntry, ChatNews, ChatPage, ChatPlace, ChatRow, ChatRows, ChatSource, Erased, Position
from ...model.event import Event
from ...model.media import id_of_event
from ...model.message import OutboundMessage
from ...model.webhook import lane_of
from ..pieces import announced, in_pieces
from ..rows import chats as sql
from ..rows.events import event_from_row
from ..rows.messages import message_from_row
from ..rows.values import Row
from .base import PostgresBase
from .database.pool import Connection

_LISTED_EVENTS = "SELECT event FROM rookery.event_chats WHERE chat = $2 AND session = $1 AND event <= $3 LIMIT $4"
_UNLISTED_EVENTS = """
    SELECT id FROM rookery.events WHERE session = $1 AND chat = $2 AND id <= $3
      AND id > coalesce((SELECT value::bigint FROM rookery.meta WHERE key = 'chats_position'), 0)"""
_NEWEST = "SELECT coalesce(max(id), 0) FROM rookery.events"
_LANE = "webhook IN (SELECT number FROM rookery.webhooks) AND lane = $1"
_LOCK_LANES = f"SELECT 1 FROM rookery.lanes WHERE {_LANE} ORDER BY webhook FOR UPDATE"  # noqa: S608
_FIRST_OF_LANE = "SELECT min(d.event) FROM rookery.deliveries AS d WHERE d.webhook = l.webhook AND d.lane = l.lane"
_DROP_LANES = f"DELETE FROM rookery.lanes AS l WHERE {_LANE} AND ({_FIRST_OF_LANE}) IS NULL"  # noqa: S608
_MOVE_LANES = (
    f"UPDATE rookery.lanes AS l SET head = ({_FIRST_OF_LANE}), retry_at = NULL WHERE {_LANE} AND head = ANY ($2)"  # noqa: S608
)
_FORGET_DELIVERIES = "DELETE FROM rookery.deliveries WHERE event = ANY ($1)"
# One statement for all rows costs the server a quarter of one for each. Subqueries instead of joins: without fresh
# statistics the planner would read the other table from end to end.
_ADD_ENTRIES = """
    INSERT INTO rookery.chat_entries (event, uid, chat, at, role, message_id)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::double precision[], $5::text[], $6::text[])
        AS t (event, uid, chat, at, role, message_id)
    WHERE (SELECT e.id FROM rookery.events AS e WHERE e.id = t.event) IS NOT NULL
    ON CONFLICT (event, message_id) DO NOTHING"""
_ADD_CHATS = """
    INSERT INTO rookery.chats AS c (uid, chat, name, kind, last_at, read_at)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::double precision[], $6::double precision[])
        AS t (uid, chat, name, kind, last_at, read_at)
    WHERE (SELECT s.uid FROM rookery.sessions AS s WHERE s.uid = t.uid) IS NOT NULL
    ON CONFLICT (uid, chat) DO UPDATE SET name = coalesce(excluded.name, c.name), kind = coalesce(excluded.kind, c.kind),
        last_at = greatest(excluded.last_at, c.last_at), read_at = greatest(excluded.read_at, c.read_at)"""
_LOCK = "SELECT pg_advisory_xact_lock({lock}, 3)"
"""Held by whoever moves the position, and shared by whoever deletes events; see the triggers that keep `event_chats`."""
_SHARE = "SELECT pg_advisory_xact_lock_shared({lock}, 3)"

_TRY_COUNTS = "SELECT pg_try_advisory_xact_lock({lock}, 4)"
"""Shared by whoever adds or deletes entries of chats; see the triggers that keep `chat_unread`."""
_REMEMBER = f"""
    WITH c AS (
        SELECT uid, chat, read_at FROM rookery.chats WHERE uid = $1 AND chat = ANY ($2) FOR KEY SHARE SKIP LOCKED)
    INSERT INTO rookery.chat_unread (uid, chat, read_at, unread)
    SELECT c.uid, c.chat, coalesce(c.read_at, 0), {sql.UNREAD} FROM c
    ON CONFLICT (uid, chat) DO UPDATE SET read_at = excluded.read_at, unread = excluded.unread"""  # noqa: S608

_LIST = re.compile(r"\{in (\$\d)\}")
_PAIRS = re.compile(r"\{pairs (\$\d) (\$\d)\}")
_TABLE = r"unnest(CAST(\1 AS text[]), CAST(\2 AS text[])) AS w (w_chat, w_value)"


def _text(statement: str) -> str:
    """A statement of `rows.chats` in PostgreSQL's dialect."""
    placed = statement.replace("{id m.receipt}", "m.receipt::json ->> 'message_id'")
    return _PAIRS.sub(_TABLE, _LIST.sub(r"= ANY (\1)", placed))


def _counted(deletion: str) -> str:
    return f"WITH gone AS ({_text(deletion)} RETURNING 1) SELECT count(*) FROM gone"  # noqa: S608


_TIDY_EVENTS, _TIDY_MESSAGES, _TIDY_CHAT = map(_counted, (sql.TIDY_EVENTS, sql.TIDY_MESSAGES, sql.TIDY_CHAT))


def _row(row: Any) -> Row:
    return tuple(row)


def _first(row: Any) -> int:
    return int(row[0])


def _place(row: Any) -> ChatPlace:
    return row[0], row[1]


def _pair(row: Any) -> tuple[str, str]:
    return row[0], row[1]


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
        # One order for all writers of chats, so that no two transactions wait for each other.
        ordered = sorted(news, key=lambda one: (one.uid, one.chat, one.last_at is None))
        places = [sql.entry_to_row(entry) for entry in entries]
        runs = [
            (is_told, [sql.chat_to_row(one) for one in run])
            for is_told, run in groupby(ordered, key=lambda one: one.last_at is None)
        ]

        async def work(connection: Connection) -> None:
            if position is not None:
                await connection.execute(database.text(_LOCK))
            if places:
                await connection.execute(database.text(_ADD_ENTRIES), *zip(*places, strict=True))
            for is_told, rows in runs:
                if is_told:
                    await connection.executemany(database.text(sql.TELL_CHAT), rows)
                else:
                    await connection.execute(database.text(_ADD_CHATS), *zip(*rows, strict=True))
            if position is not None:
                await connection.execute(database.text(sql.MOVE_POSITION), str(position))

        await database.transaction(work)

    async def list_chats(self, session: str, *, after: ChatPlace | None, limit: int) -> Sequence[ChatRow]:
        uid = await self._uid(session)
        return await self._chats(uid, await self._all(sql.LIST, uid, *(after or sql.FIRST), limit, of=_row))

    async def find_chats(self, session: str, text: str, *, after: ChatPlace | None, limit: int, among: int) -> ChatRows:
        uid, begin = await self._uid(session), after or sql.FIRST
        end = next(iter(await self._all(sql.LAST_EXAMINED, uid, *begin, among - 1, of=_place)), None)
        bounds = *begin, limit + 1, *(end or sql.LAST)
        found = await self._all(sql.FIND, uid, *bounds, sql.pattern_of(text), of=_row)
        rows, place = sql.found_page(found, limit, end)
        return ChatRows(await self._chats(uid, rows), place)

    async def _chats(self, uid: int, rows: Sequence[Row]) -> Sequence[ChatRow]:
        """From rows that `LIST` or `FIND` selects."""
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
        with trio.move_on_after(sql.REMEMBER_SECONDS), suppress(StoreError):  # otherwise counted again at the next look
            for piece in sql.worth_remembering(rows):
                await self._db.transaction(partial(self._remember, uid=uid, chats=piece))
        return [sql.chat_from_row(row, by_event, by_number) for row in rows]

    async def _remember(self, connection: Connection, uid: int, chats: Sequence[str]) -> None:
        """Count the unread messages of these chats, unless entries are being added or deleted at this moment. Waits for
        no other transaction."""
        # Two statements: what was committed before the lock was taken has to be visible to the second one.
        if await connection.fetchval(self._db.text(_TRY_COUNTS)):
            await connection.execute(self._db.text(_REMEMBER), uid, list(chats))

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

    async def sent_among(self, session: str, messages: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        uid, chats, ids = await self._uid(session), [chat for chat, _ in messages], [id for _, id in messages]
        return set(await self._all(_text(sql.SENT_AMONG), uid, chats, ids, of=_pair))

    async def reported_among(
        self, session: str, messages: Collection[tuple[str, str]], *, besides: Collection[str]
    ) -> set[tuple[str, str]]:
        uid, chats, ids = await self._uid(session), [chat for chat, _ in messages], [id for _, id in messages]
        return set(await self._all(_text(sql.REPORTED_AMONG), uid, chats, ids, list(besides), of=_pair))

    async def erase_chat(
        self, session: str, chat: str, *, gone: Callable[[Sequence[str]], None] | None = None
    ) -> Erased:
        uid, newest = await self._uid(session), await self._value(_NEWEST)
        media: list[str] = []
        unlisted: list[int] = []
        count = 0

        async def events(limit: int) -> int:
            nonlocal count
            ids = await self._all(_LISTED_EVENTS, session, chat, newest, limit, of=_first)
            if not ids:  # the rest is not listed yet, or was listed just now
                if not unlisted:
                    unlisted.extend(await self._all(_UNLISTED_EVENTS, session, chat, newest, of=_first))
                ids = unlisted[:limit]
                del unlisted[:limit]
            if ids:
                erase = partial(self._db.transaction, lambda connection: self._erase(connection, ids, session, chat))
                media.extend(await announced(erase, gone))
            count += len(ids)
            return limit if unlisted else len(ids)

        async def sends(limit: int) -> int:
            numbers: dict[int, None] = {}
            for statement in sql.ERASED_MESSAGES:
                numbers |= dict.fromkeys(await self._all(statement, uid, chat, limit, of=_first))
            chosen = list(numbers)[:limit]
            if chosen:
                await self._db.row(_text(sql.ERASE_MESSAGES), chosen)
            return len(chosen)

        while await in_pieces(events, rest=False):
            pass
        sent = await in_pieces(sends, rest=False)
        await self._db.row(sql.ERASE_UNREAD, uid, chat)  # before the chat, as the view of chats locks them
        await self._db.row(sql.ERASE_CHAT, uid, chat)
        return Erased(count, sent, tuple(media))

    async def _erase(self, connection: Connection, ids: list[int], session: str, chat: str) -> list[str]:
        """One piece of a chat's events. Returns the files that came with them."""

        async def rows(statement: str, *values: object) -> list[Any]:
            found: list[Any] = await connection.fetch(self._db.text(_text(statement)), *values)
            return found

        await rows(_SHARE)  # before the lanes, for which receiving waits: this may wait for the view
        await rows(_LOCK_LANES, lane := lane_of(session, chat))
        media = [row[0] for row in await rows(sql.ERASE_MEDIA, [id_of_event(id) for id in ids])]
        for statement in (_FORGET_DELIVERIES, sql.ERASE_LETTERS, sql.ERASE_EVENTS):
            await rows(statement, ids)
        await rows(_DROP_LANES, lane)
        await rows(_MOVE_LANES, lane, ids)
        await rows("SELECT rookery.notify_1('erased', '')")  # every instance has copies of events in memory
        return media

    async def keep_chat(self, session: str, chat: str, seconds: float | None) -> bool:
        await self._uid(session)
        return await self._value(sql.KEEP, session, chat, seconds) is not None

    async def tidy_chats(self, *, now: float, before: float, limit: int = 1000) -> int:
        gone, is_more = 0, False
        for statements, tidy in ((sql.OLD_EVENTS, _TIDY_EVENTS), (sql.OLD_MESSAGES, _TIDY_MESSAGES)):
            for statement in statements:
                if gone < limit and (found := await self._all(statement, now, limit - gone, of=_first)):
                    is_more |= len(found) == limit - gone  # an event may be found twice, or be needed by now
                    gone += int(await self._value(tidy, found, now))
        if gone < limit:
            empty = await self._all(sql.EMPTY_CHATS, before, limit - gone, of=_row)
            is_more |= len(empty) == limit - gone
            for chat in empty:
                gone += int(await self._value(_TIDY_CHAT, before, *chat))
        return limit if is_more else gone

    async def _uid(self, session: str) -> int:
        uid: int | None = await self._value(sql.SESSION_UID, session)
        if uid is None:
            raise NotFound("session", session)
        return uid
