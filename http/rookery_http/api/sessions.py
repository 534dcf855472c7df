"""Sessions: create, show, change, start, stop, delete."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from rookery import model
from rookery.errors import InvalidInput
from rookery.model.key import Scope
from rookery.model.session import SessionChange, SessionQuery

from ..access.callers import Caller, forbidden
from ..call_table import Answer, call
from ..config.advice import with_variables
from ..input.parameters import NO_NEWLINE, Id, Limit
from ..output import values as shown
from ..output import views
from ..output.problems import Problem
from .state import Api

TAG = "sessions"
NOT_IDS = frozenset({"terminate-inactive"})
"""Names of calls beside `/v1/sessions/{id}`: a session with one of these ids could not be reached."""
NAME = Annotated[str, msgspec.Meta(max_length=256, description="for people", examples=["The shop's bot"])]
CREDENTIALS = Annotated[
    dict[Annotated[str, msgspec.Meta(min_length=1, max_length=64)], Annotated[str, msgspec.Meta(max_length=4096)]],
    msgspec.Meta(max_length=16, description='what the platform asks for; Telegram: `{"token": "..."}`'),
]


class CreateSession(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new session. Without an id it gets one."""

    platform: Annotated[str, msgspec.Meta(min_length=1, max_length=64, examples=["telegram"])]
    id: Id | None = None
    name: NAME | None = None
    credentials: CREDENTIALS = {}
    settings: Annotated[dict[str, Any], msgspec.Meta(description="for the platform's provider")] = {}
    metadata: Annotated[dict[str, Any], msgspec.Meta(description="yours; kept and shown as it is")] = {}
    enabled: bool = True


class ChangeSession(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Fields to change; absent ones stay as they are. New credentials or settings restart the session."""

    name: NAME | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET
    credentials: CREDENTIALS | msgspec.UnsetType = msgspec.UNSET
    settings: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    metadata: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class ListSessions(msgspec.Struct, frozen=True, kw_only=True):
    """Filters; all of them must match."""

    platform: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_-]{1,64}$" + NO_NEWLINE)] | None = None
    status: model.SessionStatus | None = None
    enabled: bool | None = None
    after: Annotated[Id, msgspec.Meta(description="`next` of the page before")] | None = None
    limit: Limit = 100


def _show(api: Api, session: model.Session) -> views.Session:
    return views.Session.of(session, api.engine.proof_of_life(session.id))


@call(
    "POST",
    "/v1/sessions",
    tag=TAG,
    answers={201: views.Session},
    problems={409: "the id exists, or is the name of a call", 429: "a limit of sessions is reached"},
    scope=Scope.MANAGE,
)
async def create_session(api: Api, *, body: CreateSession, caller: Caller) -> Answer:
    """Create a session, and start it unless `enabled` is false.

    The answer comes as soon as it is stored; `status` then shows how connecting goes. A key that is bound to sessions
    may create those.
    """
    if not caller.reaches(body.id):
        raise forbidden("this key may create the sessions that it is for, by their ids")
    if body.id in NOT_IDS:
        raise Problem(
            409, "reserved-id", "Reserved id", f"{body.id!r} is the name of a call; choose another id", field="id"
        )
    session = await api.engine.create_session(
        id=body.id,
        platform=body.platform,
        name=body.name,
        credentials=body.credentials,
        settings=body.settings,
        metadata=body.metadata,
        enabled=body.enabled,
    )
    return Answer(_show(api, session), 201, {"Location": f"/v1/sessions/{session.id}"})


@call("GET", "/v1/sessions", tag=TAG, answers={200: views.SessionPage}, scope=Scope.READ)
async def list_sessions(api: Api, *, query: ListSessions, caller: Caller) -> Answer:
    """List sessions, ordered by id."""
    found = await api.engine.list_sessions(
        SessionQuery(
            platform=query.platform,
            status=query.status,
            enabled=query.enabled,
            ids=caller.sessions,
            after=query.after,
            limit=query.limit + 1,
        )
    )
    page = [_show(api, session) for session in found[: query.limit]]
    return Answer(views.SessionPage(page, page[-1].id if len(found) > query.limit else None))


@call("GET", "/v1/sessions/{id}", tag=TAG, answers={200: views.Session}, scope=Scope.READ)
async def get_session(api: Api, id: str) -> Answer:
    """Show one session."""
    session = await api.engine.get_session(id)
    return Answer(views.Session.of(session, await api.engine.find_proof_of_life(id)))


@call(
    "PATCH",
    "/v1/sessions/{id}",
    tag=TAG,
    answers={200: views.Session},
    problems={409: "credentials or settings of another platform", 429: "a limit of sessions is reached"},
    scope=Scope.MANAGE,
)
async def update_session(api: Api, id: str, *, body: ChangeSession) -> Answer:
    """Change a session."""
    change = SessionChange(
        name=body.name,
        enabled=body.enabled,
        credentials=body.credentials,
        settings=body.settings,
        metadata=body.metadata,
    )
    try:
        return Answer(_show(api, await api.engine.update_session(id, change)))
    except InvalidInput as error:
        raise await _other_platform(api, id, body, error) from None


async def _other_platform(api: Api, id: str, body: ChangeSession, error: InvalidInput) -> Exception:
    """A change does not name the platform, so input that is valid for another platform is a conflict, not bad input."""
    platform = (await api.engine.get_session(id)).platform
    for field in ("credentials", "settings"):
        value = getattr(body, field)
        fitting = {
            name for name, given in api.platforms.items() if value is not msgspec.UNSET and given.fits(field, value)
        }
        if fitting and platform not in fitting:
            return Problem(409, "other-platform", f"Not for {platform}", str(error), field=error.field)
    return error


@call("DELETE", "/v1/sessions/{id}", tag=TAG, answers={200: views.Deletion}, scope=Scope.MANAGE)
async def delete_session(api: Api, id: str) -> Answer:
    """Delete a session with everything but its events.

    It is logged out first, if the platform has a logout. It is deleted even when the logout fails; the answer tells
    what happened.
    """
    report = await api.engine.delete_session(id)
    return Answer(
        views.Deletion(
            id=report.id,
            deleted=report.deleted,
            was_running=report.was_running,
            logged_out=report.logged_out,
            detail=with_variables(report.detail),
        )
    )


VERB = {202: views.Session}
LIMITED = {429: "a limit of sessions is reached"}
ELSEWHERE = {504: "the instance that runs the session did not answer in time; it may have happened"}


@call("POST", "/v1/sessions/{id}/start", tag=TAG, answers=VERB, problems=LIMITED, scope=Scope.MANAGE)
async def start_session(api: Api, id: str) -> Answer:
    """Enable a session and connect it, even if it had given up."""
    return Answer(_show(api, await api.engine.start(id)), 202)


@call("POST", "/v1/sessions/{id}/stop", tag=TAG, answers=VERB, scope=Scope.MANAGE)
async def stop_session(api: Api, id: str) -> Answer:
    """Disable a session and disconnect it; nothing is logged out."""
    return Answer(_show(api, await api.engine.stop(id)), 202)


@call("POST", "/v1/sessions/{id}/restart", tag=TAG, answers=VERB, problems=LIMITED, scope=Scope.MANAGE)
async def restart_session(api: Api, id: str) -> Answer:
    """Replace a session's connection with a new one."""
    return Answer(_show(api, await api.engine.restart(id)), 202)


@call("POST", "/v1/sessions/{id}/enable", tag=TAG, answers=VERB, problems=LIMITED, scope=Scope.MANAGE)
async def enable_session(api: Api, id: str) -> Answer:
    """Mark a session as wanted; this survives restarts."""
    return Answer(_show(api, await api.engine.enable(id)), 202)


@call("POST", "/v1/sessions/{id}/disable", tag=TAG, answers=VERB, scope=Scope.MANAGE)
async def disable_session(api: Api, id: str) -> Answer:
    """Mark a session as not wanted; this survives restarts."""
    return Answer(_show(api, await api.engine.disable(id)), 202)


@call("POST", "/v1/sessions/{id}/logout", tag=TAG, answers=VERB, problems=ELSEWHERE, scope=Scope.MANAGE)
async def logout_session(api: Api, id: str) -> Answer:
    """End the authorisation at the platform, if there is one."""
    return Answer(_show(api, await api.engine.logout(id)), 202)


@call("POST", "/v1/sessions/{id}/retry", tag=TAG, answers=VERB, scope=Scope.MANAGE)
async def retry_session(api: Api, id: str) -> Answer:
    """Try again now instead of waiting for the next attempt."""
    return Answer(_show(api, await api.engine.retry(id)), 202)


@call("GET", "/v1/sessions/{id}/history", tag=TAG, answers={200: views.StatusHistory}, scope=Scope.READ)
async def session_history(api: Api, id: str) -> Answer:
    """Show the last 50 changes of status: why was this down?"""
    rows = await api.engine.history(id)
    return Answer(
        views.StatusHistory(
            [views.Transition(row.status, row.reason, with_variables(row.detail), shown.moment(row.at)) for row in rows]
        )
    )
