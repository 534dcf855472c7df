"""An `httpx.AsyncClient` without the features that the Bot API does not use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx


class Content(httpx.AsyncByteStream):
    """A request's body. httpx's own bodies are generators, which stay unfinished when the server hangs up."""

    __slots__ = ("_content",)

    def __init__(self, content: bytes | AsyncIterator[bytes]) -> None:
        self._content = content

    def take(self) -> bytes:
        """All of a body that is not in pieces. It is forgotten, since thousands of polls wait for their answers."""
        assert isinstance(self._content, bytes)
        content, self._content = self._content, b""
        return content

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not isinstance(self._content, bytes):
            return await self._content.__anext__()
        if not self._content:
            raise StopAsyncIteration
        return self.take()


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
NO_AUTH = httpx.Auth()
"""Given with each request: httpx would look for another one in its URL."""


def open_client(url: httpx.URL, transport: httpx.AsyncBaseTransport) -> Client:
    """A client of the server at `url`, which takes `/METHOD`. The caller closes it, and with it the transport."""
    return Client(
        base_url=url.copy_with(raw_path=b"/"),
        transport=transport,
        headers={"user-agent": "Rookery", "accept": "application/json", "accept-encoding": "identity"},
        trust_env=False,
    )


class Progress:
    """Follows the progress of a request through a proxy: httpcore calls `trace`."""

    def __init__(self, on_sent: Callable[[], None] | None) -> None:
        self._on_sent = on_sent
        self._to_proxy = False
        self.connected = False  # the request opened a new connection

    async def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """Receive httpcore's progress; see its extension `trace`."""
        if name.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self.connected = True
        elif name == "http11.send_request_headers.started":
            self._to_proxy = info["request"].method == b"CONNECT"
        elif name == "http11.send_request_body.complete" and not self._to_proxy and self._on_sent is not None:
            self._on_sent()
