"""Calls of any method of the Bot API through a session, and a session's move from one Bot API server to another."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from rookery.errors import NotFound
from rookery.model.content import media_in
from rookery.model.key import Scope

from ..access.callers import Caller
from ..call_table import Answer, call
from ..output import views
from .state import Api

PLATFORM = "telegram"


class MethodParameters(msgspec.Struct, frozen=True):
    """The method's parameters, as the Bot API names them; `"media:ID"` stands for a stored file."""


class MethodResult(msgspec.Struct, frozen=True):
    """`result` is the platform's, unchanged."""

    result: Any


@call(
    "POST",
    "/v1/sessions/{id}/telegram/{method}",
    tag="messages",
    answers={200: MethodResult},
    problems={
        403: "the method would break the session (`detail` names what to do instead), or the key may not call methods",
        404: "there is no such session, no such method, or no such file in `media:ID`",
        409: "the session is not connected",
        422: "Telegram refused; `platform` holds its answer",
        429: "Telegram wants a pause; see Retry-After",
        504: "no answer came: the outcome is unknown",
    },
    scope=Scope.CALL,
    body_required=False,
)
async def call_telegram(api: Api, id: str, *, method: str, body: dict[str, Any] | None, caller: Caller) -> Answer:
    """Call any method of the Bot API.

    The call is made at once and does not wait behind queued sends, so an answer to a callback, inline, shipping or
    pre-checkout query arrives in time. It is made once and not stored; to have it stored, send a message of the type
    `telegram`.
    """
    session = await api.engine.get_session(id)
    if session.platform != PLATFORM:
        raise NotFound(f"{PLATFORM} session", id)
    await check_files(api, body or {}, caller)
    return Answer(MethodResult(await api.engine.call(id, method, body or {})))


class LeaveServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`logOut` leaves Telegram's own server, `close` leaves your own."""

    method: Literal["logOut", "close"] = "logOut"


@call(
    "POST",
    "/v1/sessions/{id}/telegram-server",
    tag="sessions",
    answers={200: views.Session},
    problems={
        409: "the session is not connected",
        422: "Telegram refused; `platform` holds its answer, and the session goes on",
        429: "Telegram wants a pause; see Retry-After",
        504: "no answer came: the bot may be logged out; the session is stopped",
    },
    scope=Scope.MANAGE,
    body_required=False,
)
async def leave_telegram_server(api: Api, id: str, *, body: LeaveServer | None) -> Answer:
    """Leave the current Bot API server, to move to another one.

    Every update that waits there is stored first, because `logOut` drops them; then the session is stopped. Change the
    address (`ROOKERY_TELEGRAM_API_URL`) and start it. After `logOut`, Telegram's own server takes the bot back after ten
    minutes.
    """
    session = await api.engine.get_session(id)
    if session.platform != PLATFORM:
        raise NotFound(f"{PLATFORM} session", id)
    left = await api.engine.leave_server(id, (body or LeaveServer()).method)
    return Answer(views.Session.of(left, api.engine.proof_of_life(id)))


async def check_files(api: Api, params: dict[str, Any], caller: Caller) -> None:
    """Raises NotFound for a file that the caller may not see, exactly as for one that does not exist."""
    if caller.sessions is None:
        return
    for file in media_in(params):
        try:
            session = await api.engine.session_of_media(file)
        except NotFound:
            session = None
        if not caller.reaches(session):
            raise NotFound("media", file)
