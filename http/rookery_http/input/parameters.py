"""Kinds of input that several calls share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from rookery.features.validation import ID_PATTERN, check_text

from ..output.problems import invalid

NO_NEWLINE = r"(?!\n)"
"""Python's `$` also matches before a final newline, a JSON schema's does not; the description leaves this part out."""
LONGEST_PLACE = 128
"""Maximum number of characters of a part of a path, such as a chat."""
IN_WORDS: dict[str, str] = {}
"""Readable descriptions that error messages show instead of a pattern."""

_number = re.compile(r"[0-9]{1,19}")
_id = re.compile(ID_PATTERN.removesuffix("$"))

Id = Annotated[str, msgspec.Meta(pattern=ID_PATTERN + NO_NEWLINE, examples=["shop"])]
_NAME = "[A-Za-z0-9_.*-]{1,64}"
EVENT_NAME = f"^{_NAME}$"
"""A type of event, or a pattern for some: `message`, `session.*`, `*`."""
EventTypes = Annotated[
    str,
    msgspec.Meta(
        pattern=f"^{_NAME}(,{_NAME}){{0,31}}$" + NO_NEWLINE,
        description="event types and patterns (`session.*`), separated by commas; some types come only when they are named",
        examples=["message"],
    ),
]
EventId = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=500, description="rows in one answer")]
_INSTANT = (
    r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
IN_WORDS[_INSTANT] = "a time with its zone is needed, such as 2026-01-31T12:00:00Z or 2026-01-31T13:00:00+01:00"
Instant = Annotated[str, msgspec.Meta(pattern=_INSTANT + NO_NEWLINE, examples=["2026-01-31T12:00:00Z"])]
"""A time of this century, as RFC 3339 writes it."""

_KEY = r"^[!-~]{1,255}$"
IdempotencyKey = Annotated[
    str,
    msgspec.Meta(
        pattern=_KEY + NO_NEWLINE,
        description="makes a repeated request answer with the first one's message",
        examples=["order-4711-paid"],
    ),
]
LONGEST_INSTANT = len("2026-01-31T12:00:00.123456789+01:00")
_instant = re.compile(_INSTANT[1:-1])
_key = re.compile(_KEY[1:-1])
EventNumber = Annotated[EventId, msgspec.Meta(description="continue behind this event")]
HEADERS = {"Idempotency-Key": IdempotencyKey, "Last-Event-ID": EventNumber}


def read_header(name: str, given: Sequence[str]) -> Any:
    """The single value of one of our headers, or None when it is absent.

    Raises:
        Problem: 400.
    """
    if not given:
        return None
    if len(given) > 1:
        raise invalid(f"the header {name} is given twice", name)
    shape = HEADERS[name]
    text = given[0]
    try:
        return msgspec.convert(int(text) if shape is EventNumber and _number.fullmatch(text) else text, shape)
    except msgspec.ValidationError:
        right = "a whole number" if shape is EventNumber else "1 to 255 printable ASCII characters without spaces"
        raise invalid(f"{name} has to be {right}", name) from None


@lru_cache(maxsize=256)  # the messages of a batch often have the same time
def seconds_of(instant: str | None) -> float | None:
    """An `Instant` as seconds since the epoch. The 31st of a shorter month is the day after its last."""
    if instant is None:
        return None
    first = datetime.fromisoformat(f"{instant[:8]}01{instant[10:]}")
    return first.timestamp() + (int(instant[8:10]) - 1) * 86_400.0


@lru_cache(maxsize=256)  # checking one takes as long as the rest of a message
def instant(text: str) -> float | None:
    """Seconds since the epoch; None for a text that is no `Instant`. Its texts are kept: give it none that is longer than
    `LONGEST_INSTANT`."""
    return None if _instant.fullmatch(text) is None else seconds_of(text)


def is_idempotency_key(value: object) -> bool:
    """True for a text that is an `IdempotencyKey`."""
    return isinstance(value, str) and _key.fullmatch(value) is not None


def is_id(text: str) -> bool:
    """True when `text` could be the id of something."""
    return _id.fullmatch(text) is not None


def check_place(text: str, name: str) -> None:
    """Check a part of a path besides the id, such as a chat. Raises InvalidInput."""
    check_text(text, name, least=1, most=LONGEST_PLACE)


def types_of(text: str | None) -> tuple[str, ...] | None:
    """The event types of a query parameter."""
    return tuple(text.split(",")) if text is not None else None
