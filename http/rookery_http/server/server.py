"""Runs an ASGI application on trio listeners inside the caller's nursery.

There is no ASGI lifespan: what the application needs lives in the caller's `async with` blocks, outlives the server and
is closed after it. Stopping has two stages. `stop` set: the listeners close at once, idle connections close at once,
requests under way have `drain` seconds to end. Then, or when the caller cancels `serve`: everything is cancelled, and
nothing lasts longer than `AFTER_DRAIN` because of a client that does not read.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Any

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio.worker_context import WorkerContext

from .access_log import AccessLog
from .connection import Address, Connection, addresses

AFTER_DRAIN = 0.5
"""Seconds that a shielded write may last beyond the drain deadline."""
BACKLOG = 512
PING = 20.0
"""Seconds between two pings of a WebSocket."""
MESSAGE_LIMIT = 65536
"""Bytes of one message from a WebSocket's client."""
HEADER_LIMIT = 65536
"""Bytes of request line and headers together."""

log = logging.getLogger("rookery.api.server")


class CannotListen(Exception):
    """The address is taken or not ours; the text says which setting to change."""


async def open_listeners(host: str, port: int) -> list[trio.SocketListener]:
    """Bind. With port 0 there is one listener only, so that there is one address to print.

    Raises:
        CannotListen: with a sentence for people.
    """
    try:
        listeners = await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG)
    except OSError as error:
        reason = {
            errno.EADDRINUSE: "the port is in use; stop the other program or set ROOKERY_PORT",
            errno.EACCES: "not allowed; choose a port from 1024 on in ROOKERY_PORT",
            errno.EADDRNOTAVAIL: "this machine has no such address; correct ROOKERY_HOST",
        }.get(error.errno or 0, str(error))
        raise CannotListen(f"cannot listen on {host} port {port}: {reason}") from None
    if port == 0:
        for surplus in listeners[1:]:
            await surplus.aclose()
        del listeners[1:]
    return listeners


class _Stopper:
    """The `Patience` of all connections of one server."""

    def __init__(self) -> None:
        self._limit = inf
        self._scopes: set[trio.CancelScope] = set()

    def deadline(self, seconds: float) -> float:
        return min(trio.current_time() + seconds, self._limit)

    @contextmanager
    def watch(self, scope: trio.CancelScope) -> Iterator[None]:
        self._scopes.add(scope)
        try:
            yield
        finally:
            self._scopes.discard(scope)

    def limit(self, deadline: float) -> None:
        self._limit = deadline
        for scope in self._scopes:
            scope.deadline = min(scope.deadline, deadline)


def _configuration(keep_alive: float) -> HypercornConfig:
    config = HypercornConfig()
    config.keep_alive_timeout = keep_alive
    config.keep_alive_max_requests = 1_000_000
    config.h11_max_incomplete_size = HEADER_LIMIT
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = log
    config.logger_class = AccessLog
    config.websocket_ping_interval = PING
    config.websocket_max_message_size = MESSAGE_LIMIT
    return config


async def serve(
    app: Any,
    listeners: list[trio.SocketListener],
    *,
    stop: trio.Event,
    drain: float,
    keep_alive: float = 30.0,
    task_status: trio.TaskStatus[tuple[Address, ...]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until `stop` is set and the requests under way are done, at most `drain` seconds later.

    Takes over the listeners and closes them. Reports the real addresses through `task_status`.
    """
    context = WorkerContext(None)
    stopper = _Stopper()
    config = _configuration(keep_alive)
    wrapped = ASGIWrapper(app)

    async def handle(stream: trio.SocketStream) -> None:
        try:
            await Connection(stream, wrapped, config, context, stopper).run()
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client left
        except* Exception:
            log.exception("a connection failed")  # one client's connection never ends the server

    try:
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as acceptors:
                acceptors.start_soon(partial(trio.serve_listeners, handle, listeners, handler_nursery=connections))
                task_status.started(addresses(listeners))
                await stop.wait()
                acceptors.cancel_scope.cancel()
            await context.terminated.set()
            drained = trio.current_time() + drain
            stopper.limit(drained + AFTER_DRAIN)
            connections.cancel_scope.deadline = drained
    finally:
        stopper.limit(trio.current_time())
        for listener in listeners:
            await trio.aclose_forcefully(listener)
