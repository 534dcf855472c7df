"""Reads one file from a request's body, in pieces: the body itself, or the only file of a form."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from fnmatch import fnmatchcase

import trio
from quart import Request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from ..output.problems import Problem, invalid

FORM = "multipart/form-data"
FORM_EXTRA = 64 * 1024
"""Maximum bytes of a form apart from its file."""

MOST_PARTS = 2  # a second one is read only to report the error
LONGEST_BOUNDARY = 70
UNKNOWN = "application/octet-stream"
LONGEST_TYPE = 255
UNTYPED = "application/x-www-form-urlencoded"  # what curl sends unless a type is given
_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+( *;[ -~]*)?")


class UploadedFile:
    """The file, and what the client says about it."""

    def __init__(self, content_type: str, filename: str | None, pieces: AsyncGenerator[bytes]) -> None:
        self.content_type = content_type
        self.filename = filename
        self.pieces = pieces


class Upload:
    """A request that brings a file.

    Args:
        limit: bytes of the file.
        seconds: for each piece of it to arrive.
        types: patterns of accepted content types, separated by commas; None: all.
    """

    def __init__(self, request: Request, *, limit: int, seconds: float, types: str | None) -> None:
        self._request = request
        self._limit = limit
        self._seconds = seconds
        self._types = [kind.strip().lower() for kind in types.split(",")] if types else None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[UploadedFile]:
        """The file, as soon as it begins to arrive.

        Raises a Problem: 400, 408, 411, 413, 415; so do its pieces.
        """
        request = self._request
        length = request.content_length
        if length is None and request.headers.get("Transfer-Encoding") is None:
            raise Problem(411, "length-required", "Length required", "send Content-Length, or the body in chunks")
        if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise _unsupported("send the file as it is, without Content-Encoding")
        kind, options = parse_options_header(request.headers.get("Content-Type", ""))
        is_form = kind.lower() == FORM
        if length is not None and length > self._limit + (FORM_EXTRA if is_form else 0):
            raise too_large(self._limit)
        async with aclosing(self._body()) as body:
            if not is_form:
                yield UploadedFile(self._checked(request.headers.get("Content-Type", "")), None, body)
                return
            async with aclosing(_events(body, options.get("boundary", ""))) as events:
                part = await anext(events, None)
                if not isinstance(part, File | Field) or part.name != "file":
                    raise invalid("a form has to have one part, `file`", "file")
                name = part.filename if isinstance(part, File) else None
                kind = self._checked(part.headers.get("Content-Type") or UNKNOWN)
                async with aclosing(_data(events)) as pieces:
                    yield UploadedFile(kind, name or None, pieces)

    async def _body(self) -> AsyncGenerator[bytes]:
        """The bytes as they arrive, each piece within its time limit."""
        pieces = aiter(self._request.body)
        left = self._limit + FORM_EXTRA
        while True:
            data = b""
            try:
                with trio.move_on_after(self._seconds) as scope:
                    data = await anext(pieces)
            except StopAsyncIteration:
                return
            if scope.cancelled_caught:
                raise Problem(408, "timeout", "Request timeout", f"nothing arrived for {self._seconds:g} s")
            left -= len(data)
            if left < 0:
                raise too_large(self._limit)
            yield data

    def _checked(self, content_type: str) -> str:
        """Raises a Problem (415)."""
        if len(content_type) > LONGEST_TYPE or not _TYPE.fullmatch(content_type):
            raise _unsupported(
                "name the file's type in Content-Type, such as image/png; application/octet-stream is any"
            )
        essence = content_type.partition(";")[0].strip().lower()
        if essence == UNTYPED:
            raise _unsupported(f"{UNTYPED} is no file: name the file's type in Content-Type, such as image/png")
        if self._types is not None and not any(fnmatchcase(essence, pattern) for pattern in self._types):
            raise _unsupported(f"{essence[:100]} is not taken here; these are: {', '.join(self._types)}")
        return content_type


async def _events(body: AsyncGenerator[bytes], boundary: str) -> AsyncGenerator[File | Field | Data]:
    """The parts of a form, each followed by its data. Raises a Problem (400)."""
    if not 0 < len(boundary) <= LONGEST_BOUNDARY or not boundary.isascii():
        raise invalid("the form's Content-Type has no usable boundary", "Content-Type")
    decoder = MultipartDecoder(boundary.encode(), max_parts=MOST_PARTS)
    try:
        async for data in body:
            decoder.receive_data(data)
            while not isinstance(event := decoder.next_event(), NeedData):
                if isinstance(event, File | Field | Data):
                    yield event
                elif isinstance(event, Epilogue):
                    async for _ in body:  # nothing after the form matters
                        pass
                    return
        decoder.receive_data(None)
        if isinstance(decoder.next_event(), Epilogue):
            return
    except (ValueError, RequestEntityTooLarge):
        pass
    raise invalid("the form is malformed or cut off")


async def _data(events: AsyncGenerator[File | Field | Data]) -> AsyncGenerator[bytes]:
    async for event in events:
        if not isinstance(event, Data):
            raise invalid("a form has to have one part, `file`, and no other", event.name[:100] or None)
        yield event.data


def too_large(limit: int) -> Problem:
    """The 413 that names the limit."""
    return Problem(
        413,
        "too-large",
        "Too large",
        f"the file is larger than {limit} bytes (ROOKERY_MEDIA_MAX_SIZE)",
        limit="ROOKERY_MEDIA_MAX_SIZE",
    )


def _unsupported(detail: str) -> Problem:
    return Problem(415, "unsupported-media-type", "Unsupported media type", detail, field="Content-Type")
