"""The `httpx.AsyncClient` of one bot, without the features that the Bot API does not use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx


class Content(httpx.AsyncByteStream):
    """A request's body. httpx's own bodies are generators, which stay unfinished when the server hangs up."""

    def __init__(self, content: bytes | AsyncIterator[bytes]) -> None:
        self._left = [content] if isinstance(content, bytes) else []
        self._pieces = None if isinstance(content, bytes) else content

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._pieces is not None:
            return await self._pieces.__anext__()
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


class _NoCookies(httpx.Cookies):
    """The Bot API sets no cookies, and looking for some takes a third of a call's time in httpx."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Ignore the cookies of a response."""


class Client(httpx.AsyncClient):
    """An `httpx.AsyncClient` that keeps no cookies."""

    @property
    def cookies(self) -> httpx.Cookies:
        """Always empty."""
        return _NO_COOKIES

    @cookies.setter
    def cookies(self, cookies: object) -> None:
        raise AttributeError("a client of the Bot API keeps no cookies")


_NO_COOKIES = _NoCookies()


class Progress:
    """Follows the progress of a request: a `DirectTransport` calls `sent`, httpcore `trace`."""

    def __init__(self, on_sent: Callable[[], None] | None, *, repeatable: bool = False) -> None:
        self._on_sent = on_sent
        self.repeatable = repeatable
        self._to_proxy = False
        self.connected = False  # the request opened a new connection

    def sent(self) -> None:
        """Note that the request was sent."""
        if self._on_sent is not None:
            self._on_sent()

    async def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """Receive httpcore's progress; see its extension `trace`."""
        if name.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self.connected = True
        elif name == "http11.send_request_headers.started":
            self._to_proxy = info["request"].method == b"CONNECT"
        elif name == "http11.send_request_body.complete" and not self._to_proxy:
            self.sent()
