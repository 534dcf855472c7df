"""The options of each kind of message beside its content: further parameters of its Bot API method. Pure.

Their names and types come from the list of methods, so they are those of the Bot API version that it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from rookery.errors import InvalidInput

from ..bot_api.methods import catalogue
from ..bot_api.objects import check, schema, schemas

METHODS: dict[str, tuple[str, ...]] = {
    "text": ("sendMessage",),
    "image": ("sendPhoto",),
    "video": ("sendVideo",),
    "audio": ("sendAudio",),
    "voice": ("sendVoice",),
    "document": ("sendDocument",),
    "sticker": ("sendSticker",),
    "animation": ("sendAnimation",),
    "video_note": ("sendVideoNote",),
    "album": ("sendMediaGroup",),
    "paid_media": ("sendPaidMedia",),
    "location": ("sendLocation", "sendVenue"),
    "contact": ("sendContact",),
    "poll": ("sendPoll",),
    "dice": ("sendDice",),
    "invoice": ("sendInvoice",),
    "forward": ("forwardMessage",),
    "copy": ("copyMessage",),
    "reaction": ("setMessageReaction",),
    "edit": ("editMessageText", "editMessageCaption", "editMessageMedia", "editMessageReplyMarkup"),
    "delete": ("deleteMessage",),
    "pin": ("pinChatMessage",),
    "unpin": ("unpinChatMessage",),
    "typing": ("sendChatAction",),
    "read": ("readBusinessMessage",),
}
"""The methods of each kind; if there are several, the content decides."""

_NEEDED = {"read": ("business_connection_id",)}
"""Parameters that a method requires and no field of the content provides."""


def options_of(kind: str) -> Mapping[str, str]:
    """The options of a kind of message by name, with their types as in the list of methods; none for an unknown kind."""
    return _options_of(kind) if kind in METHODS else {}  # kinds that callers make up must not fill the cache


@cache
def _options_of(kind: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for method in METHODS.get(kind, ()):
        found |= catalogue().methods[method]
    given = _NEEDED.get(kind, ())
    return {
        name: type.rstrip("!")
        for name, type in found.items()
        if name != "chat_id" and name not in _CONTENT.get(kind, ()) and (not type.endswith("!") or name in given)
    }


_CONTENT: dict[str, tuple[str, ...]] = {
    "album": ("media",),
    "edit": ("inline_message_id", "message_id", "text", "caption", "media"),
    "unpin": ("message_id",),
    "copy": ("caption",),
    "dice": ("emoji",),
    "reaction": ("reaction",),
    **dict.fromkeys(("image", "video", "audio", "voice", "document", "animation", "paid_media"), ("caption",)),
}
"""Parameters that the content's own fields already set."""


def check_options(kind: str, options: Mapping[str, Any], *, fields: frozenset[str] = frozenset()) -> None:
    """Raises InvalidInput for an option that this kind does not accept, with the right name, or of a wrong type.

    `fields` are further names that the caller might have meant.
    """
    known = options_of(kind)
    for name, value in options.items():
        type = known.get(name)
        if type is None:
            near = get_close_matches(name, {*known, *fields}, 1, 0.7)
            hint = f"; did you mean {near[0]}?" if near else f"; docs/telegram.md lists the options of {kind}"
            raise InvalidInput(f"{name}: a message of the type {kind} has no such option{hint}", field=name)
        check(value, type, name)


def option_schemas() -> dict[str, dict[str, Any]]:
    """JSON schemas of the options of each kind, by name; their references lead to `object_schemas`."""
    return {kind: {name: schema(type) for name, type in options_of(kind).items()} for kind in METHODS}


def object_schemas() -> dict[str, dict[str, Any]]:
    """JSON schemas of the Bot API's objects that options consist of, by name."""
    return schemas({type for kind in METHODS for type in options_of(kind).values()})


def table() -> str:
    """The kinds of messages, the methods behind them and their options, as a table in Markdown."""
    rows = ["| `type` | methods | options |", "|---|---|---|"]
    for kind, methods in METHODS.items():
        options = ", ".join(f"`{name}`" for name in sorted(options_of(kind))) or "none"
        rows.append(f"| `{kind}` | {', '.join(f'`{method}`' for method in methods)} | {options} |")
    return "\n".join(rows) + "\n"
