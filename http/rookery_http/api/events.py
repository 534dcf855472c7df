"""The event log: by cursor, and live as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Annotated, Any, cast

import msgspec
import trio
from quart import Response
from quart.wrappers.response import ResponseBody

from rookery import model
from rookery.keys import Scope
from rookery.store import EventQuery

from .. import views
from ..callers import Caller
from ..calls import Answer, call
from ..shapes import EventId, EventTypes, Id, Limit, types_of
from ..state import Api

TAG = "events"
EVENT_STREAM = "text/event-stream"
RETRY_MILLISECONDS = 2000
"""After a lost connection a browser waits this long before it comes back."""


class ReadEvents(msgspec.Struct, frozen=True, kw_only=True):
    """Which events."""

    after: Annotated[EventId, msgspec.Meta(description="`next` of the page before, or the last id that you have")] = 0
    session: Id | None = None
    type: EventTypes | None = None
    limit: Limit = 100


class FollowEvents(msgspec.Struct, frozen=True, kw_only=True):
    """Which events, from where on."""

    after: (
        Annotated[EventId, msgspec.Meta(description="begin behind this id; without it with what comes next")] | None
    ) = None
    session: Id | None = None
    type: EventTypes | None = None


@call("GET", "/v1/events", tag=TAG, answers={200: views.EventPage}, scope=Scope.READ)
async def read_events(api: Api, *, query: ReadEvents, caller: Caller) -> Answer:
    """Read the event log by cursor, oldest first."""
    found = await api.engine.read_events(
        EventQuery(
            after=query.after,
            session=query.session,
            sessions=caller.sessions,
            types=types_of(query.type),
            limit=query.limit + 1,
        )
    )
    page = [views.Event.of(event) for event in found[: query.limit]]
    return Answer(views.EventPage(page, page[-1].id if len(found) > query.limit else None))


@call("GET", "/v1/events/stream", tag=TAG, answers={200: EVENT_STREAM}, scope=Scope.READ)
async def follow_events(api: Api, *, query: FollowEvents, last_event_id: int | None, caller: Caller) -> Answer:
    """Follow the event log live, as server-sent events.

    `id:` is the event's id, `event:` its type, `data:` the event. A client that reconnects with `Last-Event-ID` continues
    behind it without a gap; the header wins over `after`. A comment is sent when nothing happens for a while.
    """
    after = last_event_id if last_event_id is not None else query.after
    if after is None:
        after = await api.engine.last_event_id()
    events = api.engine.events(after=after, session=query.session, sessions=caller.sessions, types=types_of(query.type))
    response = Response(
        _Stream(_frames(api, cast(AsyncGenerator[model.Event], events))),
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        content_type=EVENT_STREAM,
    )
    response.timeout = None  # quart would cut it
    return Answer(response)


class _Stream(ResponseBody):
    """A response body whose tasks live exactly as long as the response."""

    def __init__(self, frames: AbstractAsyncContextManager[AsyncIterator[bytes]]) -> None:
        self._frames = frames

    async def __aenter__(self) -> AsyncIterator[bytes]:
        return await self._frames.__aenter__()

    async def __aexit__(self, *error: Any) -> bool | None:  # type: ignore[override]
        return await self._frames.__aexit__(*error)


@asynccontextmanager
async def _frames(api: Api, events: AsyncGenerator[model.Event]) -> AsyncIterator[AsyncIterator[bytes]]:
    """Frames until the client leaves or the server stops.

    The events are read by a task of their own: to cancel an asynchronous generator, as a heartbeat would, ends it. The
    channel holds nothing, so a slow reader slows the reading of the log and no memory grows.
    """
    async with trio.open_nursery() as nursery:
        sending, receiving = trio.open_memory_channel[bytes](0)

        async def feed() -> None:
            async with sending, aclosing(events):
                async for event in events:
                    await sending.send(frame(event))

        async def stop() -> None:
            await api.stopping.wait()
            nursery.cancel_scope.cancel()

        nursery.start_soon(feed)
        nursery.start_soon(stop)
        async with receiving, aclosing(_with_heartbeats(receiving, api.settings.heartbeat)) as frames:
            yield frames
        nursery.cancel_scope.cancel()


async def _with_heartbeats(frames: trio.MemoryReceiveChannel[bytes], seconds: float) -> AsyncGenerator[bytes]:
    yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
    while True:
        piece = b": nothing new\n\n"
        with trio.move_on_after(seconds):
            try:
                piece = await frames.receive()
            except trio.EndOfChannel:
                return
        yield piece


def frame(event: model.Event) -> bytes:
    """One event in the wire form of server-sent events. JSON holds no newline."""
    kind = event.type.replace("\n", " ").replace("\r", " ")
    return f"id: {event.id}\nevent: {kind}\ndata: ".encode() + msgspec.json.encode(views.Event.of(event)) + b"\n\n"
