"""Sends: one call to send, one to ask what became of it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import trio

from rookery import content, model
from rookery.errors import InvalidInput
from rookery.keys import Scope

from .. import views
from ..calls import Answer, call
from ..problems import invalid
from ..state import Api

TAG = "messages"
MAX_WAIT = 60.0
_CONTENT_FIELDS = frozenset({"type"}).union(
    *([field.encode_name for field in msgspec.structs.fields(kind)] for kind in content.Content.__args__)
)
_ENVELOPE = frozenset({"to", "reply_to", "ttl", "options"})


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What every kind of message has; the rest of the document is its content."""

    to: (
        Annotated[str, msgspec.Meta(min_length=1, max_length=256, description="the chat, as the platform names it")]
        | Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    )
    reply_to: Annotated[str, msgspec.Meta(min_length=1, max_length=256, description="the id of a message")] | None = (
        None
    )
    ttl: Annotated[float, msgspec.Meta(gt=0, le=30 * 86_400, description="seconds after which it expires")] | None = (
        None
    )
    options: Annotated[dict[str, Any], msgspec.Meta(description="fields that only this platform knows")] | None = None


class SendMessage(msgspec.Struct, frozen=True):
    """Stands for the union of all contents in the description; see `openapi`."""


class WaitFor(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for a final state."""

    wait: Annotated[float, msgspec.Meta(ge=0, le=MAX_WAIT, description="seconds to wait for a final state")] = 10.0


@call(
    "POST",
    "/v1/sessions/{id}/messages",
    tag=TAG,
    answers={200: views.Message, 202: views.Message},
    problems={
        409: "the session cannot send now, or the Idempotency-Key was used for another message",
        429: "too many sends are waiting; see Retry-After",
        504: "the database did not answer in time; the message may have been accepted",
    },
    large=True,
    scope=Scope.SEND,
)
async def send_message(
    api: Api, id: str, *, query: WaitFor, body: dict[str, Any], idempotency_key: str | None
) -> Answer:
    """Send a message.

    It is stored first and sent by the session's own task, so it survives the caller's disconnect. 200: it is in a final
    state, which `state` tells (`sent`, but also `failed` with `error`). 202: still under way; ask again under `Location`.
    A repeated `Idempotency-Key` answers with the first message instead of sending again.
    """
    envelope, fields = _split(body)
    message = await api.engine.submit(
        id,
        to=envelope.to,
        reply_to=envelope.reply_to,
        idempotency_key=idempotency_key,
        options=envelope.options,
        ttl=envelope.ttl,
        **fields,
    )
    if query.wait > 0 and not message.state.final:
        message = await _wait(api, message, query.wait)
    status = 200 if message.state.final else 202
    return Answer(views.Message.of(message), status, {"Location": f"/v1/messages/{message.id}"})


@call("GET", "/v1/messages/{id}", tag=TAG, answers={200: views.Message}, scope=Scope.READ)
async def get_message(api: Api, id: str) -> Answer:
    """Show what became of a send."""
    return Answer(views.Message.of(await api.engine.get_message(id)))


def _split(body: dict[str, Any]) -> tuple[Envelope, dict[str, Any]]:
    fields = {name: value for name, value in body.items() if name not in _ENVELOPE}
    for name in fields:
        if name not in _CONTENT_FIELDS:  # also what would collide with a parameter of `submit`
            raise invalid(f"{name}: no message has this field", name)
    envelope = {name: value for name, value in body.items() if name in _ENVELOPE}
    try:
        return msgspec.convert(envelope, Envelope), fields
    except msgspec.ValidationError as error:
        raise InvalidInput.from_validation(error) from None


async def _wait(api: Api, message: model.OutboundMessage, seconds: float) -> model.OutboundMessage:
    """The message in its final state, or as it is when the time is over or the server stops."""
    latest = message

    async with trio.open_nursery() as nursery:

        async def wait() -> None:
            nonlocal latest
            latest = await api.engine.wait_message(message.id, seconds)
            nursery.cancel_scope.cancel()

        async def give_up() -> None:
            await api.stopping.wait()
            nursery.cancel_scope.cancel()

        nursery.start_soon(wait)
        nursery.start_soon(give_up)
    return latest
