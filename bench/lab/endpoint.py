"""A webhook endpoint that counts, and refuses some deliveries."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httptools
import trio

ANSWERS = {
    True: b"HTTP/1.1 204 No Content\r\n\r\n",
    False: b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
}


class Endpoint:
    """`refuses` is the share of deliveries that are answered with 503."""

    def __init__(self, refuses: float, rng: random.Random) -> None:
        self.url = ""
        self.taken = 0
        self.refused = 0
        self.connections = 0
        self._refuses = refuses
        self._rng = rng

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection."""
        answers: list[bytes] = []

        class Protocol:
            def on_message_complete(_) -> None:
                answers.append(self._answer())

        parser = httptools.HttpRequestParser(Protocol())
        self.connections += 1
        try:
            async for data in stream:
                parser.feed_data(data)
                if answers:
                    await stream.send_all(b"".join(answers))
                    answers.clear()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        finally:
            self.connections -= 1

    def _answer(self) -> bytes:
        takes = self._rng.random() >= self._refuses
        self.taken += takes
        self.refused += not takes
        return ANSWERS[takes]


@asynccontextmanager
async def open_endpoint(refuses: float, rng: random.Random) -> AsyncIterator[Endpoint]:
    """Listening in the block."""
    endpoint = Endpoint(refuses, rng)
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, host="127.0.0.1")
        listeners = await nursery.start(serve, endpoint.serve, 0)
        endpoint.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/hook"
        yield endpoint
        nursery.cancel_scope.cancel()
