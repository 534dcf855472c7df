"""One HTTP/1.1 connection: hypercorn's protocol on a trio stream, with four cures for what was measured there.

hypercorn's own `TCPServer` has faults that a server of quart-trio applications meets:

A. After a response quart-trio cancels the request's nursery while hypercorn is still restarting the idle timer in that
   very task. Then the keep-alive timeout is never enforced, an idle client makes a shutdown take its whole deadline, and
   after a 413 to an unfinished body the next request on the connection hangs. Cure: whatever is not response bytes is
   delivered inside a shield, bounded by `DELIVER_TIMEOUT`.
B. hypercorn shields `send_all` without a deadline: a reader that stalls keeps the process alive for ever. Cure: each
   piece of `SEND_PIECE` bytes has `SEND_TIMEOUT` seconds to leave (less while stopping); then the socket is destroyed.
C. An answer that comes before the request's body has ended (413) is followed by a reset, and the client may lose the
   answer or send its next request into the closing connection. Cure: such an answer says `Connection: close`; then only
   our side is closed, and what still comes is read and discarded, bounded in time and bytes (`LINGER_*`). A WebSocket
   that we close is left in the same way, or its client may lose our close frame with the reason.
D. The task that pings a WebSocket sleeps on when the connection is gone, up to its interval, and a shutdown with it.
   Cure: a sleep that ends with the connection.

Only HTTP/1.1 is spoken: an offer to upgrade to HTTP/2 is ignored, as the standard allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

import h11
import msgspec
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.events import Response
from hypercorn.protocol.h11 import H11Protocol, H11WSConnection
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.worker_context import TrioSingleTask, WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import parse_socket_addr

from ..output.problems import plain_problem

RECEIVE_SIZE = 65536
SEND_PIECE = 65536
SEND_TIMEOUT = 30.0
"""Seconds for a client to take one piece of an answer."""
DELIVER_TIMEOUT = 5.0
"""Seconds for the protocol to take notice of an event. In practice it takes none."""
LINGER_TIMEOUT = 2.0
FAREWELL_TIMEOUT = 1.0
"""Seconds for the client of a WebSocket to answer our close frame."""
LINGER_BYTES = 64 * 1024 * 1024

NETWORK_ERRORS = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


class Patience(Protocol):
    """How long a connection may take for something; shrinks when the server stops."""

    def deadline(self, seconds: float) -> float:
        """The trio time until which a step may last that normally gets `seconds`."""

    def watch(self, scope: trio.CancelScope) -> Any:
        """A context manager: while it is open, stopping the server brings the scope's deadline forward."""


class Http1(H11Protocol):
    """hypercorn's HTTP/1.1 protocol, answering malformed HTTP with a problem document."""

    async def _check_protocol(self, event: h11.Request) -> None:
        """Ignore offers of HTTP/2."""

    async def _create_stream(self, request: h11.Request) -> None:
        """What h11 lets pass and nobody should go on with ends here."""
        given = {name.lower(): value for name, value in request.headers}
        if request.http_version not in (b"1.0", b"1.1"):
            await self._refuse(400, "only HTTP/1.1 is spoken here")
        elif b"content-length" in given and b"transfer-encoding" in given:
            # Two lengths of one body are how requests are smuggled past a proxy (RFC 9112, 6.3).
            await self._refuse(400, "a request has either Content-Length or Transfer-Encoding")
        elif _asks_for_websocket(request.method, given) and given.get(b"sec-websocket-version") != b"13":
            await self._refuse(426, "version 13 of WebSocket is spoken here", [(b"sec-websocket-version", b"13")])
        elif _asks_for_websocket(request.method, given) and not given.get(b"sec-websocket-key"):
            await self._refuse(400, "a WebSocket is asked for with the header Sec-WebSocket-Key")
        else:
            await super()._create_stream(request)

    async def _refuse(self, status_code: int, detail: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        await self._send_error_response(status_code, detail, headers)
        await self.send(Closed())

    async def _send_error_response(
        self,
        status_code: int,
        detail: str = "this is not a well-formed HTTP/1.1 request",
        more: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        if status_code >= 500:  # 501 for an unknown transfer encoding would look like our fault
            status_code = 400
        body = plain_problem(status_code, detail)
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *more,
            *self.config.response_headers("h11"),
        ]
        await self._send_h11_event(h11.Response(status_code=status_code, headers=headers))
        await self._send_h11_event(h11.Data(data=body))
        await self._send_h11_event(h11.EndOfMessage())

    async def stream_send(self, event: StreamEvent) -> None:
        """Tell a client whose body we do not want to the end that the connection ends with this answer (cure C)."""
        if isinstance(event, Response) and event.status_code >= 200 and self.body_unfinished:
            event = replace(event, headers=[*event.headers, (b"connection", b"close")])
        await super().stream_send(event)

    @property
    def body_unfinished(self) -> bool:
        """True when the client may still be writing a request that nobody reads."""
        return self.connection.their_state in (h11.SEND_BODY, h11.ERROR)


def _asks_for_websocket(method: bytes, headers: Mapping[bytes, bytes]) -> bool:
    tokens = [token.strip() for token in headers.get(b"connection", b"").lower().split(b",")]
    return method == b"GET" and b"upgrade" in tokens and headers.get(b"upgrade", b"").strip().lower() == b"websocket"


class _Context(WorkerContext):
    """What hypercorn's streams share, with a sleep that ends with the connection (cure D)."""

    def __init__(self, shared: WorkerContext) -> None:
        super().__init__(None)
        self.terminate = shared.terminate
        self.terminated = shared.terminated
        self.closed = trio.Event()

    async def sleep(self, wait: float) -> None:  # type: ignore[override]
        with trio.move_on_after(wait):
            await self.closed.wait()


class Connection:
    """Serves one client until either side hangs up."""

    def __init__(
        self,
        stream: trio.SocketStream,
        app: ASGIWrapper,
        config: HypercornConfig,
        context: WorkerContext,
        patience: Patience,
    ) -> None:
        self._stream = stream
        self._app = app
        self._config = config
        self._context = _Context(context)
        self._patience = patience
        self._idle = TrioSingleTask()
        self._left = False  # nothing more is read from this client
        self._send_lock = trio.Lock()
        self._reading = trio.CancelScope()  # cancelled when the protocol has had enough of this client
        self._group: TaskGroup
        self._protocol: Http1

    async def run(self) -> None:
        """Returns when the connection is closed; errors of the network end it silently."""
        try:
            client, server = self._addresses()
        except OSError:  # gone before we looked
            await trio.aclose_forcefully(self._stream)
            return
        try:
            async with TaskGroup() as self._group:
                self._protocol = Http1(
                    self._app,
                    self._config,
                    self._context,  # type: ignore[arg-type]  # its sleep is no static method
                    self._group,
                    ConnectionState({}),
                    False,
                    client,
                    server,
                    self._send,
                )
                await self._idle.restart(self._group, self._close_when_idle)
                await self._serve()
        finally:
            await trio.aclose_forcefully(self._stream)

    async def _serve(self) -> None:
        with self._reading, suppress(*NETWORK_ERRORS):
            while data := await self._stream.receive_some(RECEIVE_SIZE):
                await self._protocol.handle(RawData(bytes(data)))
        if self._protocol.body_unfinished:
            await self._linger(LINGER_TIMEOUT)
        elif isinstance(self._protocol.connection, H11WSConnection):
            await self._linger(FAREWELL_TIMEOUT)
        self._left = True
        await self._idle.stop()
        await self._protocol.handle(Closed())
        self._context.closed.set()

    async def _send(self, event: Event) -> None:
        """What the protocol calls with bytes for the client and with news about the connection."""
        if isinstance(event, RawData):
            async with self._send_lock:
                await self._send_bytes(event.data)
            return
        with trio.CancelScope(shield=True, deadline=self._patience.deadline(DELIVER_TIMEOUT)):
            if isinstance(event, Closed):
                self._reading.cancel()
                await self._protocol.handle(Closed())
            elif isinstance(event, Updated):
                if event.idle and not self._left:  # an answer may end after its client has gone
                    await self._idle.restart(self._group, self._close_when_idle)
                else:
                    await self._idle.stop()

    async def _send_bytes(self, data: bytes) -> None:
        for start in range(0, len(data), SEND_PIECE):
            scope = trio.CancelScope(shield=True, deadline=self._patience.deadline(SEND_TIMEOUT))
            try:
                with self._patience.watch(scope), scope:
                    await self._stream.send_all(data[start : start + SEND_PIECE])
                broken = scope.cancelled_caught
            except NETWORK_ERRORS:
                broken = True
            if broken:
                await trio.aclose_forcefully(self._stream)
                self._reading.cancel()
                with trio.CancelScope(shield=True, deadline=self._patience.deadline(DELIVER_TIMEOUT)):
                    await self._protocol.handle(Closed())
                return

    async def _close_when_idle(self) -> None:
        with trio.move_on_after(self._config.keep_alive_timeout):
            await self._context.terminated.wait()
        self._reading.cancel()

    async def _linger(self, seconds: float) -> None:
        """Let the client read our answer before the socket goes: a close with unread input would be a reset."""
        scope = trio.CancelScope(deadline=self._patience.deadline(seconds))
        with self._patience.watch(scope), scope, suppress(*NETWORK_ERRORS):
            await self._stream.send_eof()
            left = LINGER_BYTES
            while left > 0 and (data := await self._stream.receive_some(RECEIVE_SIZE)):
                left -= len(data)

    def _addresses(self) -> tuple[Any, Any]:
        socket = self._stream.socket
        return (
            parse_socket_addr(socket.family, socket.getpeername()),
            parse_socket_addr(socket.family, socket.getsockname()),
        )


class Address(msgspec.Struct, frozen=True):
    """Where a listener is."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """For people: an address that listens everywhere is shown as loopback."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - shown, not bound
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}"


def addresses(listeners: Sequence[trio.SocketListener]) -> tuple[Address, ...]:
    """The real addresses of listeners, with the port that the system chose for port 0."""
    return tuple(Address(*listener.socket.getsockname()[:2]) for listener in listeners)
