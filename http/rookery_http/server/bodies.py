"""Request bodies that wait: what a handler has not read yet holds back the client, not memory.

Quart takes everything that comes as fast as it comes. With a slow disk behind an upload that would be the whole file.
"""

from __future__ import annotations

import trio
from hypercorn.typing import ASGIReceiveCallable
from quart_trio.asgi import TrioASGIHTTPConnection
from quart_trio.wrappers import TrioRequest
from quart_trio.wrappers.request import TrioBody

MOST_UNREAD = 1024 * 1024
"""Bytes of one body in memory, about."""


class WaitingBody(TrioBody):
    """A body that tells when there is room for more of it. Its readers iterate over it."""

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        super().__init__(expected_content_length, max_content_length)
        self._read = trio.Event()

    async def __anext__(self) -> bytes:
        data = await super().__anext__()
        self._read.set()
        return data

    async def room(self) -> None:
        """Return when more may come."""
        while len(self._data) > MOST_UNREAD and self._must_raise is None:
            self._read = trio.Event()
            await self._read.wait()


class WaitingRequest(TrioRequest):
    """With a `WaitingBody`."""

    body_class = WaitingBody


class WaitingConnection(TrioASGIHTTPConnection):
    """Reads from the client only when there is room. Then it does not see either whether the client has gone; whoever reads
    the body goes on soon, and whoever does not, answers soon."""

    async def handle_messages(  # type: ignore[override]
        self, nursery: trio.Nursery, request: WaitingRequest, receive: ASGIReceiveCallable
    ) -> None:
        body = request.body
        assert isinstance(body, WaitingBody)
        while True:
            message = await receive()
            if message["type"] == "http.request":
                body.append(message.get("body", b""))
                if not message.get("more_body", False):
                    body.set_complete()
                await body.room()
            elif message["type"] == "http.disconnect":
                break
        nursery.cancel_scope.cancel()
