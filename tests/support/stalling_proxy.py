"""TCP proxies that a test can stall in either direction, so that connections stay open and nothing gets through, or shut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from urllib.parse import urlsplit

import trio


class StallingProxy:
    """`requests` and `answers` say whether bytes pass to the server and back. Bytes that wait pass when it goes on."""

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.requests = True
        self.answers = True
        self._target = (host, port)
        self._moved = trio.Event()
        self._generation = 0
        self.asked = trio.Event()
        """Set when something came for the server while it may not pass."""

    def set(self, *, requests: bool = True, answers: bool = True) -> None:
        """Stall (False) or let pass (True)."""
        self.requests, self.answers = requests, answers
        self._moved.set()
        self._moved = trio.Event()

    def lose(self) -> None:
        """From now on nothing passes on the connections that are open; they stay open. New ones work as `set` says."""
        self._generation += 1

    async def handle(self, client: trio.SocketStream) -> None:
        """One connection."""
        with suppress(OSError, trio.BrokenResourceError):
            server = await trio.open_tcp_stream(*self._target)
            async with server, trio.open_nursery() as nursery:
                nursery.start_soon(self._pump, client, server, "requests", nursery.cancel_scope)
                nursery.start_soon(self._pump, server, client, "answers", nursery.cancel_scope)

    async def _pump(
        self, source: trio.SocketStream, sink: trio.SocketStream, way: str, scope: trio.CancelScope
    ) -> None:
        generation = self._generation
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                if generation != self._generation:
                    await trio.sleep_forever()
                while not getattr(self, way):
                    self.asked.set()
                    await self._moved.wait()
                if generation != self._generation:
                    await trio.sleep_forever()
                await sink.send_all(data)
        scope.cancel()


@asynccontextmanager
async def open_stalling_proxy(host: str, port: int) -> AsyncIterator[StallingProxy]:
    """A proxy to this address on a free port of the loopback."""
    proxy = StallingProxy(host, port)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, proxy.handle, 0, host="127.0.0.1"))
        proxy.port = listeners[0].socket.getsockname()[1]
        yield proxy
        nursery.cancel_scope.cancel()


class Way:
    """The way to a database, through a port of its own. While it is shut, connections end at once, and new ones too."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._open: set[trio.CancelScope] = set()
        self._shut = False
        self.url = ""

    async def serve(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Serve until cancelled; `url` is set once this has started."""
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        user, _, _ = self._target.netloc.rpartition("@")
        own = f"{user}@127.0.0.1:{listener.socket.getsockname()[1]}"
        self.url = self._target._replace(netloc=own).geturl()
        task_status.started()
        await trio.serve_listeners(self._connection, [listener])

    def shut(self, shut: bool) -> None:
        """Shut or open it."""
        self._shut = shut
        for scope in self._open if shut else ():
            scope.cancel()

    async def _connection(self, client: trio.SocketStream) -> None:
        if self._shut:
            return
        server = await trio.open_tcp_stream(self._target.hostname or "", self._target.port or 5432)
        async with server, trio.open_nursery() as nursery:
            scope = nursery.cancel_scope
            self._open.add(scope)
            nursery.start_soon(self._pump, client, server, scope)
            await self._pump(server, client, scope)
        self._open.discard(scope)

    async def _pump(self, source: trio.SocketStream, sink: trio.SocketStream, scope: trio.CancelScope) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                await sink.send_all(data)
        scope.cancel()
