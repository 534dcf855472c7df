"""May this caller make this call? Checked before any part of the request's input is read.

The default is the safe answer: a call that does not declare its subject is for administrators, and a call whose subject
is not one thing of one session is refused to keys bound to sessions, unless its handler takes the caller and filters.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from rookery import Engine
from rookery.errors import NotFound, UnknownCursor
from rookery.model.event import EventQuery

from ..call_table import Call
from .callers import Caller


async def authorize(engine: Engine, row: Call, caller: Caller, path: Mapping[str, str]) -> None:
    """Raises a Problem (403), or NotFound: a session that the key is not bound to looks as if it did not exist."""
    if row.scope is None:
        return
    caller.require(row.scope)
    if caller.sessions is None or (row.takes_caller and not row.takes_id):
        return
    kind = row.path.split("/")[2] if row.takes_id else ""
    if kind == "sessions":
        caller.check_session(path["id"])
    elif kind in _OWNERS:
        name, owner = _OWNERS[kind]
        if not caller.reaches(await owner(engine, path["id"])):
            raise NotFound(name, path["id"])
    else:
        caller.require_all_sessions()


async def _message(engine: Engine, id: str) -> str | None:
    return (await engine.get_message(id)).session


async def _webhook(engine: Engine, id: str) -> str | None:
    return (await engine.get_webhook(id)).session


async def _sink(engine: Engine, id: str) -> str | None:
    return (await engine.get_sink(id)).session


async def _event(engine: Engine, id: str) -> str | None:
    number = int(id) if id.isascii() and id.isdigit() and len(id) < 19 else 0
    try:
        found = await engine.read_events(EventQuery(after=number - 1, limit=1)) if number else ()
    except UnknownCursor:
        found = ()
    if not found or found[0].id != number:
        raise NotFound("event", id)
    return found[0].session


async def _media(engine: Engine, id: str) -> str | None:
    return await engine.session_of_media(id)


_OWNERS: dict[str, tuple[str, Callable[[Engine, str], Awaitable[str | None]]]] = {
    "messages": ("message", _message),
    "events": ("event", _event),
    "media": ("media", _media),
    "webhooks": ("webhook", _webhook),
    "sinks": ("sink", _sink),
}
"""By the second part of the path: the word for the object, and a function that finds its session (None: of all
sessions)."""
