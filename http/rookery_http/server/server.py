"""Runs an ASGI application on trio listeners inside the caller's nursery.

There is no ASGI lifespan: the application's resources live in the caller's `async with` blocks, which the caller closes
after the server. Stopping has two stages. When `stop` is set, the listeners and idle connections close at once, and
requests under way have `drain` seconds to end. Then, or when the caller cancels `serve`, everything is cancelled, and a
client that does not read delays the end by at most `AFTER_DRAIN` seconds.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

import trio

from .accepting import Reserve, accept_clients
from .address import Address, addresses
from .connection import Connection
from .exchange import Application, Scope
from .http1 import Incoming

AFTER_DRAIN = 0.5
"""Seconds that a shielded write may last beyond the drain deadline."""
BACKLOG = 512

log = logging.getLogger("rookery.api.server")

Answered = Callable[[Scope, int, float], None]
"""Called for each request with its ASGI scope, the status of its answer and the seconds that it took."""


class CannotListen(Exception):
    """The address is taken or not ours; the text says which setting to change."""


async def open_listeners(host: str, port: int) -> list[trio.SocketListener]:
    """Bind. With port 0, opens one listener only, so that there is one address to print.

    Raises:
        CannotListen: with a sentence for people.
    """
    try:
        listeners = await trio.open_tcp_listeners(port, host=host.strip("[]"), backlog=BACKLOG)
    except OSError as error:
        reason = {
            errno.EADDRINUSE: "the port is in use; stop the other program or set ROOKERY_PORT",
            errno.EACCES: "not allowed; choose a port from 1024 on in ROOKERY_PORT",
            errno.EADDRNOTAVAIL: "this machine has no such address; correct ROOKERY_HOST",
            socket.EAI_NONAME: "no address has this name; correct ROOKERY_HOST",
        }.get(error.errno or 0, str(error))
        raise CannotListen(f"cannot listen on {host} port {port}: {reason}") from None
    if port == 0:
        for surplus in listeners[1:]:
            await surplus.aclose()
        del listeners[1:]
    return listeners


class _Server:
    """The state that all connections of one server share: `connection.Host` and `websocket.Patience`."""

    def __init__(self, app: Application, keep_alive: float, answered: Answered) -> None:
        self.keep_alive = keep_alive
        self.answered = answered
        self._app = app
        self._stopping = False
        self.reserve = Reserve()
        self._idle: set[trio.CancelScope] = set()
        self._limit = inf
        self._scopes: set[trio.CancelScope] = set()
        self._websockets: Any = None

    @property
    def stopping(self) -> bool:
        """True when connections must end after their answer: the server stops, or descriptors are short."""
        return self._stopping or self.reserve.in_use

    @contextmanager
    def idle_until(self, deadline: float) -> Iterator[trio.CancelScope]:
        with trio.CancelScope(deadline=-inf if self._stopping else deadline) as scope:
            self._idle.add(scope)
            try:
                yield scope
            finally:
                self._idle.discard(scope)

    def deadline(self, seconds: float) -> float:
        return min(trio.current_time() + seconds, self._limit)

    @contextmanager
    def watch(self, scope: trio.CancelScope) -> Iterator[None]:
        self._scopes.add(scope)
        try:
            yield
        finally:
            self._scopes.discard(scope)

    async def stop(self) -> None:
        """Make every connection end instead of waiting for another request."""
        self._stopping = True
        self.close_idle()
        if self._websockets is not None:
            await self._websockets.stop()

    def close_idle(self) -> None:
        """Close the connections that wait for another request."""
        for scope in self._idle:
            scope.cancel()

    def limit(self, deadline: float) -> None:
        """Set the final deadline for everything that is shielded."""
        self._limit = deadline
        for scope in self._scopes:
            scope.deadline = min(scope.deadline, deadline)

    async def handle(self, stream: trio.SocketStream) -> None:
        """Serve one client. An error of its connection never ends the server."""
        try:
            await Connection(stream, self._app, self, self._upgrade).run()
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client left
        except* Exception:
            log.exception("a connection failed")

    async def _upgrade(self, stream: trio.SocketStream, request: Incoming, rest: bytes) -> None:
        if self._websockets is None:
            from .websocket import WebSockets  # imported on first use: it loads hypercorn

            self._websockets = WebSockets(self._app, self)
        await self._websockets.serve(stream, request, rest)


def _no_log(_scope: Scope, _status: int, _seconds: float) -> None: ...


async def serve(
    app: Application,
    listeners: list[trio.SocketListener],
    *,
    stop: trio.Event,
    drain: float,
    keep_alive: float = 30.0,
    answered: Answered = _no_log,
    task_status: trio.TaskStatus[tuple[Address, ...]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until `stop` is set and the requests under way are done, at most `drain` seconds later.

    Takes over the listeners and closes them. Reports the real addresses through `task_status`.
    """
    server = _Server(app, keep_alive, answered)
    try:
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as acceptors:
                for listener in listeners:
                    acceptors.start_soon(
                        accept_clients, listener, server.handle, connections, server.reserve, server.close_idle
                    )
                task_status.started(addresses(listeners))
                await stop.wait()
                acceptors.cancel_scope.cancel()
            await server.stop()
            drained = trio.current_time() + drain
            server.limit(drained + AFTER_DRAIN)
            connections.cancel_scope.deadline = drained
    finally:
        server.limit(trio.current_time())
        server.reserve.close()
        for listener in listeners:
            await trio.aclose_forcefully(listener)
