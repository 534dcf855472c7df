"""Users and chats as event bodies show them. Pure; a value of the wrong type counts as absent."""

from __future__ import annotations

from typing import Any


class Malformed(ValueError):
    """A field that every update of this kind has is missing or of the wrong type."""


def whole(value: Any, *, least: int = -(2**63), most: int = 2**63 - 1) -> int:
    """Raises Malformed."""
    if type(value) is not int or not least <= value <= most:
        raise Malformed(f"not a whole number: {value!r:.40}")
    return value


def document(value: Any) -> dict[str, Any]:
    """Raises Malformed."""
    if not isinstance(value, dict):
        raise Malformed(f"not an object: {value!r:.40}")
    return value


def peer_id(value: Any) -> str | None:
    """The id of a user or chat; None if there is none. Raises Malformed."""
    return None if value is None else str(whole(document(value).get("id")))


def text_of(value: Any) -> str | None:
    """The value if it is non-empty text."""
    return value if isinstance(value, str) and value else None


def name_of(peer: dict[str, Any]) -> str:
    """The name for people: first and last name, title, user name, or the id."""
    full = " ".join(part for name in ("first_name", "last_name") if (part := text_of(peer.get(name))))
    return full or text_of(peer.get("title")) or text_of(peer.get("username")) or str(peer.get("id"))


def peer(value: Any) -> dict[str, Any] | None:
    """`{"id", "name", "type"?, "title"?, "username"?, "is_bot"?, "is_premium"?, "is_forum"?, "is_direct_messages"?,
    "language"?}`; None for none."""
    if not isinstance(value, dict) or type(value.get("id")) is not int:
        return None
    shown: dict[str, Any] = {"id": str(value["id"]), "name": name_of(value)}
    for name in ("type", "title", "username"):
        if (text := text_of(value.get(name))) is not None:
            shown[name] = text
    for name in ("is_bot", "is_premium", "is_forum", "is_direct_messages"):
        if value.get(name) is True:
            shown[name] = True
    if (language := text_of(value.get("language_code"))) is not None:
        shown["language"] = language
    return shown


def peers(values: Any) -> list[dict[str, Any]]:
    """The peers of a list."""
    return [shown for value in values if (shown := peer(value)) is not None] if isinstance(values, list) else []
