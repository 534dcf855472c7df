"""API keys and the audit log, for administrators."""

from __future__ import annotations

from typing import Annotated

import msgspec

from rookery.model.key import AuditQuery, Scope

from ..call_table import Answer, call
from ..input.parameters import EventId, Id, Limit
from ..output import key_views, views
from ..output.problems import Problem
from .state import Api

TAG = "keys"


class CreateKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new key. Without `sessions` it is valid for all sessions, including future ones; an admin key always is."""

    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1, max_length=4, examples=[["read", "send"]])]
    id: Id | None = None
    name: Annotated[str, msgspec.Meta(max_length=256, description="for people", examples=["The shop's backend"])] = ""
    sessions: (
        Annotated[
            list[Id], msgspec.Meta(min_length=1, max_length=1000, description="need not exist yet", examples=[["shop"]])
        ]
        | None
    ) = None
    rate: Annotated[float, msgspec.Meta(gt=0, le=1_000_000, description="requests a second")] | None = None
    expires_in: Annotated[float, msgspec.Meta(gt=0, le=100 * 366 * 86_400, description="seconds")] | None = None


class ListKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Which page."""

    after: Annotated[Id, msgspec.Meta(description="`next` of the page before")] | None = None
    limit: Limit = 100


class ReadAudit(msgspec.Struct, frozen=True, kw_only=True):
    """Filters; all of them must match."""

    before: Annotated[EventId, msgspec.Meta(description="`next` of the page before")] | None = None
    key: Id | None = None
    session: Id | None = None
    limit: Limit = 100


@call(
    "POST",
    "/v1/keys",
    tag=TAG,
    answers={201: key_views.ApiKey},
    problems={409: "the id exists, or an admin key is to be bound to sessions"},
    scope=Scope.ADMIN,
)
async def create_key(api: Api, *, body: CreateKey) -> Answer:
    """Create a key. The text to send as `Bearer` is in this answer and in no other."""
    if body.sessions is not None and Scope.ADMIN in body.scopes:
        raise Problem(409, "admin-is-for-all", "An admin key is for all sessions", "leave out sessions or admin")
    key, secret = await api.engine.create_key(
        name=body.name,
        scopes=body.scopes,
        sessions=body.sessions,
        rate=body.rate,
        expires_in=body.expires_in,
        id=body.id,
    )
    return Answer(key_views.ApiKey.of(key, secret), 201, {"Location": f"/v1/keys/{key.id}"})


@call("GET", "/v1/keys", tag=TAG, answers={200: key_views.ApiKeyPage}, scope=Scope.ADMIN)
async def list_keys(api: Api, *, query: ListKeys) -> Answer:
    """List keys. Their secret texts are not stored and cannot be shown."""
    found = await api.engine.list_keys(after=query.after, limit=query.limit + 1)
    page = [key_views.ApiKey.of(key) for key in found[: query.limit]]
    return Answer(key_views.ApiKeyPage(page, page[-1].id if len(found) > query.limit else None))


@call("GET", "/v1/keys/{id}", tag=TAG, answers={200: key_views.ApiKey}, scope=Scope.ADMIN)
async def get_key(api: Api, id: str) -> Answer:
    """Show one key."""
    return Answer(key_views.ApiKey.of(await api.engine.get_key(id)))


@call("DELETE", "/v1/keys/{id}", tag=TAG, answers={200: views.Deleted}, scope=Scope.ADMIN)
async def revoke_key(api: Api, id: str) -> Answer:
    """Revoke a key. Other instances may accept it for two more seconds."""
    await api.engine.revoke_key(id)
    return Answer(views.Deleted(id, True))


@call("GET", "/v1/audit", tag=TAG, answers={200: key_views.AuditPage}, scope=Scope.ADMIN)
async def read_audit(api: Api, *, query: ReadAudit) -> Answer:
    """Read who changed or sent what, newest first. Reading is not recorded."""
    found = await api.engine.read_audit(
        AuditQuery(before=query.before, key=query.key, session=query.session, limit=query.limit + 1)
    )
    page = [key_views.AuditEntry.of(entry) for entry in found[: query.limit]]
    return Answer(key_views.AuditPage(page, page[-1].id if len(found) > query.limit else None))
