"""Webhooks: endpoints, what could not be delivered to them, and another try."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from rookery import model
from rookery.delivery.attempts import excerpt, secrets_of
from rookery.errors import InvalidInput
from rookery.features.webhooks import HEADER_NAME, HEADER_VALUE, MAX_GRACE, MAX_HEADERS, MAX_TIMEOUT, check_headers
from rookery.model.address import HTTP_ADDRESS
from rookery.model.key import Scope

from ..access.callers import Caller, forbidden
from ..calls import Answer, call
from ..config.advice import with_variables
from ..input.parameters import EVENT_NAME, IN_WORDS, NO_NEWLINE, EventId, Id, Instant, Limit, seconds_of
from ..output import views, webhook_views
from ..output.problems import Problem
from .state import Api

TAG = "webhooks"
_CODE = "[A-Za-z0-9+/]"
_PADDED = f"({_CODE}{{2}}==|{_CODE}{{3}}=)"
_SECRET = f"^whsec_(({_CODE}{{4}}){{8,20}}{_PADDED}?|({_CODE}{{4}}){{21}}({_CODE}{{2}}==)?)$"
IN_WORDS[HTTP_ADDRESS] = (
    "an http:// or https:// address in ASCII and without # is needed, such as https://example.org/rookery"
)
IN_WORDS[_SECRET] = "`whsec_` followed by the base64 of 24 to 64 random bytes is needed"
URL = Annotated[
    str,
    msgspec.Meta(
        pattern=HTTP_ADDRESS + NO_NEWLINE,
        max_length=2048,
        examples=["https://example.org/rookery"],
    ),
]
EVENT_TYPE = Annotated[str, msgspec.Meta(pattern=EVENT_NAME + NO_NEWLINE, examples=["message"])]
EVENTS = Annotated[
    list[EVENT_TYPE],
    msgspec.Meta(
        min_length=1,
        max_length=100,
        description="types from `/v1/event-types`, and patterns such as `session.*`; null: every type that needs no naming",
    ),
]
SECRET = Annotated[
    str,
    msgspec.Meta(
        pattern=_SECRET + NO_NEWLINE,
        description="signs the deliveries (Standard Webhooks): `whsec_` and 24 to 64 bytes in base64",
        examples=["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"],
    ),
]
CHATS = Annotated[
    list[Annotated[str, msgspec.Meta(min_length=1, max_length=256, examples=["4915112345678"])]],
    msgspec.Meta(min_length=1, max_length=1000, description="only events of these chats; null: every one"),
]
HEADERS = Annotated[
    dict[
        Annotated[str, msgspec.Meta(pattern=HEADER_NAME + NO_NEWLINE)],
        Annotated[str, msgspec.Meta(pattern=HEADER_VALUE + NO_NEWLINE)],
    ],
    msgspec.Meta(
        max_length=MAX_HEADERS,
        description="sent with each delivery; values are never shown again. Rookery's own cannot be set (409): "
        "Host, Content-..., Transfer-Encoding, Connection and the like, and Webhook-...",
        examples=[{"Authorization": "Bearer of-your-endpoint"}],
    ),
]
SECONDS = Annotated[float, msgspec.Meta(gt=0, le=MAX_TIMEOUT, description="for an answer; null: as the server is set")]


REPLIES = Annotated[
    bool,
    msgspec.Meta(
        description='the endpoint may answer with `{"messages": [...], "calls": [...]}`, sent as if they were posted'
    ),
]
FORMAT = Annotated[
    Literal["rookery", "cloudevents", "waha", "evolution"],
    msgspec.Meta(description="of the payload: ours, CloudEvents 1.0 in structured mode, or that of another gateway"),
]


class CreateWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An endpoint that takes events by POST. Without a secret it gets one."""

    url: URL
    id: Id | None = None
    session: Annotated[Id, msgspec.Meta(description="only events of this session")] | None = None
    events: EVENTS | None = None
    chats: CHATS | None = None
    headers: HEADERS = {}
    timeout: SECONDS | None = None
    secret: SECRET | None = None
    enabled: bool = True
    replies: REPLIES = False
    format: FORMAT = "rookery"


class ChangeWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What to change; what is absent stays."""

    url: URL | msgspec.UnsetType = msgspec.UNSET
    session: (
        Annotated[Id, msgspec.Meta(description="only events of this session; null: of all")] | msgspec.UnsetType | None
    ) = msgspec.UNSET
    events: EVENTS | msgspec.UnsetType | None = msgspec.UNSET
    chats: CHATS | msgspec.UnsetType | None = msgspec.UNSET
    headers: HEADERS | msgspec.UnsetType = msgspec.UNSET
    timeout: SECONDS | msgspec.UnsetType | None = msgspec.UNSET
    secret: SECRET | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET
    replies: REPLIES | msgspec.UnsetType = msgspec.UNSET
    format: FORMAT | msgspec.UnsetType = msgspec.UNSET


class RotateSecret(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The next secret, made when it is absent, and how long the one before signs too."""

    secret: SECRET | None = None
    grace: (
        Annotated[float, msgspec.Meta(ge=0, le=MAX_GRACE, description="seconds; null: as the server is set")] | None
    ) = None


class ListWebhooks(msgspec.Struct, frozen=True, kw_only=True):
    """Which webhooks."""

    session: Annotated[Id, msgspec.Meta(description="only those of this session")] | None = None


class ReadDeadLetters(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters."""

    after: Annotated[EventId, msgspec.Meta(description="`next` of the page before")] = 0
    limit: Limit = 100


class Replay(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which dead letters to try again: those that fit everything given, or all."""

    event_ids: Annotated[list[EventId], msgspec.Meta(min_length=1, max_length=1000)] | None = None
    session: Id | None = None
    since: Annotated[Instant, msgspec.Meta(description="given up at or after this")] | None = None
    until: Annotated[Instant, msgspec.Meta(description="given up before this")] | None = None


@call(
    "POST",
    "/v1/webhooks",
    tag=TAG,
    answers={201: webhook_views.Webhook},
    problems={404: "no such session", 409: "the id exists, or a header that Rookery sets"},
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
        if body.id is not None:  # "this id exists" would reveal other callers' webhooks
            raise forbidden("this key cannot choose a webhook's id; leave it out")
    webhook = await api.engine.create_webhook(
        url=body.url,
        session=body.session,
        events=body.events,
        chats=body.chats,
        headers=_checked(body.headers),
        timeout=body.timeout,
        secret=body.secret,
        id=body.id,
        enabled=body.enabled,
        replies=body.replies,
        format=body.format,
    )
    shown = webhook_views.Webhook.of(webhook, show_secret=body.secret is None)
    return Answer(shown, 201, {"Location": f"/v1/webhooks/{webhook.id}"})


@call("GET", "/v1/webhooks", tag=TAG, answers={200: webhook_views.WebhookList}, scope=Scope.READ)
async def list_webhooks(api: Api, *, query: ListWebhooks, caller: Caller) -> Answer:
    """List webhooks, oldest first."""
    rows = await api.engine.list_webhooks(query.session)
    return Answer(webhook_views.WebhookList(await _shown(api, [row for row in rows if caller.reaches(row.session)])))


@call("GET", "/v1/webhooks/{id}", tag=TAG, answers={200: webhook_views.Webhook}, scope=Scope.READ)
async def get_webhook(api: Api, id: str) -> Answer:
    """Show one webhook."""
    [shown] = await _shown(api, [await api.engine.get_webhook(id)])
    return Answer(shown)


@call(
    "PATCH",
    "/v1/webhooks/{id}",
    tag=TAG,
    answers={200: webhook_views.Webhook},
    problems={409: "a header that Rookery sets"},
    scope=Scope.MANAGE,
)
async def update_webhook(api: Api, id: str, *, body: ChangeWebhook, caller: Caller) -> Answer:
    """Change a webhook. What already waits for it is still delivered.

    A key that is for some sessions can move its webhooks between these.
    """
    if caller.sessions is not None:
        if body.session is None:
            raise forbidden("this key has to name the session whose events the webhook gets")
        if body.session is not msgspec.UNSET:
            caller.check_session(body.session)
    changes: dict[str, Any] = {
        name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not msgspec.UNSET
    }
    if "headers" in changes:
        _checked(changes["headers"])
    [shown] = await _shown(api, [await api.engine.update_webhook(id, **changes)])
    return Answer(shown)


@call(
    "POST",
    "/v1/webhooks/{id}/rotate-secret",
    tag=TAG,
    answers={200: webhook_views.Webhook},
    scope=Scope.MANAGE,
    body_required=False,
)
async def rotate_webhook_secret(api: Api, id: str, *, body: RotateSecret | None) -> Answer:
    """Sign with a new secret; for a while the one before signs too. A generated secret is in this answer and in no other."""
    given = body or RotateSecret()
    webhook = await api.engine.rotate_secret(id, secret=given.secret, grace=given.grace)
    return Answer(webhook_views.Webhook.of(webhook, show_secret=given.secret is None))


@call("POST", "/v1/webhooks/{id}/test", tag=TAG, answers={200: webhook_views.WebhookTested}, scope=Scope.MANAGE)
async def test_webhook(api: Api, id: str) -> Answer:
    """Post one event of the type `test` and say what became of it."""
    attempt, seconds = await api.engine.test_webhook(id)
    shown = webhook_views.WebhookTested(
        attempt.delivered,
        attempt.status,
        with_variables(attempt.error),
        round(seconds, 3),
        excerpt(attempt.answer, secrets_of(await api.engine.get_webhook(id))),
    )
    return Answer(shown)


@call("GET", "/v1/webhooks/{id}/attempts", tag=TAG, answers={200: webhook_views.AttemptList}, scope=Scope.READ)
async def webhook_attempts(api: Api, id: str) -> Answer:
    """List the last 50 attempts to deliver to a webhook, newest first."""
    found = await api.engine.webhook_attempts(id)
    return Answer(webhook_views.AttemptList([webhook_views.Attempt.of(attempt) for attempt in found]))


@call("DELETE", "/v1/webhooks/{id}", tag=TAG, answers={200: views.Deleted}, scope=Scope.MANAGE)
async def delete_webhook(api: Api, id: str) -> Answer:
    """Delete a webhook with its deliveries and dead letters."""
    await api.engine.delete_webhook(id)
    return Answer(views.Deleted(id, True))


@call("GET", "/v1/webhooks/{id}/dead-letters", tag=TAG, answers={200: webhook_views.DeadLetterPage}, scope=Scope.READ)
async def dead_letters(api: Api, id: str, *, query: ReadDeadLetters) -> Answer:
    """List the deliveries that were given up."""
    found = await api.engine.dead_letters(id, after=query.after, limit=query.limit + 1)
    page = [webhook_views.DeadLetter.of(letter) for letter in found[: query.limit]]
    return Answer(webhook_views.DeadLetterPage(page, page[-1].event.id if len(found) > query.limit else None))


@call(
    "POST",
    "/v1/webhooks/{id}/replay",
    tag=TAG,
    answers={202: webhook_views.Replayed},
    body_required=False,
    scope=Scope.MANAGE,
)
async def replay(api: Api, id: str, *, body: Replay | None) -> Answer:
    """Put dead letters back on their way."""
    which = body or Replay()
    count = await api.engine.replay(
        id, which.event_ids, session=which.session, since=seconds_of(which.since), until=seconds_of(which.until)
    )
    return Answer(webhook_views.Replayed(count), 202)


async def _shown(api: Api, webhooks: Sequence[model.Webhook]) -> list[webhook_views.Webhook]:
    facts = await api.engine.webhook_facts()
    return [webhook_views.Webhook.of(webhook, facts.get(webhook.id), now=api.engine.now()) for webhook in webhooks]


def _checked(headers: dict[str, str]) -> dict[str, str]:
    """Refuse reserved headers, in any letter case: a conflict, since the description cannot express that rule."""
    try:
        return check_headers(headers)
    except InvalidInput as error:
        raise Problem(409, "reserved-header", "Reserved header", str(error), field="headers") from None
