"""A server on loopback that answers with given bytes, and an `HttpClient` of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import trio

from rookery.runtime.http_client import HttpClient

REQUEST = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
Handler = Callable[[trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler, *, max_answer: int = 1_000_000) -> AsyncIterator[tuple[HttpClient, list[int]]]:
    """A server that treats each connection so; the list counts connections."""
    connections: list[int] = []

    async def serve(stream: trio.SocketStream) -> None:
        connections.append(1)
        try:
            async with stream:
                await handler(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        transport = HttpClient("127.0.0.1", port, None, max_answer=max_answer)
        try:
            yield transport, connections
        finally:
            await transport.aclose()
            nursery.cancel_scope.cancel()


def answering(*pieces: bytes, close: bool = True, pause: float = 0) -> Handler:
    """Read a request, answer with these pieces, and so on until the client leaves (or close)."""

    async def handler(stream: trio.SocketStream) -> None:
        while await stream.receive_some():
            for piece in pieces:
                await stream.send_all(piece)
                await trio.sleep(pause)
            if close:
                return

    return handler
