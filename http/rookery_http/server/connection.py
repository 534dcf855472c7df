"""One HTTP/1.1 connection: it parses requests, calls the application in its own task, and logs each request.

The path of a request is short on purpose: no task, no channel and no timer is made for it. The connection's task reads
a head, calls the ASGI application, and writes what the application sends. It reads the body from the socket only when
the application asks for it, so an unread body slows its client down instead of filling memory.

Rules for every connection:

- An idle connection, or one whose head arrives too slowly, is closed after `keep_alive` seconds, and at once when the
  server stops.
- A client that does not read: each piece of `SEND_PIECE` bytes must be sent within `SEND_TIMEOUT` seconds.
- A client that closes its side (`shutdown(SHUT_WR)`) still gets its answer; only an event stream ends then, because it
  would not notice otherwise that its client has gone.
- An answer that comes before the end of the request's body (413) says `Connection: close`. Then the server closes
  only its own side, and reads and discards further input, bounded in time and bytes (`LINGER_*`): a close with unread
  input would send a reset, and the client might lose the answer.

A request for a WebSocket goes to `websocket`, where hypercorn's protocol serves it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from time import time
from typing import Any, Protocol

import trio

from ..output.problems import plain_problem
from .http1 import HeaderList, Incoming, Refusal, RequestParser, scope_of

RECEIVE_SIZE = 65536
SEND_PIECE = 65536
SEND_TIMEOUT = 30.0
"""Seconds for a client to take one piece of an answer."""
LINGER_TIMEOUT = 2.0
LINGER_BYTES = 64 * 1024 * 1024
DISCONNECT: dict[str, Any] = {"type": "http.disconnect"}
GONE = 499
"""The logged status of a request whose client left before the answer."""

NETWORK_ERRORS = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application: its scope, `Receive` and `Send`."""

log = logging.getLogger("rookery.api.server")


class Host(Protocol):
    """The part of the server that a connection uses."""

    keep_alive: float

    @property
    def stopping(self) -> bool: ...

    def idle_until(self, deadline: float) -> Any:
        """A context manager with a cancel scope that also ends when the server stops."""

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Called once for each request. Never blocks, never raises."""


class ClientGone(Exception):
    """The connection broke; no client is left to answer."""


class Connection:
    """Serves one client until either side hangs up.

    Args:
        stream: the connection closes it.
        upgrade: called for a WebSocket, with its request and the bytes that follow it.
    """

    def __init__(
        self,
        stream: trio.SocketStream,
        app: Application,
        host: Host,
        upgrade: Callable[[trio.SocketStream, Incoming, bytes], Awaitable[None]],
    ) -> None:
        self._stream = stream
        self._app = app
        self._host = host
        self._upgrade = upgrade
        self._parser = RequestParser()
        self._eof = False
        self._client: Any = None
        self._server: Any = None

    async def run(self) -> None:
        """Returns when the connection is closed; errors of the network end it silently."""
        try:
            self._client = self._stream.socket.getpeername()[:2]
            self._server = self._stream.socket.getsockname()[:2]
            await self._serve()
        except NETWORK_ERRORS:
            pass
        finally:
            await trio.aclose_forcefully(self._stream)

    async def _serve(self) -> None:
        parser = self._parser
        keep = True
        while keep:
            request = await self._next_request()
            if request is None:
                if parser.refusal is not None:
                    await self._refuse(parser.refusal)
                break
            if request.websocket:
                await self._upgrade(self._stream, request, parser.rest)
                return
            exchange = _Exchange(self, request, scope_of(request, self._client, self._server))
            keep = await exchange.run(self._app)
        if parser.body_unfinished:
            await self._linger()

    async def _next_request(self) -> Incoming | None:
        """The next request; None when the client closed, was idle or sent nonsense, or the server stops."""
        parser = self._parser
        if not parser.requests and parser.refusal is None and not self._eof:
            with self._host.idle_until(trio.current_time() + self._host.keep_alive):
                while not parser.requests and parser.refusal is None and await self._read():
                    pass
        return parser.requests.popleft() if parser.requests else None

    async def _read(self) -> bool:
        """Read once and parse. False at the end of the client's input."""
        if self._eof:
            return False
        data = await self._stream.receive_some(RECEIVE_SIZE)
        if not data:
            self._eof = True
            return False
        self._parser.feed(bytes(data))
        return True

    async def read_body(self, request: Incoming) -> Mapping[str, Any]:
        """The next piece of a request's body as an ASGI event. Raises Refusal."""
        while not request.pieces and not request.body_complete:
            if request.expects_continue:
                request.expects_continue = False
                await self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if self._parser.refusal is not None:
                raise self._parser.refusal
            if not await self._read():
                return DISCONNECT
        piece = request.pieces.popleft() if request.pieces else b""
        return {
            "type": "http.request",
            "body": piece,
            "more_body": bool(request.pieces) or not request.body_complete,
        }

    async def disconnected(self) -> None:
        """Return when the client has closed its side. Requests that it sends before are kept for later."""
        with suppress(*NETWORK_ERRORS):
            while not self._parser.requests and self._parser.refusal is None:
                if not await self._read():
                    return
            await trio.sleep_forever()

    async def write(self, data: bytes) -> None:
        """Send all the bytes. Raises ClientGone."""
        try:
            for start in range(0, len(data), SEND_PIECE):
                with trio.move_on_after(SEND_TIMEOUT) as scope:
                    await self._stream.send_all(data if len(data) <= SEND_PIECE else data[start : start + SEND_PIECE])
                if scope.cancelled_caught:
                    raise ClientGone
        except NETWORK_ERRORS:
            raise ClientGone from None

    @property
    def host(self) -> Host:
        """The server."""
        return self._host

    async def _refuse(self, refusal: Refusal) -> None:
        body = plain_problem(refusal.status, refusal.detail)
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *refusal.headers,
        ]
        with suppress(ClientGone):
            await self.write(head_of(refusal.status, headers) + body)

    async def _linger(self) -> None:
        """Give the client time to read our answer before the socket is closed."""
        with trio.move_on_after(LINGER_TIMEOUT), suppress(*NETWORK_ERRORS):
            await self._stream.send_eof()
            left = LINGER_BYTES
            while left > 0 and (data := await self._stream.receive_some(RECEIVE_SIZE)):
                left -= len(data)


class _Exchange:
    """One request and its answer."""

    __slots__ = ("_begun", "_chunked", "_connection", "_done", "_headers", "_request", "_scope", "_started", "_status")

    def __init__(self, connection: Connection, request: Incoming, scope: Scope) -> None:
        self._connection = connection
        self._request = request
        self._scope = scope
        self._started = trio.current_time()
        self._status = 0
        self._headers: Sequence[tuple[bytes, bytes]] = ()
        self._begun = False  # the head has been sent
        self._chunked = False
        self._done = False

    async def run(self, app: Application) -> bool:
        """True when the connection can serve another request. Raises no `Exception`; a cancellation passes through."""
        try:
            await app(self._scope, self.receive, self.send)
        except ClientGone:
            pass
        except Exception:
            log.exception("an error in the application")
            await self._fail()
        except BaseExceptionGroup as group:
            if group.split(trio.Cancelled)[0] is not None:
                raise  # the server stops
            log.exception("an error in the application")
            await self._fail()
        finally:
            status = self._status if self._begun else GONE
            self._connection.host.answered(self._scope, status, trio.current_time() - self._started)
        return self._done and self._may_go_on

    @property
    def _may_go_on(self) -> bool:
        request = self._request
        return request.keep_alive and request.body_complete and not self._connection.host.stopping

    async def _fail(self) -> None:
        if not self._begun:
            body = plain_problem(500, "an unexpected error; see the server's log")
            with suppress(ClientGone):
                await self.send({"type": "http.response.start", "status": 500, "headers": []})
                await self.send({"type": "http.response.body", "body": body})
            self._done = False

    async def receive(self) -> Mapping[str, Any]:
        """ASGI: the next piece of the body; after the last one, waits until the client leaves."""
        request = self._request
        if request.pieces or not request.body_complete:
            return await self._connection.read_body(request)
        if not request.body_seen:
            request.body_seen = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._connection.disconnected()
        return DISCONNECT

    async def send(self, event: Mapping[str, Any]) -> None:
        """ASGI: holds the head until the first piece of the body, so that both go out in one packet."""
        if event["type"] == "http.response.start":
            self._status = event["status"]
            self._headers = event.get("headers", ())
            return
        body: bytes = event.get("body", b"")
        more: bool = event.get("more_body", False)
        if self._done:
            return
        data = body
        if not self._begun:
            data = self._head(len(body), more)
            bodiless = self._request.method == "HEAD" or self._status in (204, 304)
            if bodiless:
                self._chunked = False
            elif self._chunked:
                data += _chunk(body)
            else:
                data += body
            self._begun = True
        elif self._chunked:
            data = _chunk(body)
        if not more:
            if self._chunked:
                data += b"0\r\n\r\n"
            self._done = True
        if data:
            await self._connection.write(data)

    def _head(self, length: int, more: bool) -> bytes:
        headers: HeaderList = [(name, value) for name, value in self._headers if name.lower() != b"connection"]
        sized = any(name.lower() == b"content-length" for name, _ in headers)
        if not sized and self._status >= 200 and self._status not in (204, 304):
            if not more:
                headers.append((b"content-length", b"%d" % length))
            elif self._request.http_version == "1.1":
                headers.append((b"transfer-encoding", b"chunked"))
                self._chunked = True
            else:
                self._request.keep_alive = False
        if not self._may_go_on:
            headers.append((b"connection", b"close"))
            self._request.keep_alive = False
        return head_of(self._status, headers)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_date = (0, b"")


def head_of(status: int, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Status line and headers. Raises ValueError for a header that would break into several."""
    global _date
    now = int(time())
    if _date[0] != now:
        _date = (now, formatdate(now, usegmt=True).encode())
    lines = [_STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n".encode()]
    lines += [b"%b: %b\r\n" % header for header in headers]
    head = b"".join(lines)
    if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
        raise ValueError("a header holds the end of a line")
    return head + b"date: " + _date[1] + b"\r\n\r\n"
