"""HTTP/1.1 as bytes: reads requests from a byte stream, writes answers as bytes; no sockets.

httptools (the parser of Node.js) does the parsing. Bodies and headers are bounded; any error in a request raises
`BadRequest`, and the connection is closed after its answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from http import HTTPStatus

import httptools

MAX_HEADER_BYTES = 64 * 1024

_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
_OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: keep-alive\r\nContent-Length: "


class BadRequest(Exception):
    """The bytes are not an acceptable request; carries the status code to answer with before closing."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Request:
    """One request with its whole body. `path` and `query` are still percent-encoded. `arrived_at`: when its last byte
    was read, by the reader's clock."""

    __slots__ = ("arrived_at", "body", "content_type", "keep_alive", "method", "path", "query")

    def __init__(
        self, method: str, target: bytes, content_type: str, body: bytes, keep_alive: bool, arrived_at: float
    ) -> None:
        path, _, query = target.partition(b"?")
        self.method = method
        self.path = path
        self.query = query
        self.content_type = content_type
        self.body = body
        self.keep_alive = keep_alive
        self.arrived_at = arrived_at


class RequestReader:
    """Collects requests from fed bytes into `requests`; `wants_continue` asks for an interim `100 Continue`."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_clock",
        "_content_type",
        "_fed_at",
        "_head_bytes",
        "_in_head",
        "_max_body_bytes",
        "_parser",
        "_refusal",
        "_target",
        "requests",
        "wants_continue",
    )

    def __init__(self, max_body_bytes: int, clock: Callable[[], float]) -> None:
        self._max_body_bytes = max_body_bytes
        self._clock = clock
        self._fed_at = 0.0
        self._parser = httptools.HttpRequestParser(self)
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._content_type = ""
        self._head_bytes = 0
        self._in_head = True
        self._target = b""
        self._refusal: BadRequest | None = None
        self.requests: deque[Request] = deque()
        self.wants_continue = False

    def feed(self, data: bytes) -> None:
        """Parse more bytes. Raises BadRequest; complete requests before the bad one stay in `requests`."""
        self._fed_at = self._clock()
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The offer may be ignored, but what follows on the connection could be the other protocol.
            self.requests[-1].keep_alive = False
        except httptools.HttpParserError:
            # Which class arrives for an error raised by a callback depends on the callback.
            raise self._refusal or BadRequest(400) from None
        if self._in_head and self._head_bytes > MAX_HEADER_BYTES:
            raise BadRequest(431)

    # The parser calls the following methods.

    def on_message_begin(self) -> None:
        self._target = b""
        self._content_type = ""
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        length = len(name)
        if length == 12 and name.lower() == b"content-type":
            self._content_type = value.decode("latin-1")
        elif length == 6 and name.lower() == b"expect" and value.lower() == b"100-continue":
            self.wants_continue = True
        elif length == 14 and name.lower() == b"content-length" and value.isdigit():
            self._bound(int(value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._bound(self._body_bytes)
        self._body.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self._body) if self._body else b""
        parser = self._parser
        method = parser.get_method()
        self.requests.append(
            Request(
                method.decode("latin-1"),
                self._target,
                self._content_type,
                body,
                # An answer to HEAD would have to come without its body.
                keep_alive=parser.should_keep_alive() and method != b"HEAD",
                arrived_at=self._fed_at,
            )
        )
        self._body.clear()
        self._body_bytes = 0
        self._in_head = True
        self.wants_continue = False

    def _bound(self, body_bytes: int) -> None:
        if body_bytes > self._max_body_bytes:
            self._refusal = BadRequest(413)
            raise self._refusal


def json_ok(body: bytes) -> bytes:
    """A whole answer with status 200 and a JSON body."""
    return b"%b%d\r\n\r\n%b" % (_OK_HEAD, len(body), body)


def answer(
    status: int,
    body: bytes,
    *,
    content_type: str = "application/json",
    headers: dict[str, str] | None = None,
    keep_alive: bool = True,
) -> bytes:
    """A whole answer with any status, type and further headers."""
    lines = [
        b"HTTP/1.1 %d %b" % (status, _REASONS.get(status, b"Unknown")),
        b"Content-Type: " + content_type.encode("latin-1"),
        b"Connection: keep-alive" if keep_alive else b"Connection: close",
        b"Content-Length: %d" % len(body),
    ]
    if headers:
        lines += [f"{name}: {value}".encode("latin-1") for name, value in headers.items()]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
