"""Reading and following the event log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import trio

from ..delivery.tail import EventTail
from ..errors import UnknownCursor
from ..model.event import Event, EventQuery
from ..model.subscription import EVERYTHING, asks_for, is_about_session
from ..store.contract import Store
from .platform.chats import ChatNames

FOLLOW_BATCH = 200
"""Maximum number of events that a follower holds."""


class EventFeatures(ChatNames):
    """The log is the source of truth; a follower is a cursor in it, so a slow follower costs no memory."""

    async def read_events(self, query: EventQuery | None = None) -> Sequence[Event]:
        """One page, ordered by id; the last event's id is the cursor of the next page. With `before`, the page has the newest
        events below that id, and the first event's id is the cursor of the page before it.

        `types` are names and patterns (`message.*`, `*`). Without them, and with `*`, the page has all types except the
        quiet ones, which must be named: `message.status`, `session.qr`, `session.pairing_code`, `history.message`,
        `history.chat`.

        Raises UnknownCursor when `after` is higher than any id ever assigned.
        """
        query = query or EventQuery()
        if query.chat is not None:
            query = msgspec.structs.replace(query, chat=await self.name_chat(query.chat, query.session))
        found = await self._store.read_events(_asked(query))
        if not found:
            await self.check_cursor(query.after)
        return found

    async def first_event_since(self, moment: float) -> int:
        """The id of the oldest event stored at or after `moment` (seconds since the epoch); an id above every event's when
        there is none. To begin reading there, use one less as `after`."""
        return await self._store.first_event_since(moment)

    async def check_cursor(self, after: int) -> None:
        """Raises UnknownCursor when the log has never assigned an id this high."""
        if after > 0 and after > await self._store.last_event_id() and after > await self._store.highest_event_id():
            raise UnknownCursor(after, await self._store.last_event_id())

    async def last_event_id(self) -> int:
        """The newest event's id; 0 when the log is empty."""
        return await self._store.last_event_id()

    def events(
        self,
        *,
        after: int | None = None,
        session: str | None = None,
        types: Sequence[str] | None = None,
        sessions: Sequence[str] | None = None,
        chat: str | None = None,
    ) -> EventStream:
        """Every event after `after`, then new ones as they are stored, until the loop is left or cancelled.

        Types as in `read_events`, with one difference: without `types` the stream has only the events that platforms
        reported and the events about their files, and none about the sessions themselves, so that a loop which answers
        each event never receives one without a chat. Ask for `types=["session.status"]`, or `["*"]` for both. `chat` is
        the name that events use (see `name_chat`). Without `after` the stream begins with the first event stored since
        this engine was opened; 0 means the whole log. To continue after a restart, keep the id of the last handled
        event and pass it.
        """
        return EventStream(
            self._store,
            self._tail,
            _asked(
                EventQuery(
                    after=self._first_event if after is None else after,
                    session=session,
                    sessions=tuple(sessions) if sessions is not None else None,
                    types=tuple(types) if types is not None else None,
                    chat=chat,
                    limit=FOLLOW_BATCH,
                )
            ),
            sessions_too=types is not None,
        )


def _asked(query: EventQuery) -> EventQuery:
    return query if query.types is not None else msgspec.structs.replace(query, types=(EVERYTHING,))


class EventStream:
    """The events that a query matches, now and later. Holds one page; it needs no closing.

    A cancelled call has consumed no event: the stream can be used again, for example after a timeout.
    """

    def __init__(self, store: Store, tail: EventTail, query: EventQuery, *, sessions_too: bool = True) -> None:
        """`sessions_too` False: leave out the events about sessions themselves."""
        self._store = store
        self._tail = tail
        self._query = query
        self._sessions_too = sessions_too
        self._filter = msgspec.structs.replace(query, after=0)
        self._page: Iterator[Event] = iter(())
        self._wanted: dict[str, bool] = {}  # by type
        self._position = query.after  # every event up to here was handed out or does not match

    @property
    def filter(self) -> EventQuery:
        """The original query, starting at the beginning of the log."""
        return self._filter

    def __aiter__(self) -> EventStream:
        return self

    async def aclose(self) -> None:
        """For callers that close every iterator."""
        await trio.lowlevel.checkpoint()

    async def __anext__(self) -> Event:
        event = next(self._page, None)
        while event is None:
            self._page = iter(await self.next_page())
            event = next(self._page, None)
        return event

    async def next_page(self) -> Sequence[Event]:
        """The events available now, one or many, for callers that pass on many at once.

        Use either this or the iteration.
        """
        await trio.lowlevel.checkpoint()
        while True:
            end = self._tail.last
            if self._tail.covers(self._position):
                kept = self._tail.after(self._position, self._query.session, self._query.limit)
                page: Sequence[Event] = self._matching(kept)
                self._position = kept[-1].id if len(kept) == self._query.limit else max(self._position, end)
            else:
                page = await self._read_behind(end)
            if page:
                return page
            self._position = await self._tail.newer_than(self._position, self._query.session)

    async def _read_behind(self, end: int) -> Sequence[Event]:
        """Read from the store. `end` is the tail's last event at an earlier moment, so an event that is not found up to
        there does not exist."""
        query = self._query
        everything = query == EventQuery(after=query.after, types=(EVERYTHING,), limit=query.limit)
        while True:
            if everything:
                found = await self._tail.past.after(self._position)
                complete = not found
            else:
                found = await self._store.read_events(msgspec.structs.replace(query, after=self._position))
                complete = len(found) < query.limit
            if found:
                self._position = found[-1].id
            if complete:
                self._position = max(self._position, end)
            page = self._matching(found)
            if page or complete:
                return page

    def _matching(self, events: Sequence[Event]) -> list[Event]:
        sessions, chat = self._query.sessions, self._query.chat
        return [
            event
            for event in events
            if self._wants(event.type)
            and (sessions is None or event.session in sessions)
            and (chat is None or event.chat == chat)
        ]

    def _wants(self, type: str) -> bool:
        wanted = self._wanted.get(type)
        if wanted is None:
            wanted = asks_for(self._query.types, type) and (self._sessions_too or not is_about_session(type))
            self._wanted[type] = wanted
        return wanted
