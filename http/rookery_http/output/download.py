"""Answers that are a stored file, or a part of one (RFC 9110, 13 and 14)."""

from __future__ import annotations

import mimetypes
import re
import unicodedata
from collections.abc import AsyncGenerator
from functools import partial
from urllib.parse import quote

from quart import Request, Response
from quart.wrappers.response import ResponseBody
from werkzeug.datastructures import ETags
from werkzeug.http import parse_range_header, quote_etag, unquote_etag

from rookery import Engine
from rookery.model.media import MediaFile

from .problems import Problem

UNSAFE_CHARACTERS = re.compile(r"[^A-Za-z0-9 !#$&+.^_`~()=@,-]")
_CONTENT_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,64}")
HEADERS = {
    # Whatever the file is, no browser may run it as one of our pages.
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
    "Accept-Ranges": "bytes",
}


def file_response(engine: Engine, request: Request, file: MediaFile) -> Response:
    """The answer to GET and HEAD. The bytes are read while they are being sent, not before.

    Raises a Problem: 416.
    """
    size, etag = file.size or 0, (file.sha256 or "")[:32]
    headers = {"ETag": quote_etag(etag), **HEADERS}
    known: ETags = request.if_none_match
    if known.contains_weak(etag) or known.star_tag:
        return Response(b"", 304, headers, content_type=file.content_type)
    start, length, status = 0, size, 200
    if (wanted := _range(request, etag)) is not None:
        found = _part(*wanted, size)
        if found is None:
            text = f"the file has {size} bytes"
            raise Problem(
                416,
                "range-not-satisfiable",
                "Range not satisfiable",
                text,
                headers={"Content-Range": f"bytes */{size}"},
            )
        start, length = found
        status = 206
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    headers["Content-Length"] = str(length)
    headers["Content-Disposition"] = disposition(file.filename or _name_of(file))
    response = Response(_Pieces(engine, file, start, length), status, headers, content_type=file.content_type)
    response.timeout = None  # each piece has its own send timeout
    return response


def _name_of(file: MediaFile) -> str:
    """A name for a file whose sender gave none: its id and the extension of its type."""
    return file.id + (mimetypes.guess_extension(file.content_type.partition(";")[0].strip()) or "")


def bytes_response(data: bytes, content_type: str | None, filename: str | None) -> Response:
    """The same for bytes in memory, always whole."""
    kind = (content_type or "").partition(";")[0].strip()
    safe = kind if _CONTENT_TYPE.fullmatch(kind) else "application/octet-stream"
    headers = {**HEADERS, "Accept-Ranges": "none", "Content-Disposition": disposition(filename)}
    return Response(data, 200, headers, content_type=safe)


def disposition(filename: str | None) -> str:
    """Always an attachment, with a name that cannot inject anything (RFC 6266; RFC 8187 for names beyond ASCII)."""
    name = "".join(
        character for character in (filename or "").replace("\\", "/").rpartition("/")[2] if character.isprintable()
    ).strip(". ")[:200]
    if not name:
        return "attachment"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = UNSAFE_CHARACTERS.sub("_", plain).strip(". ") or "file"
    text = f'attachment; filename="{plain}"'
    return text if plain == name else f"{text}; filename*=UTF-8''{quote(name, safe='')}"


def _range(request: Request, etag: str) -> tuple[int, int | None] | None:
    """The first byte, and the byte after the last, of a Range header that applies: a single range of bytes, of the
    version of the file that the client has a part of. Any other request may be answered with the whole file."""
    given = request.headers.getlist("Range")
    if len(given) != 1 or request.method != "GET":
        return None
    if (condition := request.headers.get("If-Range")) is not None:
        known, weak = unquote_etag(condition.strip())
        if weak or known != etag:
            return None
    try:
        wanted = parse_range_header(given[0])
    except (ValueError, OverflowError):
        return None
    return wanted.ranges[0] if wanted is not None and wanted.units == "bytes" and len(wanted.ranges) == 1 else None


def _part(start: int, end: int | None, size: int) -> tuple[int, int] | None:
    """Start and length; None when the range lies outside of the file."""
    if start < 0:  # the last bytes of the file
        return max(0, size + start), min(size, -start)
    if start >= size:
        return None
    return start, min(end if end is not None else size, size) - start


class _Pieces(ResponseBody):
    """The bytes, read as the client takes them."""

    def __init__(self, engine: Engine, file: MediaFile, start: int, length: int) -> None:
        self._read = partial(engine.read_media, file, start=start, size=length)
        self._pieces: AsyncGenerator[bytes] | None = None

    async def __aenter__(self) -> AsyncGenerator[bytes]:
        self._pieces = self._read()
        return self._pieces

    async def __aexit__(self, *error: object) -> None:
        if self._pieces is not None:
            await self._pieces.aclose()
