"""Parses HTTP/1.1 requests with a parser in C (llhttp), and makes the checks that it leaves out.

It refuses input that two parsers may read differently, because a proxy in front of the server may read it the other way
(RFC 9112, section 11.2): two lengths for one body, a transfer coding other than `chunked`, a request without exactly
one `Host`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import httptools

HEADER_LIMIT = 65_536
"""Bytes of the request line and all headers of one request."""
HEADERS_LIMIT = 200
"""Number of headers of one request; each costs a few Python objects."""

HeaderList = list[tuple[bytes, bytes]]


class Refusal(Exception):
    """The input is not a request that this server accepts: the connection answers once and ends."""

    def __init__(self, status: int, detail: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def _malformed() -> Refusal:
    return Refusal(400, "this is not a well-formed HTTP/1.1 request")


class Incoming:
    """One request. `headers` have lower-case names; `pieces` is the received part of the body that is still unread."""

    __slots__ = (
        "body_complete",
        "body_seen",
        "expects_continue",
        "headers",
        "http_version",
        "keep_alive",
        "method",
        "pieces",
        "target",
        "websocket",
    )

    def __init__(self) -> None:
        self.method = ""
        self.target = b""
        self.http_version = "1.1"
        self.headers: HeaderList = []
        self.keep_alive = True
        self.expects_continue = False
        self.websocket = False
        self.pieces: deque[bytes] = deque()
        self.body_complete = False
        self.body_seen = False


class RequestParser:
    """Turns the bytes of one connection into `Incoming` requests, several at once if the client pipelines them."""

    def __init__(self) -> None:
        self.requests: deque[Incoming] = deque()
        """Requests whose heads are complete, oldest first. The body of the last one may be incomplete."""
        self.refusal: Refusal | None = None
        """Why nothing more can be read. Earlier requests are complete and in `requests`."""
        self.rest = b""
        """The bytes after a request for a WebSocket; they are not HTTP."""
        self._current = Incoming()
        self._in_head = False
        self._head_size = 0  # bytes of the head that callbacks have seen
        self._head_fed = 0  # bytes fed since the head began; more than it has while a piece is buffered in the parser
        self._parser = httptools.HttpRequestParser(self)

    @property
    def body_unfinished(self) -> bool:
        """True while a request's body is incomplete, or when further input might belong to a body."""
        return not self._current.body_complete and (self._current.method != "" or self.refusal is not None)

    def feed(self, data: bytes) -> None:
        """Take bytes from the client. Never raises: see `refusal`."""
        while data and self.refusal is None and not self.rest:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                if self._current.websocket:
                    self.rest = data
                    return
                # Offers of other protocols are ignored (RFC 9110, 7.8): the next request follows in HTTP/1.1.
                self._parser = httptools.HttpRequestParser(self)
                continue
            except httptools.HttpParserCallbackError as error:
                cause = error.__context__
                if not isinstance(cause, Refusal):
                    raise
                self.refusal = cause
            except httptools.HttpParserError as error:
                self.refusal = self._refusal_for(error)
            if self._in_head and self.refusal is None:
                self._head_fed += len(data)
                if self._head_fed > HEADER_LIMIT + len(data):
                    self.refusal = _too_long()
            return

    def _refusal_for(self, error: httptools.HttpParserError) -> Refusal:
        text = str(error)
        if "present with" in text:
            return Refusal(400, "a request has either Content-Length or Transfer-Encoding")
        if isinstance(error, httptools.HttpParserInvalidMethodError):
            return Refusal(400, "this is not a well-formed HTTP/1.1 request: no such method")
        return _malformed()

    # --- called by the parser ---

    def on_message_begin(self) -> None:
        self._current = Incoming()
        self._in_head = True
        self._head_size = 0
        self._head_fed = 0

    def on_url(self, url: bytes) -> None:
        self._current.target += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        if self._in_head:  # otherwise a trailer, which is not used
            self._current.headers.append((name.lower(), value.rstrip(b" \t")))
            if len(self._current.headers) > HEADERS_LIMIT:
                raise _too_long()

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > HEADER_LIMIT:
            raise _too_long()

    def on_headers_complete(self) -> None:
        request = self._current
        request.http_version = self._parser.get_http_version()
        if request.http_version not in ("1.0", "1.1"):
            raise Refusal(400, "only HTTP/1.1 is spoken here")
        request.method = self._parser.get_method().decode("ascii")
        hosts = 0
        given: dict[bytes, bytes] = {}
        for name, value in request.headers:
            if name in _WATCHED:
                if name == b"host":
                    hosts += 1
                given[name] = given[name] + b"," + value if name in given else value
        if hosts > 1 or (hosts == 0 and request.http_version == "1.1"):
            raise Refusal(400, "this is not a well-formed HTTP/1.1 request: it needs exactly one Host")
        if (coding := given.get(b"transfer-encoding")) is not None:
            if b"content-length" in given:
                raise Refusal(400, "a request has either Content-Length or Transfer-Encoding")
            if coding.lower() != b"chunked" or request.http_version == "1.0":
                raise Refusal(
                    400, "this is not a well-formed HTTP/1.1 request: chunked is the only transfer coding here"
                )
        options = [option.strip() for option in given.get(b"connection", b"").lower().split(b",")]
        request.keep_alive = request.http_version == "1.1" and b"close" not in options
        request.expects_continue = given.get(b"expect", b"").lower() == b"100-continue"
        if b"upgrade" in options and given.get(b"upgrade", b"").lower() == b"websocket" and request.method == "GET":
            if given.get(b"sec-websocket-version") != b"13":
                raise Refusal(426, "version 13 of WebSocket is spoken here", [(b"sec-websocket-version", b"13")])
            if not given.get(b"sec-websocket-key"):
                raise Refusal(400, "a WebSocket is asked for with the header Sec-WebSocket-Key")
            request.websocket = True
        self._in_head = False
        self._head_size = 0  # from here on it counts trailers
        self.requests.append(request)

    def on_body(self, data: bytes) -> None:
        self._current.body_seen = True
        self._current.pieces.append(data)

    def on_message_complete(self) -> None:
        self._current.body_complete = True


_WATCHED = frozenset(
    {
        b"host",
        b"transfer-encoding",
        b"content-length",
        b"connection",
        b"expect",
        b"upgrade",
        b"sec-websocket-version",
        b"sec-websocket-key",
    }
)


def _too_long() -> Refusal:
    return Refusal(
        431, f"the request line and the headers have more than {HEADER_LIMIT} bytes or {HEADERS_LIMIT} headers"
    )


def websocket_handshake(request: Incoming) -> bytes:
    """The request as bytes again, for the WebSocket protocol."""
    head = [f"{request.method} ".encode() + request.target + b" HTTP/1.1\r\n"]
    head += [name + b": " + value + b"\r\n" for name, value in request.headers]
    return b"".join(head) + b"\r\n"


def scope_of(request: Incoming, client: Any, server: Any) -> dict[str, Any]:
    """The ASGI scope of a request; the application decodes the path."""
    raw_path, _, query = request.target.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": request.http_version,
        "method": request.method,
        "scheme": "http",
        "raw_path": raw_path,
        "path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": request.headers,
        "client": client,
        "server": server,
        "extensions": {},
    }
