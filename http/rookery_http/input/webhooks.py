"""Bodies and queries of the calls about webhooks; those about sinks share some."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from rookery.features.validation import HEADER_NAME, HEADER_VALUE, MAX_GRACE, MAX_HEADERS, MAX_TIMEOUT
from rookery.model.address import HTTP_ADDRESS

from .parameters import EVENT_NAME, IN_WORDS, NO_NEWLINE, EventId, Id, Instant, Limit

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
    """An endpoint that receives events by POST. Without a secret one is generated."""

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
    """The fields to change; absent ones stay as they are."""

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
    """The next secret, generated when absent, and how long the old one also signs."""

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
    """Which dead letters to deliver again: those that match every given condition, or all."""

    event_ids: Annotated[list[EventId], msgspec.Meta(min_length=1, max_length=1000)] | None = None
    session: Id | None = None
    since: Annotated[Instant, msgspec.Meta(description="given up at or after this")] | None = None
    until: Annotated[Instant, msgspec.Meta(description="given up before this")] | None = None
