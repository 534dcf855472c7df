"""How stored things look in JSON, the same in webhooks, over HTTP and in exports."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from .event import Event


def iso(seconds: float | None) -> str | None:
    """A wall-clock time as ISO 8601 in UTC with milliseconds: `2026-01-31T12:00:00.000Z`. None for none, and for a time that
    no calendar has: platforms tell times, and one absurd event must stop nobody."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


def public_body(event: Event) -> dict[str, Any]:
    """The body; if there is a file, with `media.href`, where the API has it."""
    media = event.body.get("media")
    if not isinstance(media, dict):
        return event.body
    return event.body | {"media": media | {"href": f"/v1/events/{event.id}/media"}}


def event_document(event: Event) -> dict[str, Any]:
    """An event as the API and the webhooks show it."""
    return {
        "id": event.id,
        "session": event.session,
        "platform": event.platform,
        "type": event.type,
        "key": event.key,
        "time": iso(event.time),
        "chat": event.chat,
        "sender": event.sender,
        "body": public_body(event),
        "raw": event.raw,
    }
