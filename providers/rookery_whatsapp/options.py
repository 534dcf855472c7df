"""The options of WhatsApp messages: parameters beyond the content, given beside its fields or in `options`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Annotated, Any

import msgspec

from rookery.errors import InvalidInput, Rejected

TEXT = ("text",)
FILES = ("image", "video", "audio", "voice", "document", "sticker", "animation", "video_note")
ALBUM = ("album",)
AGAIN = ("forward", "copy")
FORWARDED = (*TEXT, *FILES, *ALBUM, "forward", "location", "contact")
CONTENTS = (*TEXT, *FILES, *ALBUM, *AGAIN, "location", "contact", "poll")
REFERRING = ("reaction", "delete", "read", "pin", "unpin", "vote")
"""Kinds that refer to an earlier message, whose author the caller may have to name."""

IMPOSSIBLE = {
    "star": "messages cannot be starred: neonize 0.5.2 sends changes of the account's settings, of which a star is one, "
    "without the name of their collection, and WhatsApp drops them; use the phone",
}
"""Kinds that WhatsApp has but Rookery cannot send, each with the reason."""


class OtherContact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A further contact card in a message with several."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    phone: Annotated[str, msgspec.Meta(min_length=1)]


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The preview of a link. Without a `title`, missing fields are read from the page at `url`; `thumbnail` is the address of
    a picture."""

    url: Annotated[str, msgspec.Meta(min_length=1)]
    title: str | None = None
    description: str | None = None
    thumbnail: str | None = None


SHAPES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "mentions": (list[str], (*TEXT, *FILES, *ALBUM, "poll")),
    "mention_all": (bool, (*TEXT, *FILES, *ALBUM, "poll")),
    "view_once": (bool, ("image", "video", "voice")),
    "expires_in": (Annotated[int, msgspec.Meta(ge=0, le=90 * 86_400)], CONTENTS),
    "forwarding_score": (
        Annotated[int, msgspec.Meta(ge=0, le=999)],
        (*TEXT, *FILES, *ALBUM, "forward", "location", "contact"),
    ),
    "gif": (bool, ("video",)),
    "video_note": (bool, ("video",)),
    "contacts": (list[OtherContact], ("contact",)),
    "link": (Link, TEXT),
    "link_preview": (bool, TEXT),
    "reply_sender": (str, (*CONTENTS, *REFERRING)),
    "reply_text": (str, (*CONTENTS, *REFERRING)),
    "from_me": (bool, (*CONTENTS, *REFERRING)),
    "sender": (str, (*CONTENTS, *REFERRING)),
}
"""Each option's type and the kinds of messages that accept it, by the option's name."""

PASSED = (
    *("mention_all", "view_once", "expires_in", "forwarding_score", "gif", "video_note"),
    *("contacts", "link", "link_preview"),
)
"""Options that go to the worker unchanged."""


def names(kind: str) -> Collection[str]:
    """The options of a kind of message."""
    return {name for name, (_, kinds) in SHAPES.items() if kind in kinds}


def check(kind: str, options: Mapping[str, Any], fields: Collection[str]) -> None:
    """Raises InvalidInput, which names the option and its valid form, or says why this kind cannot be sent."""
    if reason := IMPOSSIBLE.get(kind):
        raise InvalidInput(f"type: {reason}", field="type")
    known = names(kind)
    for name, value in options.items():
        if name not in known:
            near = get_close_matches(name, [*known, *fields], n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise InvalidInput(f"{name}: a WhatsApp message of the type {kind} has no such field{hint}", field=name)
        try:
            msgspec.convert(value, SHAPES[name][0])
        except msgspec.ValidationError as error:
            raise InvalidInput.from_validation(error, within=name) from None


def passed(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options to pass on to the worker. Raises Rejected."""
    found = {}
    for name in PASSED:
        if name in options:
            try:
                found[name] = msgspec.to_builtins(msgspec.convert(options[name], SHAPES[name][0]))
            except msgspec.ValidationError as error:
                raise Rejected(f"options.{name}: {error}") from None
    return found


def schemas() -> dict[str, dict[str, Any]]:
    """JSON schemas, by kind of message and option."""
    inline: dict[str, Any] = {}
    for name, (shape, _) in SHAPES.items():
        schema = msgspec.json.schema(shape)
        defined = schema.pop("$defs", {})
        if reference := schema.pop("$ref", None):
            schema |= defined[reference.rpartition("/")[2]]
        if "$ref" in schema.get("items", {}):
            schema["items"] = defined[schema["items"]["$ref"].rpartition("/")[2]]
        inline[name] = schema
    return {kind: {name: inline[name] for name in sorted(names(kind))} for kind in (*CONTENTS, *REFERRING)}
