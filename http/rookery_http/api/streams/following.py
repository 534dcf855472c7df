"""The code that server-sent events and the WebSocket share: where to begin, what to wait for, when to end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Sequence
from contextlib import asynccontextmanager
from math import inf
from typing import Annotated

import msgspec
import trio

from rookery import model
from rookery.features.events import EventStream
from rookery.model.key import ApiKey
from rookery.model.subscription import EVERYTHING

from ...access.callers import Caller
from ...input.parameters import EventId, EventTypes, Id, types_of
from ..state import Api

EVERY_TYPE = (EVERYTHING,)

LEAST = 0.05
"""Minimum seconds for every reader, enough to send the events that are already there."""


class FollowEvents(msgspec.Struct, frozen=True, kw_only=True):
    """Which events, from where on."""

    after: (
        Annotated[EventId, msgspec.Meta(description="begin behind this id; without it with what comes next")] | None
    ) = None
    last: (
        Annotated[
            int,
            msgspec.Meta(ge=0, le=10_000, description="instead of `after`: begin so many ids before the newest event"),
        ]
        | None
    ) = None
    session: Id | None = None
    chat: Annotated[str, msgspec.Meta(min_length=1, max_length=256)] | None = None
    type: EventTypes | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1_000_000, description="end after so many events")] | None = None
    timeout: (
        Annotated[
            float, msgspec.Meta(ge=0, le=86_400, description="end after so many seconds; it has no end otherwise")
        ]
        | None
    ) = None


class Follower:
    """The events of one reader, page by page. It holds one page, and fetches the next only when the reader takes it."""

    def __init__(self, api: Api, events: EventStream, query: FollowEvents) -> None:
        self._api = api
        self._events = events
        self._left = query.limit if query.limit is not None else inf
        self._deadline = trio.current_time() + (max(query.timeout, LEAST) if query.timeout is not None else inf)
        self._waiting = trio.CancelScope()
        self.revoked = False
        """The reader's key is no longer valid."""

    @property
    def query(self) -> Hashable:
        """Identifies the request: equal for all readers with the same query."""
        return self._events.filter

    @property
    def ended(self) -> bool:
        """True when the reader receives no more events."""
        return self.revoked or self._api.stopping.is_set()

    async def next_page(self) -> Sequence[model.Event]:
        """The next events; empty when none came within a heartbeat.

        Raises:
            trio.EndOfChannel: the server stops, the key was revoked, or the reader has received all it asked for.
        """
        if not self.ended and self._left > 0:
            heartbeat = trio.current_time() + self._api.settings.heartbeat
            with trio.CancelScope(deadline=min(heartbeat, self._deadline)) as self._waiting:
                page = await self._events.next_page()
                if len(page) > self._left:
                    page = page[: int(self._left)]
                self._left -= len(page)
                return page
        if self.ended or self._left <= 0 or trio.current_time() >= self._deadline:
            raise trio.EndOfChannel
        return ()

    async def end_with_the_server(self) -> None:
        """Run this beside the follower: it ends the follower's wait when the server stops."""
        await self._api.stopping.wait()
        self._waiting.cancel()

    async def end_with_the_key(self, key: ApiKey) -> None:
        """Run this beside the follower: it ends the follower when the key is revoked or expires."""
        await self._api.engine.wait_key_gone(key)
        self.revoked = True
        self._waiting.cancel()


async def events_for(api: Api, query: FollowEvents, caller: Caller, *, resume: int | None = None) -> EventStream:
    """The events that a reader asks for. `resume` is the last id that it has; it overrides the query."""
    after = resume if resume is not None else query.after
    if after is None:
        after = max(0, await api.engine.last_event_id() - (query.last or 0))
    else:
        await api.engine.check_cursor(after)
    chat = None if query.chat is None else await api.engine.name_chat(query.chat, query.session)
    return api.engine.events(
        after=after,
        session=query.session,
        sessions=caller.sessions,
        types=types_of(query.type) or EVERY_TYPE,
        chat=chat,
    )


@asynccontextmanager
async def open_follower(api: Api, events: EventStream, caller: Caller, query: FollowEvents) -> AsyncIterator[Follower]:
    """Open a follower. It ends when the server stops, when the caller's key becomes invalid, or where `query` says."""
    follower = Follower(api, events, query)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follower.end_with_the_server)
        if caller.key is not None:
            nursery.start_soon(follower.end_with_the_key, caller.key)
        yield follower
        nursery.cancel_scope.cancel()
