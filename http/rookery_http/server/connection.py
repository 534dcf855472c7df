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

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import trio

from ..output.problems import plain_problem
from .exchange import DISCONNECT, Application, ClientGone, Exchange, Host
from .http1 import Incoming, Refusal, RequestParser, scope_of
from .response_head import head_of

RECEIVE_SIZE = 65536
SEND_PIECE = 65536
SEND_TIMEOUT = 30.0
"""Seconds for a client to take one piece of an answer."""
LINGER_TIMEOUT = 2.0
LINGER_BYTES = 64 * 1024 * 1024
NETWORK_ERRORS = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


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
            exchange = Exchange(self, request, scope_of(request, self._client, self._server))
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
