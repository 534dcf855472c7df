"""Calls that read the event log: by cursor, and live as server-sent events or over a WebSocket (`event_socket`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Annotated, Any

import msgspec
import trio
from quart import Response
from quart.wrappers.response import ResponseBody

from rookery.features.events import EventStream
from rookery.model.event import EventQuery
from rookery.model.key import Scope

from ..access.callers import Caller
from ..call_table import Answer, call
from ..input.parameters import EventId, EventTypes, Id, Instant, Limit, seconds_of, types_of
from ..output import views
from ..output.event_schemas import body_schema
from ..output.problems import Problem
from ..output.wire_forms import WireForms
from .state import Api
from .streams.following import Follower, FollowEvents, events_for, open_follower

TAG = "events"
EVENT_STREAM = "text/event-stream"
SOCKET = "/v1/events/ws"
RETRY_MILLISECONDS = 2000
"""How long a browser waits after a lost connection before it reconnects."""


class ReadEvents(msgspec.Struct, frozen=True, kw_only=True):
    """Which events."""

    after: Annotated[EventId, msgspec.Meta(description="`next` of the page before, or the last id that you have")] = 0
    before: (
        Annotated[
            EventId,
            msgspec.Meta(
                description="the newest events below this id instead; `next` is then the next value of `before`"
            ),
        ]
        | None
    ) = None
    since: Annotated[Instant, msgspec.Meta(description="only events stored at or after this time")] | None = None
    session: Id | None = None
    chat: Annotated[str, msgspec.Meta(min_length=1, max_length=256)] | None = None
    type: EventTypes | None = None
    limit: Limit = 100


_UNKNOWN = "the log never had an event with this id: the cursor comes from another database"


@call("GET", "/v1/events", tag=TAG, answers={200: views.EventPage}, problems={409: _UNKNOWN}, scope=Scope.READ)
async def read_events(api: Api, *, query: ReadEvents, caller: Caller) -> Answer:
    """Read the event log by cursor, oldest first.

    Ids grow and are never assigned twice, even after a backup was restored: they then continue at much higher numbers.
    """
    after = query.after
    if (since := seconds_of(query.since)) is not None:
        after = max(after, await api.engine.first_event_since(since) - 1)
    found = await api.engine.read_events(
        EventQuery(
            after=after,
            before=query.before,
            session=query.session,
            sessions=caller.sessions,
            types=types_of(query.type),
            chat=query.chat,
            limit=query.limit + 1,
        )
    )
    kept = found[: query.limit] if query.before is None else found[-query.limit :]
    page = [views.Event.of(event) for event in kept]
    cursor = page[-1 if query.before is None else 0].id if len(found) > query.limit else None
    return Answer(views.EventPage(page, cursor))


@call("GET", "/v1/event-types", tag=TAG, answers={200: views.EventTypeList}, scope=Scope.READ)
async def list_event_types(api: Api) -> Answer:
    """List the types of events that the log may hold, with a JSON schema of each body."""
    rows = [
        views.EventTypeRow(
            type=row.name, platform=row.platform, summary=row.summary, quiet=row.quiet, body=body_schema(row)
        )
        for row in api.engine.event_types()
    ]
    return Answer(views.EventTypeList(rows))


@call("GET", "/v1/events/stream", tag=TAG, answers={200: EVENT_STREAM}, problems={409: _UNKNOWN}, scope=Scope.READ)
async def follow_events(api: Api, *, query: FollowEvents, last_event_id: int | None, caller: Caller) -> Answer:
    """Follow the event log live, as server-sent events.

    The answer never ends unless `limit` or `timeout` is given. A browser's EventSource reconnects when it ends.

    `id:` is the event's id, `event:` its type, `data:` the event. A client that reconnects with `Last-Event-ID`
    continues after that event without a gap; the header wins over `after`. A comment is sent when there is no event for
    a while. The stream ends when its key is revoked or expires.
    """
    events = await events_for(api, query, caller, resume=last_event_id)
    response = Response(
        _Stream(_frames(api, events, caller, query)),
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        content_type=EVENT_STREAM,
    )
    response.timeout = None  # quart would time out the stream
    return Answer(response)


@call(
    "GET",
    SOCKET,
    tag=TAG,
    answers={101: ()},
    problems={409: _UNKNOWN, 426: "the request does not ask for a WebSocket"},
    scope=Scope.READ,
)
async def event_socket(api: Api, *, query: FollowEvents, last_event_id: int | None, caller: Caller) -> Answer:
    """Follow the event log live, over a WebSocket.

    Each message is one event as JSON. With `after` or `Last-Event-ID` it continues after that event without a gap. A
    client that cannot send the header `Authorization`, such as a web page, sends `{"key": "KEY"}` as its first message,
    within 10 s. The server sends pings. It closes with 1000 when `limit` or `timeout` is reached, with 1001 when it
    stops, and with 1008 when the key is missing, wrong or revoked, or when the event to continue after is unknown.
    """
    raise Problem(426, "upgrade-required", "Upgrade required", "ask for a WebSocket", headers={"Upgrade": "websocket"})


class _Stream(ResponseBody):
    """A response body whose tasks live exactly as long as the response."""

    def __init__(self, frames: AbstractAsyncContextManager[AsyncIterator[bytes]]) -> None:
        self._frames = frames

    async def __aenter__(self) -> AsyncIterator[bytes]:
        return await self._frames.__aenter__()

    async def __aexit__(self, *error: Any) -> bool | None:  # type: ignore[override]
        return await self._frames.__aexit__(*error)


@asynccontextmanager
async def _frames(
    api: Api, events: EventStream, caller: Caller, query: FollowEvents
) -> AsyncIterator[AsyncIterator[bytes]]:
    async with open_follower(api, events, caller, query) as follower:
        with api.wire_forms.reader():
            async with aclosing(_chunks(follower, api.wire_forms)) as chunks:
                yield chunks


async def _chunks(follower: Follower, forms: WireForms) -> AsyncGenerator[bytes]:
    """Yields all waiting frames at once, and a comment when nothing has happened for a while."""
    yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
    while True:
        try:
            page = await follower.next_page()
        except trio.EndOfChannel:
            return
        for chunk in forms.chunks(page, follower.query) if page else (b": nothing new\n\n",):
            if follower.ended:
                return
            yield chunk
