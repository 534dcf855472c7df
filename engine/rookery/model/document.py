"""The JSON form of stored objects, the same in webhooks, over HTTP and in exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Self

import msgspec

from .content import Text, kind_of
from .event import Event
from .message import OutboundMessage

LAST_SECOND = 253402300799.0  # of the year 9999
Moment = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"}, examples=["2026-01-31T12:00:00.000Z"])]
"""A time as `moment` writes it."""


def iso(seconds: float | None) -> str | None:
    """Formats a wall-clock time as ISO 8601 in UTC with milliseconds: `2026-01-31T12:00:00.000Z`. Returns None for
    None, and for a time that no calendar can represent: platforms send any number as a time, and one absurd event must
    not stop the readers."""
    if seconds is None:
        return None
    try:
        if 0 <= seconds <= LAST_SECOND:
            return moment(seconds)
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


@lru_cache(maxsize=1024)  # what one answer shows often has the same times
def moment(seconds: float) -> str:
    """Like `iso`, but a time beyond the calendar becomes the calendar's limit, and NaN becomes its beginning."""
    if not 0 <= seconds <= LAST_SECOND:
        seconds = LAST_SECOND if seconds > 0 else 0.0
    second = int(seconds)
    micros = round((seconds - second) * 1e6)  # to the microsecond first, as the calendar does
    if micros == 1_000_000:
        second, micros = second + 1, 0
    return f"{_to_the_second(second)}.{micros // 1000:03d}Z"


@lru_cache(maxsize=1024)  # the calendar is most of the work, and the times of an answer are near each other
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")


def public_body(event: Event) -> dict[str, Any]:
    """The event's body; if it has a file, with `media.href`, the file's address in the API."""
    body = event.body
    media = body.get("media")
    if not isinstance(media, dict):
        return body
    return body | {"media": media | {"href": f"/v1/events/{event.id}/media"}}


class EventDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An event as the API, streams and webhooks show it: `body` has the normalised fields, `raw` the platform's document."""

    id: int
    session: str
    platform: str
    type: str
    key: str
    time: Moment
    chat: str | None
    sender: str | None
    body: dict[str, Any]
    raw: Any

    @classmethod
    def of(cls, event: Event) -> Self:
        return cls(
            id=event.id,
            session=event.session,
            platform=event.platform,
            type=event.type,
            key=event.key,
            time=moment(event.time),
            chat=event.chat,
            sender=event.sender,
            body=public_body(event),
            raw=event.raw,
        )


def content_document(message: OutboundMessage) -> dict[str, Any]:
    """The content of a send as the caller asked for it, without omitted fields. Files appear as links: `href` is the
    API's address of a file that is stored here or came with the request; for bytes in the request only their `size` is
    shown."""
    if isinstance(message.content, Text):
        text = message.content
        return {"type": "text", "text": text.text, "format": text.format, "preview": text.preview}
    document = _plain(message.content)
    document["type"] = kind_of(message.content)
    if document.get("media") is not None:
        document["href"] = f"/v1/media/{document['media']}"
    elif isinstance(getattr(message.content, "data", None), bytes):
        document["href"] = f"/v1/messages/{message.id}/media"
    return document


def _plain(value: msgspec.Struct) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if value.__struct_config__.tag is not None:
        document["type"] = value.__struct_config__.tag
    for name in value.__struct_fields__:
        field = getattr(value, name)
        if isinstance(field, bytes):
            document["size"] = len(field)
        elif field is not None and field is not msgspec.UNSET:
            document[name] = _plain_field(field)
    return document


def _plain_field(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return _plain(value)
    if isinstance(value, Mapping):
        return {name: _plain_field(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain_field(item) for item in value]
    return {"size": len(value)} if isinstance(value, bytes) else value
