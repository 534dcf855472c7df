"""Calls to send messages and to ask for their status."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from rookery import model
from rookery.errors import NotFound, RookeryError
from rookery.features.acceptance import MAX_AHEAD
from rookery.features.validation import PlainText
from rookery.model.key import Scope
from rookery.model.message import MessageQuery

from ..access.callers import Caller
from ..call_table import Answer, call
from ..input.messages import ListMessages, SendBatch, WaitFor, media_in, plain_send, split
from ..input.parameters import seconds_of
from ..output import views
from ..output.download import bytes_response
from ..output.problems import Problem, from_error, invalid
from .media import ANY, BYTES
from .platform_methods import PLATFORM, check_files
from .state import Api

TAG = "messages"
BATCH_BODY = 4 * 1024 * 1024
"""Maximum bytes of a batch, without the content of its files."""
UNHAPPY = frozenset(
    {
        model.MessageState.FAILED,
        model.MessageState.EXPIRED,
        model.MessageState.CANCELLED,
        model.MessageState.UNKNOWN,
    }
)


class BatchAnswer(msgspec.Struct, frozen=True):
    """One answer for each message, in order: the message as stored, or the problem that it would get as a single
    send."""

    messages: list[
        Annotated[
            dict[str, Any],
            msgspec.Meta(
                extra_json_schema={
                    "anyOf": [
                        {"$ref": "#/components/schemas/Message"},
                        {"$ref": "#/components/schemas/Problem"},
                    ]
                }
            ),
        ]
    ]


@call(
    "POST",
    "/v1/sessions/{id}/messages",
    tag=TAG,
    answers={200: views.Message, 202: views.Message},
    problems={
        404: "there is no such session, or no such file in `media`",
        409: "the session cannot send now, send_at is too far away, or the Idempotency-Key was used for another message",
        422: "with `strict`: it ended as failed, expired or cancelled; `Location` names it",
        429: "too many sends are waiting; see Retry-After",
        504: "the database did not answer in time; the message may have been accepted",
    },
    large=True,
    scope=Scope.SEND,
)
async def send_message(
    api: Api, id: str, *, query: WaitFor, body: dict[str, Any], idempotency_key: str | None, caller: Caller
) -> Answer:
    """Send a message.

    It is stored first and sent by the session's own task, so it survives the caller's disconnect. 200: it is in a final
    state, which `state` names (`sent`, but also `failed` with `error`). 202: it is still under way; ask again at
    `Location`. A repeated `Idempotency-Key` answers with the first message instead of sending again.
    """
    plain = plain_send(body, api.engine.now())
    fields = await _fields_of(api, body, caller) if plain is None else msgspec.structs.asdict(plain)
    if idempotency_key is not None:
        if fields["idempotency_key"] not in (None, idempotency_key):
            raise invalid("idempotency_key: the header Idempotency-Key has another value", "idempotency_key")
        fields["idempotency_key"] = idempotency_key
    message = await api.engine.submit(id, **fields)
    if query.wait > 0 and not message.state.final and message.state is not model.MessageState.SCHEDULED:
        with api.waiting():
            message = await api.engine.wait_message(message, query.wait)
    location = {"Location": f"/v1/messages/{message.id}"}
    if query.strict and message.state in UNHAPPY:
        raise _unhappy(message, location)
    return Answer(views.Message.of(message), 200 if message.state.final else 202, location)


@call(
    "POST",
    "/v1/sessions/{id}/messages/batch",
    tag=TAG,
    answers={200: BatchAnswer},
    problems={
        404: "there is no such session",
        504: "the database did not answer in time; some or all messages may have been accepted",
    },
    large=True,
    small_body=BATCH_BODY,
    scope=Scope.SEND,
)
async def send_batch(api: Api, id: str, *, body: SendBatch, caller: Caller) -> Answer:
    """Send several messages.

    All are stored in one transaction and sent like single ones; the answer does not wait for that. A message that is refused
    is answered with its problem, and the others are accepted. `idempotency_key` inside a message does what the header does
    for a single one.
    """
    given: list[PlainText | dict[str, Any] | Problem] = []
    now = api.engine.now()
    for message in body.messages:
        try:
            given.append(plain_send(message, now) or await _fields_of(api, message, caller))
        except Problem as problem:
            given.append(problem)
        except NotFound as error:
            given.append(_problem_of(error))
    stored = iter(await api.engine.submit_batch(id, [fields for fields in given if not isinstance(fields, Problem)]))
    answers: list[Any] = []
    for each in given:
        answer = each if isinstance(each, Problem) else next(stored)
        if isinstance(answer, RookeryError):
            answer = _problem_of(answer)
        answers.append(answer.document if isinstance(answer, Problem) else views.Message.of(answer))
    return Answer(BatchAnswer(answers))


@call("GET", "/v1/messages/{id}", tag=TAG, answers={200: views.Message}, scope=Scope.READ)
async def get_message(api: Api, id: str) -> Answer:
    """Show the state of a send."""
    return Answer(views.Message.of(await api.engine.get_message(id)))


@call("GET", "/v1/messages/{id}/media", tag=TAG, answers={200: (BYTES, ANY)}, scope=Scope.READ)
async def download_message_media(api: Api, id: str) -> Answer:
    """Download the file that came with a send as base64. Those that were stored before are under `/v1/media`."""
    message = await api.engine.get_message(id)
    content = message.content
    data = getattr(content, "data", None)
    if not isinstance(data, bytes):
        raise NotFound("media", id)
    kind = getattr(content, "mime_type", None)
    return Answer(bytes_response(data, kind, getattr(content, "filename", None)))


@call(
    "DELETE",
    "/v1/messages/{id}",
    tag=TAG,
    answers={200: views.Message},
    problems={409: "it is already being sent, or has ended"},
    scope=Scope.SEND,
)
async def cancel_message(api: Api, id: str) -> Answer:
    """Cancel a send that is still waiting. Repeating it is harmless."""
    return Answer(views.Message.of(await api.engine.cancel_message(id)))


@call("GET", "/v1/sessions/{id}/messages", tag=TAG, answers={200: views.MessagePage}, scope=Scope.READ)
async def list_messages(api: Api, id: str, *, query: ListMessages) -> Answer:
    """List a session's sends, newest first."""
    states = tuple(map(model.MessageState, query.state.split(","))) if query.state is not None else None
    found = await api.engine.list_messages(
        MessageQuery(
            session=id,
            states=states,
            chat=query.chat,
            since=seconds_of(query.since),
            until=seconds_of(query.until),
            before=query.before,
            limit=query.limit + 1,
        )
    )
    page = found[: query.limit]
    shown = [views.Message.of(message) for _, message in page]
    return Answer(views.MessagePage(shown, page[-1][0] if len(found) > query.limit else None))


async def _check_media(api: Api, media: Any, caller: Caller) -> None:
    """Raises NotFound for a file that the caller may not see, exactly as for one that does not exist."""
    if caller.sessions is None or not isinstance(media, str):
        return
    try:
        session = await api.engine.session_of_media(media)
    except NotFound:
        session = None
    if not caller.reaches(session):
        raise NotFound("media", media)


async def _fields_of(api: Api, body: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """The arguments for `Engine.submit`. Raises Problem, NotFound."""
    envelope, fields = split(body)
    if fields.get("type") == PLATFORM:
        caller.require(Scope.CALL)
        await check_files(api, fields.get("params") or {}, caller)
    for media in media_in(fields):
        await _check_media(api, media, caller)
    send_at = seconds_of(envelope.send_at)
    if send_at is not None and abs(send_at - api.engine.now()) > MAX_AHEAD:
        raise Problem(409, "too-far", "Too far away", "send_at: at most a year from now", field="send_at")
    return fields | {
        "to": envelope.to,
        "reply_to": envelope.reply_to,
        "options": envelope.options,
        "ttl": envelope.ttl,
        "send_at": send_at,
        "idempotency_key": envelope.idempotency_key,
    }


def _unhappy(message: model.OutboundMessage, headers: dict[str, str]) -> Problem:
    error = message.error or f"the message is {message.state}"
    if message.state is model.MessageState.UNKNOWN:
        return Problem(504, "outcome-unknown", "Outcome unknown", error, headers=headers)
    return Problem(422, "not-sent", "Not sent", error, headers=headers)


def _problem_of(error: RookeryError) -> Problem:
    problem = from_error(error)
    if problem is None:
        raise error
    return problem
