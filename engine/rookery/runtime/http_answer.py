"""Assembles one HTTP/1.1 answer from bytes as they arrive, however they are split."""

from __future__ import annotations

import re
import zlib

import httptools

MAX_HEADERS = 65_536
"""Maximum number of bytes of an answer's headers, including interim answers."""

_HTTP = b"HTTP/"
_STATUS = 9  # index of the status in `HTTP/1.1 200 OK`
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_ENCODINGS = (b"gzip", b"x-gzip", b"deflate")
_PLAIN = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9]) [ -~]*\r\n((?:[A-Za-z0-9_-]+:[ -~]*\r\n)*)\r\n")
_UNUSUAL = frozenset({b"transfer-encoding", b"content-encoding", b"upgrade", b"trailer"})
_BODILESS = (204, 205, 304)

_KNOWN_HEADS = 64
_LONGEST_KNOWN = 1024
"""Bounds of the cache of parsed heads: a busy server repeats them, except for the second in their date."""


class BadAnswer(ValueError):
    """The bytes are not an HTTP answer, or exceed what the reader accepts."""


class HttpAnswer:
    """A complete answer. `headers` have lower-case names; they are only read, because other answers may share them. `body` is
    decoded (gzip, deflate).

    `too_large`: the body is longer than the limit and was cut there. `keep_alive`: the connection can be reused.
    """

    __slots__ = ("body", "headers", "keep_alive", "status", "too_large")

    def __init__(
        self, status: int = 0, headers: dict[bytes, bytes] | None = None, body: bytes = b"", *, keep_alive: bool = False
    ) -> None:
        self.status = status
        self.headers: dict[bytes, bytes] = {} if headers is None else headers
        self.body = body
        self.too_large = False
        self.keep_alive = keep_alive


_heads: dict[bytes, tuple[int, dict[bytes, bytes], int]] = {}


def plain_answer(data: bytes, limit: int) -> HttpAnswer | None:
    """The answer in `data` if it came in one piece, with a length of at most `limit` (or 204, which has no body) and
    nothing unusual, as almost all do: it needs no parser. None when it needs an `AnswerReader`."""
    end = data.find(b"\r\n\r\n") + 4
    head = data[:end]
    known = _heads.get(head)
    if known is None:
        known = _plain_head(head)
        if known is None:
            return None
        if end <= _LONGEST_KNOWN:
            if len(_heads) >= _KNOWN_HEADS:
                _heads.clear()
            _heads[head] = known
    status, headers, length = known
    if len(data) - end != length or length > limit:
        return None
    return HttpAnswer(status, headers, data[end:], keep_alive=True)


def _plain_head(head: bytes) -> tuple[int, dict[bytes, bytes], int] | None:
    """Status, headers and length of the body; None for anything unusual."""
    found = _PLAIN.fullmatch(head)
    if found is None or len(head) > MAX_HEADERS:
        return None
    headers: dict[bytes, bytes] = {}
    for line in found[2].split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.removeprefix(b" ")
        if name in headers or name in _UNUSUAL or value != value.strip():
            return None
        headers[name] = value
    status, length = int(found[1]), headers.get(b"content-length", b"")
    if status == 204 and b"content-length" not in headers:
        length = b"0"
    elif status in _BODILESS:
        return None
    if headers.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    if not length.isdigit() or len(length) > 9:
        return None
    return status, headers, int(length)


class AnswerReader:
    """Reads the answer to one request. Interim answers (1xx) are skipped, trailers dropped.

    Bytes after the answer do not change it, but then the connection cannot be used again.

    Args:
        limit: bytes of a body.
        cut: a larger body is cut at the limit, which ends the answer; otherwise it is an error.
    """

    __slots__ = (
        "_begun",
        "_cut",
        "_head",
        "_head_complete",
        "_held",
        "_limit",
        "_parser",
        "_parts",
        "_size",
        "answer",
        "complete",
    )

    def __init__(self, limit: int, cut: bool) -> None:
        self.answer = HttpAnswer()
        self.complete = False
        self._limit = limit
        self._cut = cut
        self._begun = False  # the first bytes of the final answer have arrived
        self._held = b""  # bytes of what may be an interim answer
        self._head = 0
        self._head_complete = False
        self._size = 0
        self._parts: list[bytes] = []
        self._parser: httptools.HttpResponseParser | None = None  # most answers need none

    @property
    def started(self) -> bool:
        """True once any byte has arrived."""
        return self._begun or bool(self._held) or self._head > 0

    @property
    def enough(self) -> bool:
        """True when no more bytes are needed."""
        return self.complete or (self._cut and self._size > self._limit)

    def feed(self, data: bytes) -> None:
        """Process the next bytes. Raises BadAnswer."""
        if self.complete:
            self.answer.keep_alive = False  # more came than one answer
            return
        if self._parser is None:
            if not self._held and not self._head and self._is_plain(data):
                return
            self._parser = httptools.HttpResponseParser(self)
        try:
            if not self._begun:
                data = self._skip_interim(data)
            if data:
                self._parser.feed_data(data)
        except (httptools.HttpParserUpgrade, httptools.HttpParserError) as error:
            if not self.enough or isinstance(error.__context__, BadAnswer):
                raise BadAnswer(_reason(error)) from None
            self.answer.keep_alive = False  # more came than one answer
        if self.enough and not self.complete:
            self._finish()

    def _is_plain(self, data: bytes) -> bool:
        """Read an answer that needs no parser. False when it needs one."""
        answer = plain_answer(data, self._limit)
        if answer is None:
            return False
        self.answer = answer
        self._begun = self._head_complete = self.complete = True
        return True

    def end(self) -> None:
        """The server closed the connection. For an answer without a length this is the end of the body (RFC 9112, 6.3).

        Raises BadAnswer when the answer is incomplete.
        """
        if self.complete:
            return
        headers = self.answer.headers
        has_end = b"content-length" in headers or headers.get(b"transfer-encoding", b"").lower().endswith(b"chunked")
        if not self._head_complete or has_end:
            raise BadAnswer("the server closed the connection before the answer was complete")
        self._finish()

    def _skip_interim(self, data: bytes) -> bytes:
        """The bytes of the final answer in `data`; empty until it begins."""
        held = self._held + data
        seen = max(0, len(self._held) - 3) if len(self._held) > _STATUS else 0  # fewer were not searched yet
        while True:
            held = held.lstrip(b"\r\n")
            if not _HTTP.startswith(held[: len(_HTTP)]):
                raise BadAnswer("it does not begin with HTTP/")
            if len(held) <= _STATUS:
                self._held = held
                return b""
            if held[_STATUS : _STATUS + 1] != b"1":
                self._begun, self._held = True, b""
                return held
            end = _END_OF_HEAD.search(held, seen)
            seen = 0
            if self._head + (end.end() if end else len(held)) > MAX_HEADERS:
                raise BadAnswer("the headers of the answer are too large")
            if end is None:
                self._held = held
                return b""
            if held[_STATUS : _STATUS + 3] == b"101":
                raise BadAnswer("the server changed the protocol")
            self._head += end.end()
            held = held[end.end() :]

    def _finish(self) -> None:
        answer = self.answer
        assert self._parser is not None
        answer.status = self._parser.get_status_code()
        if answer.status < 200:
            raise BadAnswer(f"{answer.status:03} is not the status of an answer")
        answer.body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        answer.too_large = self._size > self._limit
        self._parts.clear()
        if answer.body and answer.headers.get(b"content-encoding", b"").lower() in _ENCODINGS:
            self._decode(answer)
        self.complete = True

    def _decode(self, answer: HttpAnswer) -> None:
        try:
            decoder = zlib.decompressobj(wbits=47)  # gzip or zlib, by its first bytes
            body = decoder.decompress(answer.body, self._limit + 1)
        except zlib.error:
            raise BadAnswer("the body does not have the encoding that its headers name") from None
        if len(body) > self._limit:
            answer.too_large, body = True, body[: self._limit]
            if not self._cut:
                raise BadAnswer("the answer is too large")
        elif not decoder.eof and not answer.too_large:
            raise BadAnswer("the encoded body is not complete")
        answer.body = body
        del answer.headers[b"content-encoding"]

    def on_message_begin(self) -> None:
        """Called by the parser."""
        if self.complete:
            raise ValueError("a second answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self._head += len(name) + len(value)
        if self._head > MAX_HEADERS:
            raise ValueError("the headers of the answer are too large")
        if not self._head_complete:
            self.answer.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._head_complete = True

    def on_body(self, data: bytes) -> None:
        """Called by the parser."""
        self._size += len(data)
        if self._size <= self._limit:
            self._parts.append(data)
        elif self._cut:
            if (room := self._limit - (self._size - len(data))) > 0:
                self._parts.append(data[:room])
        else:
            raise ValueError("the answer is too large")

    def on_message_complete(self) -> None:
        """Called by the parser; only in this callback is its `should_keep_alive` correct."""
        assert self._parser is not None
        self.answer.keep_alive = (
            self._parser.get_http_version() == "1.1"
            and self._parser.should_keep_alive()
            and b"close" not in self.answer.headers.get(b"connection", b"").lower()
        )
        self._finish()


def _reason(error: Exception) -> str:
    if isinstance(error, httptools.HttpParserUpgrade):
        return "the server changed the protocol"
    return str(error.__context__ or error)
