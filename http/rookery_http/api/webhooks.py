"""Webhooks: endpoints, what could not be delivered to them, and another try."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from rookery.keys import Scope

from .. import views
from ..callers import Caller, forbidden
from ..calls import Answer, call
from ..shapes import NO_NEWLINE, EventId, Id, Limit
from ..state import Api

TAG = "webhooks"
_HOST = r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?"
_GROUP = "[0-9A-Fa-f]{1,4}"
_IPV6 = rf"\[(({_GROUP}:){{7}}{_GROUP}|({_GROUP}:){{1,6}}:({_GROUP})?|::{_GROUP})\]"
_PORT = r"(:(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}))?"
_URL = rf"""^https?://([!$&-.0-;=A-Z_a-z~]+@)?({_HOST}|{_IPV6}){_PORT}([/?][!"$-~]*)?$"""
_CODE = "[A-Za-z0-9+/]"
_PADDED = f"({_CODE}{{2}}==|{_CODE}{{3}}=)"
_SECRET = f"^whsec_(({_CODE}{{4}}){{8,20}}{_PADDED}?|({_CODE}{{4}}){{21}}({_CODE}{{2}}==)?)$"
URL = Annotated[
    str,
    msgspec.Meta(
        pattern=_URL + NO_NEWLINE,
        max_length=2048,
        examples=["https://example.org/rookery"],
    ),
]
EVENT_TYPE = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$" + NO_NEWLINE, examples=["message"])]
EVENTS = Annotated[list[EVENT_TYPE], msgspec.Meta(min_length=1, max_length=100, description="types; null: every one")]
SECRET = Annotated[
    str,
    msgspec.Meta(
        pattern=_SECRET + NO_NEWLINE,
        description="signs the deliveries (Standard Webhooks): `whsec_` and 24 to 64 bytes in base64",
        examples=["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"],
    ),
]


class CreateWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An endpoint that takes events by POST. Without a secret it gets one."""

    url: URL
    id: Id | None = None
    session: Annotated[Id, msgspec.Meta(description="only events of this session")] | None = None
    events: EVENTS | None = None
    secret: SECRET | None = None
    enabled: bool = True


class ChangeWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What to change; what is absent stays."""

    url: URL | msgspec.UnsetType = msgspec.UNSET
    events: EVENTS | msgspec.UnsetType | None = msgspec.UNSET
    secret: SECRET | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET


class ListWebhooks(msgspec.Struct, frozen=True, kw_only=True):
    """Which webhooks."""

    session: Annotated[Id, msgspec.Meta(description="only those of this session")] | None = None


class ReadDeadLetters(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters."""

    after: Annotated[EventId, msgspec.Meta(description="`next` of the page before")] = 0
    limit: Limit = 100


class Replay(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which dead letters to try again; without a list, all."""

    event_ids: Annotated[list[EventId], msgspec.Meta(min_length=1, max_length=1000)] | None = None


@call(
    "POST",
    "/v1/webhooks",
    tag=TAG,
    answers={201: views.Webhook},
    problems={404: "no such session", 409: "the id exists"},
    scope=Scope.MANAGE,
)
async def create_webhook(api: Api, *, body: CreateWebhook, caller: Caller) -> Answer:
    """Create a webhook. A generated secret is in this answer and in no other.

    A key that is for some sessions has to name one, and cannot choose the webhook's id.
    """
    if caller.sessions is not None:
        if body.session is None:
            raise forbidden("this key has to name the session whose events the webhook gets")
        caller.check_session(body.session)
        if body.id is not None:  # "this id exists" would tell of other people's webhooks
            raise forbidden("this key cannot choose a webhook's id; leave it out")
    webhook = await api.engine.create_webhook(
        url=body.url,
        session=body.session,
        events=body.events,
        secret=body.secret,
        id=body.id,
        enabled=body.enabled,
    )
    shown = views.Webhook.of(webhook, show_secret=body.secret is None)
    return Answer(shown, 201, {"Location": f"/v1/webhooks/{webhook.id}"})


@call("GET", "/v1/webhooks", tag=TAG, answers={200: views.Webhooks}, scope=Scope.READ)
async def list_webhooks(api: Api, *, query: ListWebhooks, caller: Caller) -> Answer:
    """List webhooks, oldest first."""
    rows = await api.engine.list_webhooks(query.session)
    return Answer(views.Webhooks([views.Webhook.of(row) for row in rows if caller.reaches(row.session)]))


@call("GET", "/v1/webhooks/{id}", tag=TAG, answers={200: views.Webhook}, scope=Scope.READ)
async def get_webhook(api: Api, id: str) -> Answer:
    """Show one webhook."""
    return Answer(views.Webhook.of(await api.engine.get_webhook(id)))


@call("PATCH", "/v1/webhooks/{id}", tag=TAG, answers={200: views.Webhook}, scope=Scope.MANAGE)
async def update_webhook(api: Api, id: str, *, body: ChangeWebhook) -> Answer:
    """Change a webhook."""
    changes: dict[str, Any] = {
        name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not msgspec.UNSET
    }
    return Answer(views.Webhook.of(await api.engine.update_webhook(id, **changes)))


@call("DELETE", "/v1/webhooks/{id}", tag=TAG, answers={200: views.Deleted}, scope=Scope.MANAGE)
async def delete_webhook(api: Api, id: str) -> Answer:
    """Delete a webhook with its deliveries and dead letters."""
    await api.engine.delete_webhook(id)
    return Answer(views.Deleted(id, True))


@call("GET", "/v1/webhooks/{id}/dead-letters", tag=TAG, answers={200: views.DeadLetters}, scope=Scope.READ)
async def dead_letters(api: Api, id: str, *, query: ReadDeadLetters) -> Answer:
    """List the deliveries that were given up."""
    found = await api.engine.dead_letters(id, after=query.after, limit=query.limit + 1)
    page = [views.DeadLetter.of(letter) for letter in found[: query.limit]]
    return Answer(views.DeadLetters(page, page[-1].event.id if len(found) > query.limit else None))


@call(
    "POST", "/v1/webhooks/{id}/replay", tag=TAG, answers={202: views.Replayed}, body_required=False, scope=Scope.MANAGE
)
async def replay(api: Api, id: str, *, body: Replay | None) -> Answer:
    """Put dead letters back on their way."""
    return Answer(views.Replayed(await api.engine.replay(id, body.event_ids if body else None)), 202)
