"""One request on a connection and its answer: the ASGI side of the server.

The application's `receive` and `send` are methods of the exchange. It decides how the answer is framed, and whether the
connection can serve another request afterwards.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import trio

from ..output.problems import plain_problem
from .http1 import HeaderList, Incoming
from .response_head import chunk, head_of

DISCONNECT: dict[str, Any] = {"type": "http.disconnect"}
GONE = 499
"""The logged status of a request whose client left before the answer."""

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


class Wire(Protocol):
    """The part of the connection that an exchange uses."""

    @property
    def host(self) -> Host: ...

    async def read_body(self, request: Incoming) -> Mapping[str, Any]:
        """The next piece of a request's body as an ASGI event. Raises Refusal."""

    async def disconnected(self) -> None:
        """Return when the client has closed its side."""

    async def write(self, data: bytes) -> None:
        """Send all the bytes. Raises ClientGone."""


class Exchange:
    """One request and its answer."""

    __slots__ = ("_begun", "_chunked", "_connection", "_done", "_headers", "_request", "_scope", "_started", "_status")

    def __init__(self, connection: Wire, request: Incoming, scope: Scope) -> None:
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
                data += chunk(body)
            else:
                data += body
            self._begun = True
        elif self._chunked:
            data = chunk(body)
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
