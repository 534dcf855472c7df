"""JSON documents: bounded before they are decoded, and decoded beside the event loop when they are not small.

Decoding in C cannot be interrupted, and a document of 16 MiB that holds nothing but `{},{},...` becomes a gigabyte of objects
in seconds during which every session of this process would lose its lease. So three things are measured in the bytes
first, all at the speed of a memory scan: the number of values, their depth, and the size of the document without
`data`, the only field with a reason to be large.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import accumulate
from typing import Any, TypeVar

import msgspec
import trio

from ..output.problems import Problem, invalid
from .reading import convert

MAX_DEPTH = 64
MAX_VALUES = 50_000
"""Maximum number of values and names in one document. Each of a thousand messages has about twenty."""
INLINE = 16 * 1024
"""Documents up to this many bytes are decoded on the event loop: less than 2 ms, whatever they hold."""

Bytes = bytes | bytearray
T = TypeVar("T")

_HOLDERS = (dict, list)
_STEPS = [0] * 256
for _open, _close in ("[]", "{}"):
    _STEPS[ord(_open)], _STEPS[ord(_close)] = 1, -1
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class Documents:
    """Decodes request bodies; of each key only one at a time is decoded off the loop, so that none fills the queue."""

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(1)
        self._turns: dict[str, tuple[trio.Lock, int]] = {}

    async def read(self, body: Bytes, shape: type[T], *, caller: str, most: int) -> T:
        """A JSON document as `shape`; at most `most` bytes of it may lie outside of `data`.

        Raises:
            Problem: 400, with the path of the field; 413.
        """
        if len(body) <= INLINE:
            return read_json(body, shape)
        if (size := size_without_data(body, most)) > most:
            raise Problem(
                413,
                "too-large",
                "Too large",
                f"only `data` may be large: the rest of this document has {size} bytes, and {most} are allowed",
            )
        async with self._turn(caller):
            return await trio.to_thread.run_sync(partial(read_json, body, shape), limiter=self._limiter)

    @asynccontextmanager
    async def _turn(self, caller: str) -> AsyncIterator[None]:
        lock, users = self._turns.get(caller, (trio.Lock(), 0))
        self._turns[caller] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            users = self._turns[caller][1] - 1
            if users:
                self._turns[caller] = lock, users
            else:
                del self._turns[caller]


def size_without_data(body: Bytes, most: int) -> int:
    """Bytes of a document without the texts of its fields named `data`; stops once it must exceed `most`."""
    left, position = len(body), 0
    while left > most and (found := body.find(b'"data"', position)) >= 0:
        position = found + 6
        begin = body.find(b'"', position)
        if begin < 0 or body[position:begin].strip() != b":":
            continue
        end = body.find(b'"', begin + 1)  # base64 has neither quotes nor backslashes
        if end < 0:
            break
        left -= end - begin - 1
        position = end + 1
    return left


def read_json(body: Bytes, shape: type[T]) -> T:
    """A JSON document as `shape`.

    Raises:
        Problem: 400, with the path of the field.
    """
    names, opened = _check_outline(body)
    try:
        value = msgspec.json.decode(body)
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, "malformed-json", "Malformed JSON", f"the body is not valid JSON: {error}") from None
    if b"\\u0000" in body:
        _refuse_nul(value, "")
    if names and names != _names_in(value, opened):
        _refuse_repetitions(body)
    return convert(_with_integers(value), shape)


def _check_outline(body: Bytes) -> tuple[int, int]:
    """Refuse a document that is too deep or has too many values, ignoring text in strings. Returns the number of names and
    the number of objects and lists."""
    if body.find(b"\\") >= 0:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if body.count(b'"') > 4 * MAX_VALUES:
        raise _too_many()
    outline = b"".join(body.split(b'"')[::2])
    names = outline.count(b":")
    if outline.count(b",") + names > MAX_VALUES:
        raise _too_many()
    opened = outline.count(b"[") + outline.count(b"{")
    if opened > MAX_VALUES:
        raise _too_many()
    if opened > MAX_DEPTH:
        brackets = outline.translate(None, _NOT_BRACKETS)
        if max(accumulate(map(_STEPS.__getitem__, brackets))) > MAX_DEPTH:
            raise _too_deep()
    return names, opened


def _too_many() -> Problem:
    return invalid(f"the JSON has more than {MAX_VALUES} values")


def _too_deep() -> Problem:
    return invalid(f"the JSON is nested deeper than {MAX_DEPTH} levels")


def _names_in(value: Any, opened: int) -> int:
    """The number of names in a document of so many objects and lists."""
    count, found = 0, [value] if isinstance(value, _HOLDERS) else []
    for item in found:  # which grows, level by level
        if isinstance(item, dict):
            count += len(item)
        if len(found) < opened:  # once all are found, the rest holds none
            inner = item.values() if isinstance(item, dict) else item
            found += [each for each in inner if isinstance(each, _HOLDERS)]
    return count


def _refuse_repetitions(body: Bytes) -> None:
    """Refuse an object with a repeated name: different readers would take different values."""

    def unique(pairs: list[tuple[str, Any]]) -> None:
        names = set()
        for name, _ in pairs:
            if name in names:
                raise invalid(f"the JSON has the name {name[:100]!r} twice in one object", name[:100])
            names.add(name)

    json.loads(body, object_pairs_hook=unique, parse_int=str, parse_float=str)


def _with_integers(document: Any) -> Any:
    """Turn 1.0 into 1: JSON Schema takes both as integers, msgspec does not. Deeper, free-form documents stay as is."""
    if not isinstance(document, dict):
        return document
    return {
        name: [_integer(item) for item in value] if isinstance(value, list) else _integer(value)
        for name, value in document.items()
    }


def _integer(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _refuse_nul(value: Any, path: str) -> None:
    """Refuse U+0000, which PostgreSQL cannot store. Raises a Problem (400)."""
    if isinstance(value, str):
        if "\0" in value:
            raise invalid(f"{path or 'the body'}: a string must not hold U+0000", path or None)
    elif isinstance(value, dict):
        for name, item in value.items():
            if "\0" in name:
                raise invalid(f"{path or 'the body'}: a name must not hold U+0000", path or None)
            _refuse_nul(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _refuse_nul(item, f"{path}[{position}]")
