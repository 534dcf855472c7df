"""The event log over a WebSocket: the same events, filters and resumption as the server-sent events have.

A key is never part of the address, which ends up in logs and histories: it comes in the header, or as the first
message. Whatever else a client sends is read and discarded, because the protocol has to see its pongs and its close
frame.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import trio
from quart import Response, websocket

from rookery.errors import RookeryError, UnknownCursor
from rookery.model.key import Scope

from ...access.callers import Caller, given_key
from ...access.local import check_local
from ...input.parameters import read_header
from ...input.reading import read_query
from ...output.problems import Problem
from ..state import Api
from .following import FollowEvents, events_for, open_follower

FIRST_MESSAGE = 10.0
"""Seconds for a client to send its key."""
DONE, GOING_AWAY, POLICY_VIOLATION, TRY_AGAIN_LATER = 1000, 1001, 1008, 1013


class FirstMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client without a header sends first."""

    key: str


async def serve_event_socket(api: Api, refusal: Callable[[Exception], Response]) -> Response | None:
    """Serve one connection, inside Quart's context of that WebSocket; `refusal` makes the answer that refuses it."""
    headers = websocket.headers
    try:
        if api.settings.key is None:
            check_local(websocket, api.cors)
        query = read_query(websocket.query_string, FollowEvents)
        resume = read_header("Last-Event-ID", headers.getlist("Last-Event-ID"))
        caller: Caller | None = None
        if api.settings.key is None or given_key(headers) is not None:
            caller = await _admit(api, given_key(headers))
            events = await events_for(api, query, caller, resume=resume)
    except (Problem, RookeryError) as error:
        return refusal(error)
    await websocket.accept()
    if caller is None:
        try:
            caller = await _admit(api, await _first_message())
            events = await events_for(api, query, caller, resume=resume)
        except Problem as problem:
            await websocket.close(POLICY_VIOLATION, problem.document.detail)
            return None
        except UnknownCursor as error:
            await websocket.close(POLICY_VIOLATION, f"event {error.after} is unknown; the newest is {error.newest}")
            return None
        except RookeryError:
            await websocket.close(TRY_AGAIN_LATER, "the database does not answer")
            return None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_throw_away)
        async with open_follower(api, events, caller, query) as follower:
            with api.wire_forms.reader():
                try:
                    while True:
                        for event in await follower.next_page():
                            if not follower.ended:
                                await websocket.send(api.wire_forms.json(event).decode())
                except trio.EndOfChannel:
                    if follower.revoked:
                        await websocket.close(POLICY_VIOLATION, "the key was revoked or has expired")
                    elif follower.ended:
                        await websocket.close(GOING_AWAY, "the server stops")
                    else:
                        await websocket.close(DONE, "the requested limit was reached")
                except RookeryError:
                    await websocket.close(TRY_AGAIN_LATER, "the database does not answer")
        nursery.cancel_scope.cancel()
    return None


async def _admit(api: Api, key: str | None) -> Caller:
    """Raises a Problem for a caller that may not read events."""
    caller = await api.identify(websocket, key)
    caller.require(Scope.READ)
    if caller.key is not None and (rate := caller.key.rate or api.settings.key_rate) > 0:
        api.rate_limits.check(caller.id, rate)
    return caller


async def _first_message() -> str:
    """The key that the client sends in its first message."""
    text: str | bytes = b""
    with trio.move_on_after(FIRST_MESSAGE):
        text = await websocket.receive()
    try:
        first = msgspec.json.decode(text, type=FirstMessage)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Problem(401, "unauthorized", "Unauthorized", 'send {"key": "KEY"} first') from None
    return first.key


async def _throw_away() -> None:
    while True:
        await websocket.receive()
