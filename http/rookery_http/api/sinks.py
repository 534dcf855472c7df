"""Sinks: the event log, published to message brokers."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from rookery.errors import InvalidInput
from rookery.features.sinks import check_address
from rookery.features.validation import MAX_TIMEOUT

from ..call_table import Answer, call
from ..input.parameters import IN_WORDS, NO_NEWLINE, Id, seconds_of
from ..input.webhooks import CHATS, EVENTS, ListWebhooks, ReadDeadLetters, Replay
from ..output import views, webhook_views
from ..output.problems import Problem
from .state import Api

TAG = "sinks"
_ADDRESS = r"^(nats|tls|amqp|amqps|redis|rediss)://[!-~]{1,2000}$"
_TARGET = r"^([!-z|~]|\{(session|type|platform|chat)\}){1,255}$"
IN_WORDS[_ADDRESS] = (
    "a nats://, amqp:// or redis:// address (encrypted: tls://, amqps://, rediss://) in ASCII is needed"
)
IN_WORDS[_TARGET] = "1 to 255 ASCII characters without spaces; fields are {session}, {type}, {platform} and {chat}"
ADDRESS = Annotated[
    str,
    msgspec.Meta(
        pattern=_ADDRESS + NO_NEWLINE,
        description="of the broker, with user and password if it needs them; options: NATS `stream`, `token`, `create`; AMQP "
        "`exchange`, `mandatory`, `create`; Redis `maxlen`, `create`",
        examples=["nats://127.0.0.1:4222"],
    ),
]
TARGET = Annotated[
    str,
    msgspec.Meta(
        pattern=_TARGET + NO_NEWLINE,
        max_length=255,
        description="the subject, routing key or stream",
        examples=["rookery.{session}.{type}"],
    ),
]
COMMANDS = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[!-z|~]{1,255}$" + NO_NEWLINE,
        description="a subject, queue or stream from which sends are read: JSON objects with `session` and what "
        "`POST /v1/sessions/{id}/messages` takes",
        examples=["rookery-commands"],
    ),
]
IN_WORDS[r"^[!-z|~]{1,255}$"] = "1 to 255 ASCII characters without spaces and braces are needed"
SECONDS = Annotated[float, msgspec.Meta(gt=0, le=MAX_TIMEOUT, description="to confirm; null: as the server is set")]
UNUSABLE = {422: "the address or the target cannot be used with this kind of broker"}


class CreateSink(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A broker that receives the events of the log."""

    url: ADDRESS
    target: TARGET = "rookery.{session}.{type}"
    id: Id | None = None
    session: Annotated[Id, msgspec.Meta(description="only events of this session")] | None = None
    events: EVENTS | None = None
    chats: CHATS | None = None
    timeout: SECONDS | None = None
    commands: COMMANDS | None = None
    enabled: bool = True


class ChangeSink(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Fields to change; absent ones stay as they are."""

    url: ADDRESS | msgspec.UnsetType = msgspec.UNSET
    target: TARGET | msgspec.UnsetType = msgspec.UNSET
    session: (
        Annotated[Id, msgspec.Meta(description="only events of this session; null: of all")] | msgspec.UnsetType | None
    ) = msgspec.UNSET
    events: EVENTS | msgspec.UnsetType | None = msgspec.UNSET
    chats: CHATS | msgspec.UnsetType | None = msgspec.UNSET
    timeout: SECONDS | msgspec.UnsetType | None = msgspec.UNSET
    commands: COMMANDS | msgspec.UnsetType | None = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET


@call(
    "POST",
    "/v1/sinks",
    tag=TAG,
    answers={201: webhook_views.Sink},
    problems={404: "no such session", 409: "the id exists", **UNUSABLE},
)
async def create_sink(api: Api, *, body: CreateSink) -> Answer:
    """Create a sink. A missing stream or exchange is created unless the address says `?create=false`."""
    _checked(body.url)
    try:
        sink = await api.engine.create_sink(
            url=body.url,
            target=body.target,
            session=body.session,
            events=body.events,
            chats=body.chats,
            timeout=body.timeout,
            commands=body.commands,
            id=body.id,
            enabled=body.enabled,
        )
    except InvalidInput as error:
        raise _unusable(error) from None
    return Answer(webhook_views.Sink.of(sink), 201, {"Location": f"/v1/sinks/{sink.id}"})


@call("GET", "/v1/sinks", tag=TAG, answers={200: webhook_views.SinkList})
async def list_sinks(api: Api, *, query: ListWebhooks) -> Answer:
    """List sinks, oldest first."""
    facts = await api.engine.webhook_facts()
    now = api.engine.now()
    rows = await api.engine.list_sinks(query.session)
    return Answer(webhook_views.SinkList([webhook_views.Sink.of(sink, facts.get(sink.id), now=now) for sink in rows]))


@call("GET", "/v1/sinks/{id}", tag=TAG, answers={200: webhook_views.Sink})
async def get_sink(api: Api, id: str) -> Answer:
    """Show one sink."""
    sink = await api.engine.get_sink(id)
    facts = await api.engine.webhook_facts()
    return Answer(webhook_views.Sink.of(sink, facts.get(id), now=api.engine.now()))


@call("PATCH", "/v1/sinks/{id}", tag=TAG, answers={200: webhook_views.Sink}, problems=UNUSABLE)
async def update_sink(api: Api, id: str, *, body: ChangeSink) -> Answer:
    """Change a sink."""
    changes: dict[str, Any] = {
        name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not msgspec.UNSET
    }
    if "url" in changes:
        _checked(changes["url"])
    try:
        sink = await api.engine.update_sink(id, **changes)
    except InvalidInput as error:
        raise _unusable(error) from None
    facts = await api.engine.webhook_facts()
    return Answer(webhook_views.Sink.of(sink, facts.get(id), now=api.engine.now()))


@call("DELETE", "/v1/sinks/{id}", tag=TAG, answers={200: views.Deleted})
async def delete_sink(api: Api, id: str) -> Answer:
    """Delete a sink with its pending deliveries. The broker keeps what it already has."""
    await api.engine.delete_sink(id)
    return Answer(views.Deleted(id, True))


@call("POST", "/v1/sinks/{id}/test", tag=TAG, answers={200: webhook_views.SinkTested})
async def test_sink(api: Api, id: str) -> Answer:
    """Publish one event of type `test` and report the result."""
    attempt, seconds = await api.engine.test_sink(id)
    return Answer(webhook_views.SinkTested(attempt.delivered, attempt.error, round(seconds, 3)))


@call("GET", "/v1/sinks/{id}/dead-letters", tag=TAG, answers={200: webhook_views.DeadLetterPage})
async def sink_dead_letters(api: Api, id: str, *, query: ReadDeadLetters) -> Answer:
    """List the events that were given up."""
    found = await api.engine.sink_dead_letters(id, after=query.after, limit=query.limit + 1)
    page = [webhook_views.DeadLetter.of(letter) for letter in found[: query.limit]]
    return Answer(webhook_views.DeadLetterPage(page, page[-1].event.id if len(found) > query.limit else None))


@call("GET", "/v1/sinks/{id}/attempts", tag=TAG, answers={200: webhook_views.AttemptList})
async def sink_attempts(api: Api, id: str) -> Answer:
    """List the last 50 attempts to publish to a sink, newest first."""
    found = await api.engine.sink_attempts(id)
    return Answer(webhook_views.AttemptList([webhook_views.Attempt.of(attempt) for attempt in found]))


@call("POST", "/v1/sinks/{id}/replay", tag=TAG, answers={202: webhook_views.Replayed}, body_required=False)
async def replay_sink(api: Api, id: str, *, body: Replay | None) -> Answer:
    """Queue dead letters again."""
    which = body or Replay()
    count = await api.engine.replay_sink(
        id, which.event_ids, session=which.session, since=seconds_of(which.since), until=seconds_of(which.until)
    )
    return Answer(webhook_views.Replayed(count), 202)


def _checked(url: str) -> None:
    """Make the checks of an address that the description cannot express."""
    try:
        check_address(url)
    except InvalidInput as error:
        raise _unusable(error) from None


def _unusable(error: InvalidInput) -> Problem:
    return Problem(422, "unusable-sink", "Unusable sink", str(error), field=error.field)
