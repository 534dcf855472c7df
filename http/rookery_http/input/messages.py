"""The input of the calls about messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from rookery import model
from rookery.features.acceptance import MAX_AHEAD
from rookery.features.messages import MAX_BATCH
from rookery.features.validation import PlainText, plain_text
from rookery.model import content

from ..output.problems import invalid
from .parameters import (
    LONGEST_INSTANT,
    NO_NEWLINE,
    EventId,
    IdempotencyKey,
    Instant,
    Limit,
    instant,
    is_idempotency_key,
)
from .reading import convert

MAX_WAIT = 60.0
"""Seconds that a caller may wait for the end of a send."""
_TAKEN = frozenset({"session", "wait", "self"})
"""Further arguments of `Engine.submit`, which are not fields of a message."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that every kind of message has; the rest of the document is its content."""

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
    send_at: (
        Annotated[
            Instant, msgspec.Meta(description="when to send it, at most a year ahead (409); a time that is past: now")
        ]
        | None
    ) = None
    options: Annotated[dict[str, Any], msgspec.Meta(description="fields that only this platform knows")] | None = None
    idempotency_key: IdempotencyKey | None = None


ENVELOPE = frozenset(field.encode_name for field in msgspec.structs.fields(Envelope))
"""The fields of an envelope; every other field of a document is content."""

_STATE = f"({'|'.join(model.MessageState)})"


class ListMessages(msgspec.Struct, frozen=True, kw_only=True):
    """Which sends."""

    state: (
        Annotated[
            str,
            msgspec.Meta(
                pattern=f"^{_STATE}(,{_STATE}){{0,9}}$" + NO_NEWLINE,
                description="states, separated by commas",
                examples=["queued,sending"],
            ),
        ]
        | None
    ) = None
    chat: Annotated[str, msgspec.Meta(min_length=1, max_length=256, description="to this chat only")] | None = None
    since: Annotated[Instant, msgspec.Meta(description="accepted at or after this")] | None = None
    until: Annotated[Instant, msgspec.Meta(description="accepted before this")] | None = None
    before: Annotated[EventId, msgspec.Meta(description="`next` of the page before")] | None = None
    limit: Limit = 100


class SendMessage(msgspec.Struct, frozen=True):
    """Stands for the union of all contents in the description; see `openapi`."""


class WaitFor(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait for a final state, and how to answer a bad one."""

    wait: Annotated[float, msgspec.Meta(ge=0, le=MAX_WAIT, description="seconds to wait for a final state")] = 10.0
    strict: Annotated[
        bool, msgspec.Meta(description="answer 422 when it ended as failed, expired or cancelled, 504 when unknown")
    ] = False


class SendBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Several messages at a time."""

    messages: Annotated[
        list[Annotated[dict[str, Any], msgspec.Meta(extra_json_schema={"$ref": "#/components/schemas/SendMessage"})]],
        msgspec.Meta(min_length=1, max_length=MAX_BATCH, description="each as for a single send"),
    ]


def media_in(value: Any) -> Iterator[Any]:
    """The ids of stored files in the content of a message, also in the items of an album."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "media" and isinstance(item, str):
                yield item.removeprefix(content.MEDIA_PREFIX)
            elif isinstance(item, dict | list):
                yield from media_in(item)
            elif isinstance(item, str) and item.startswith(content.MEDIA_PREFIX):
                yield item.removeprefix(content.MEDIA_PREFIX)
    elif isinstance(value, list):
        for item in value:
            yield from media_in(item)


def plain_send(body: dict[str, Any], now: float) -> PlainText | None:
    """The document as a text without anything unusual, as most messages are: read in one pass. None when it has to be read
    as `Envelope` and content."""
    if body.get("options") is not None:
        return None
    fields = body
    if (send_at := body.get("send_at")) is not None:
        seconds = instant(send_at) if isinstance(send_at, str) and len(send_at) <= LONGEST_INSTANT else None
        if seconds is None or abs(seconds - now) > MAX_AHEAD:
            return None
        fields = fields | {"send_at": seconds}
    if type(to := body.get("to")) is int and -(2**63) <= to < 2**63:
        fields = fields | {"to": str(to)}
    if (key := body.get("idempotency_key")) is not None and not is_idempotency_key(key):
        return None
    found = plain_text(fields)
    return None if found is None or found.text.startswith(content.MEDIA_PREFIX) else found


def split(body: dict[str, Any]) -> tuple[Envelope, dict[str, Any]]:
    """The envelope and the content of a message's document. Raises Problem."""
    fields = {name: value for name, value in body.items() if name not in ENVELOPE}
    for name in fields:
        if name in _TAKEN:
            raise invalid(f"{name}: a message has no such field", name)
    envelope = {name: value for name, value in body.items() if name in ENVELOPE}
    return convert(envelope, Envelope), fields
