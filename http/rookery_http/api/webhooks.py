"""Webhooks: endpoints, the events that could not be delivered to them, and another attempt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from rookery import model
from rookery.delivery.attempts import excerpt, secrets_of
from rookery.errors import InvalidInput
from rookery.features.validation import check_headers
from rookery.model.key import Scope

from ..access.callers import Caller, forbidden
from ..call_table import Answer, call
from ..config.advice import with_variables
from ..input.parameters import seconds_of
from ..input.webhooks import ChangeWebhook, CreateWebhook, ListWebhooks, ReadDeadLetters, Replay, RotateSecret
from ..output import views, webhook_views
from ..output.problems import Problem
from .state import Api

TAG = "webhooks"


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

    A key that is bound to sessions has to name one, and cannot choose the webhook's id.
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
    """Change a webhook. Events that already wait for it are still delivered.

    A key that is bound to sessions can move its webhooks between these.
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
    """Sign with a new secret; for a while the old one also signs. A generated secret is shown only in this answer."""
    given = body or RotateSecret()
    webhook = await api.engine.rotate_secret(id, secret=given.secret, grace=given.grace)
    return Answer(webhook_views.Webhook.of(webhook, show_secret=given.secret is None))


@call("POST", "/v1/webhooks/{id}/test", tag=TAG, answers={200: webhook_views.WebhookTested}, scope=Scope.MANAGE)
async def test_webhook(api: Api, id: str) -> Answer:
    """Post one event of the type `test` and report the result."""
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
    """Deliver dead letters again."""
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
