"""Turns the bytes of a request into checked values, or a 4xx that names the field at fault.

Strict on purpose: a parameter that is misspelt, repeated or of the wrong type is an error and never silently ignored.
`documents` decodes JSON documents.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
import trio
from quart import Request

from rookery.errors import InvalidInput

from ..output.problems import Problem, invalid
from .body_budget import Held
from .parameters import IN_WORDS, NO_NEWLINE

MAX_PARAMETERS = 50
CHARSETS = ("utf-8", "utf8", "us-ascii", "ascii")
INTEGER = re.compile(r"-?[0-9]{1,19}")
NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")

T = TypeVar("T")


class NoQuery(msgspec.Struct, frozen=True):
    """The query of a call without query parameters."""


def read_query(query_string: bytes, shape: type[T]) -> T:
    """Query parameters as a struct; text becomes bool, int or float where the struct says so.

    Raises:
        Problem: 400.
    """
    fields, empty = _of(shape)  # type: ignore[arg-type]
    if not query_string and empty is not None:
        found: T = empty
        return found
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS
        )
    except UnicodeDecodeError:
        raise invalid("the query is not UTF-8 in percent-encoding") from None
    except ValueError:
        raise invalid(f"the query has more than {MAX_PARAMETERS} parameters") from None
    values: dict[str, Any] = {}
    for name, text in pairs:
        if name not in fields:
            known = ", ".join(sorted(fields)) or "none"
            raise invalid(f"unknown query parameter {name!r}; known here: {known}", name)
        if name in values:
            raise invalid(f"the query parameter {name!r} is given twice", name)
        values[name] = _from_text(text, fields[name])
    return convert(values, shape)


@cache
def _of(shape: Any) -> tuple[dict[str, str], Any]:
    """The kinds of a query's parameters by name, and the empty query if it is allowed. Computed once, because
    evaluating the annotations from their text is slow."""
    fields = msgspec.structs.fields(shape)
    kinds = {field.encode_name: str(field.type) for field in fields}
    return kinds, None if any(field.required for field in fields) else shape()


def _from_text(text: str, kind: str) -> Any:
    """A value of the kind that the annotation names; text that does not fit stays text and fails the conversion."""
    if "bool" in kind:
        return {"true": True, "false": False}.get(text, text)
    if "float" in kind and NUMBER.fullmatch(text):
        return float(text)
    if "int" in kind and INTEGER.fullmatch(text):
        return int(text)
    return text


async def read_body(request: Request, limit: int, seconds: float, held: Held) -> bytearray:
    """The whole body; `held` counts the memory it uses.

    Raises:
        Problem: 408, 413, 503.
    """
    too_large = Problem(413, "too-large", "Too large", f"the body is larger than {limit} bytes")
    if (request.content_length or 0) > limit:
        raise too_large
    received = bytearray()
    with trio.move_on_after(seconds) as scope:
        async for piece in request.body:
            received += piece
            if len(received) > limit:
                raise too_large
            held.grow_to(len(received))
    if scope.cancelled_caught:
        raise Problem(408, "timeout", "Request timeout", f"the body did not arrive within {seconds:g} s")
    return received


def require_json(request: Request) -> None:
    """Raises a Problem (415) unless the body claims to be plain JSON, which is UTF-8 (RFC 8259)."""
    if encoding := request.headers.get("Content-Encoding", "").strip():
        raise Problem(
            415,
            "unsupported-media-type",
            "Unsupported media type",
            f"send it as it is, without {encoding[:100]!r} coding",
        )
    charset = request.mimetype_params.get("charset", "utf-8")
    if charset.lower() not in CHARSETS:
        raise Problem(
            415, "unsupported-media-type", "Unsupported media type", f"JSON must be UTF-8, not {charset[:100]!r}"
        )
    if request.mimetype != "application/json":
        given = request.mimetype or "none"
        raise Problem(
            415, "unsupported-media-type", "Unsupported media type", f"send application/json, not {given[:100]!r}"
        )


def convert(value: Any, shape: type[T]) -> T:
    """A decoded document as `shape`. Raises a Problem (400) with the path of the field."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        wrong = InvalidInput.from_validation(error)
        # Show a pattern as in the OpenAPI description, not as a Python literal.
        told = str(wrong).replace(repr(NO_NEWLINE)[1:-1], "")
        text = told.replace("\\\\", "\\")
        if wrong.field is None:
            raise invalid(text) from None
        field = _named(wrong.field, value, shape, error)
        words = next((words for pattern, words in IN_WORDS.items() if repr(pattern)[1:-1] in told), None)
        raise invalid(field + (text.removeprefix(wrong.field) if words is None else f": {words}"), field) from None


def _named(field: str, value: Any, shape: type[T], error: msgspec.ValidationError) -> str:
    """The path with the name of the entry at fault in place of the library's `[...]`."""
    outer, entry, inner = field.partition("[...]")
    if entry and isinstance(value, dict) and isinstance(value.get(outer), dict):
        for name, item in islice(value[outer].items(), MAX_PARAMETERS):
            try:
                msgspec.convert(value | {outer: {name: item}}, shape)
            except msgspec.ValidationError as again:
                if str(again) == str(error):
                    return f"{outer}.{name[:100]}{inner}"
    return field
