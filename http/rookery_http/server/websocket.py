"""A WebSocket: hypercorn's protocol on a trio stream that `connection` hands over with the request that asks for it.

hypercorn's own `TCPServer` has faults with quart-trio applications; three of them matter here:

A. A task that quart-trio may cancel delivers the events other than bytes for the client. Cure: deliver them inside a
   shield, bounded by `DELIVER_TIMEOUT`.
B. hypercorn shields `send_all` without a deadline: a reader that stalls keeps the process alive for ever. Cure: each
   piece of `SEND_PIECE` bytes has a limit of `SEND_TIMEOUT` seconds (less while stopping); then the socket is
   destroyed. When we close first, a reset may cost the client our close frame with its reason. Cure: close only our
   side, then read and discard further input for `FAREWELL_TIMEOUT` seconds.
C. The task that pings a WebSocket sleeps on after the connection has closed, for up to its interval, and a shutdown
   waits for it. Cure: a sleep that ends with the connection.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.events import Closed, Event, RawData
from hypercorn.logging import Logger
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.events import Response
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import parse_socket_addr

from . import access_log
from .connection import LINGER_BYTES, NETWORK_ERRORS, RECEIVE_SIZE, SEND_PIECE, SEND_TIMEOUT
from .exchange import GONE
from .http1 import Incoming, websocket_handshake

DELIVER_TIMEOUT = 5.0
"""Seconds for the protocol to handle an event. In practice it handles events at once."""
FAREWELL_TIMEOUT = 1.0
"""Seconds for the client of a WebSocket to answer our close frame."""
PING = 20.0
"""Seconds between two pings of a WebSocket."""
MESSAGE_LIMIT = 65536
"""Bytes of one message from a WebSocket's client."""

log = logging.getLogger("rookery.api.server")


class AccessLog(Logger):
    """hypercorn's logger with our access lines."""

    async def access(self, request: Any, response: Any, request_time: float) -> None:
        """Called after each answer; `response` is None when the client left before the answer."""
        access_log.write(request, int(response["status"]) if response is not None else GONE, request_time)


class Patience(Protocol):
    """Time limits of a connection; they shrink when the server stops."""

    def deadline(self, seconds: float) -> float:
        """The trio time at which a step that normally gets `seconds` must end."""

    def watch(self, scope: trio.CancelScope) -> Any:
        """A context manager: while it is open, stopping the server brings the scope's deadline forward."""


class _Protocol(H11Protocol):
    """hypercorn's HTTP/1.1 protocol for one request; a refusal ends the connection."""

    async def stream_send(self, event: StreamEvent) -> None:
        if isinstance(event, Response) and event.status_code >= 200:
            event = replace(event, headers=[*event.headers, (b"connection", b"close")])
        await super().stream_send(event)


class _Context(WorkerContext):
    """The state that hypercorn's streams share, with a sleep that ends with the connection (cure C)."""

    def __init__(self, shared: WorkerContext) -> None:
        super().__init__(None)
        self.terminate = shared.terminate
        self.terminated = shared.terminated
        self.closed = trio.Event()

    async def sleep(self, wait: float) -> None:  # type: ignore[override]
        with trio.move_on_after(wait):
            await self.closed.wait()


class WebSocketConnection:
    """Serves one client until either side hangs up. The stream's owner closes it."""

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
        self._send_lock = trio.Lock()
        self._reading = trio.CancelScope()  # cancelled when the protocol gives up on this client
        self._protocol: _Protocol

    async def run(self, request: Incoming, rest: bytes) -> None:
        """Serve the WebSocket that `request` asks for; `rest` are the bytes after it. Network errors just end it."""
        socket = self._stream.socket
        client = parse_socket_addr(socket.family, socket.getpeername())
        server = parse_socket_addr(socket.family, socket.getsockname())
        async with TaskGroup() as group:
            self._protocol = _Protocol(
                self._app,
                self._config,
                self._context,  # type: ignore[arg-type]  # its sleep is not a static method
                group,
                ConnectionState({}),
                False,
                client,
                server,
                self._send,
            )
            with self._reading, suppress(*NETWORK_ERRORS):
                await self._protocol.handle(RawData(websocket_handshake(request) + rest))
                while data := await self._stream.receive_some(RECEIVE_SIZE):
                    await self._protocol.handle(RawData(bytes(data)))
            await self._say_farewell()
            await self._protocol.handle(Closed())
            self._context.closed.set()

    async def _send(self, event: Event) -> None:
        """The protocol calls this with bytes for the client and with events of the connection."""
        if isinstance(event, RawData):
            async with self._send_lock:
                await self._send_bytes(event.data)
            return
        with trio.CancelScope(shield=True, deadline=self._patience.deadline(DELIVER_TIMEOUT)):
            if isinstance(event, Closed):
                self._reading.cancel()
                await self._protocol.handle(Closed())

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

    async def _say_farewell(self) -> None:
        """Give the client time to read our last frame: a close with unread input would send a reset."""
        scope = trio.CancelScope(deadline=self._patience.deadline(FAREWELL_TIMEOUT))
        with self._patience.watch(scope), scope, suppress(*NETWORK_ERRORS):
            async with self._send_lock:
                await self._stream.send_eof()
            left = LINGER_BYTES
            while left > 0 and (data := await self._stream.receive_some(RECEIVE_SIZE)):
                left -= len(data)


class WebSockets:
    """All WebSockets of one server, and the state that hypercorn shares between them."""

    def __init__(self, app: Any, patience: Patience) -> None:
        self._app = ASGIWrapper(app)
        self._patience = patience
        self._context = WorkerContext(None)
        self._config = _configuration()

    async def serve(self, stream: trio.SocketStream, request: Incoming, rest: bytes) -> None:
        """Serve one WebSocket, from its handshake to its end."""
        await WebSocketConnection(stream, self._app, self._config, self._context, self._patience).run(request, rest)

    async def stop(self) -> None:
        """End their pings; the tasks that serve them watch the server's stop themselves."""
        await self._context.terminated.set()


def _configuration() -> HypercornConfig:
    config = HypercornConfig()
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = log
    config.logger_class = AccessLog
    config.websocket_ping_interval = PING
    config.websocket_max_message_size = MESSAGE_LIMIT
    return config
