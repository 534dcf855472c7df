"""Request bodies that are read from the client only when a handler asks for the next piece.

Quart reads a body as fast as it arrives. An upload to a slow disk would then be held in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from quart_trio.wrappers import TrioRequest
from werkzeug.datastructures import Headers

from ..output.problems import Problem
from .http1 import Refusal

Receive = Callable[[], Awaitable[Any]]


class RequestBody:
    """The body of a request, in pieces. Raises a Problem (400) when the body ends too early or is malformed."""

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        self._receive: Receive | None = None
        self._complete = False
        self.empty = expected_content_length is None
        """True when the request announced no body."""

    def read_from(self, receive: Receive) -> None:
        """Set the ASGI channel that delivers the pieces."""
        self._receive = receive

    def __aiter__(self) -> RequestBody:
        return self

    async def __anext__(self) -> bytes:
        while not self._complete:
            assert self._receive is not None
            try:
                event = await self._receive()
            except Refusal as refusal:
                self._complete = True
                raise Problem(refusal.status, "malformed-body", "Malformed body", refusal.detail) from None
            if event["type"] == "http.disconnect":
                self._complete = True
                raise Problem(400, "cut-off", "Cut off", "the connection ended before the body was complete")
            self._complete = not event.get("more_body", False)
            if piece := event.get("body"):
                return bytes(piece)
        raise StopAsyncIteration


class DirectRequest(TrioRequest):
    """quart-trio's request with a `RequestBody`."""

    body_class = RequestBody  # type: ignore[assignment]
    body: RequestBody  # type: ignore[assignment]


def request_of(scope: Any, receive: Receive, request_class: type[DirectRequest]) -> DirectRequest:
    """The request of an ASGI scope."""
    headers = Headers()
    # Directly into its list: the parser has already checked every character.
    headers._list = [(name.decode("latin-1").title(), value.decode("latin-1")) for name, value in scope["headers"]]
    request = request_class(
        scope["method"],
        scope["scheme"],
        scope["path"],
        scope["query_string"],
        headers,
        scope["root_path"],
        scope["http_version"],
        scope,
        send_push_promise=partial(_no_push),
    )
    request.remote_addr = scope["client"][0] if scope.get("client") else None
    request.body.read_from(receive)
    return request


async def _no_push(_path: str, _headers: Headers) -> None: ...
