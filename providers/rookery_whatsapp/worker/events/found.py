"""An event on its way to the engine."""

from __future__ import annotations

from typing import Any, NamedTuple

from . import encoding


class Found(NamedTuple):
    """The fields of `rookery.model.NewEvent`, each in a form that every store accepts."""

    type: str
    key: str
    time: float
    chat: str | None
    sender: str | None
    body: bytes
    raw: bytes


def found(
    type: str, key: str, at: float, chat: str | None, sender: str | None, body: dict[str, Any], raw: Any
) -> Found:
    """Make an event. `raw` is the library's message, or bytes that are JSON already; `at` is in seconds since 1970."""
    return Found(
        type,
        encoding.name(key),
        encoding.moment(at),
        encoding.name(chat) if chat else None,
        encoding.name(sender) if sender else None,
        encoding.encode_body(body),
        raw if isinstance(raw, bytes) else encoding.encode_raw(raw),
    )
