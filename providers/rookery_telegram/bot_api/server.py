"""What all bots of one Bot API server share: the httpx client of their calls, and requests that are built once."""

from __future__ import annotations

import ssl

import httpx

from .client import Client, open_client
from .transport import DirectTransport

MAX_PREPARED = 64
"""Requests that are kept to be sent again with another body."""


class BotServer:
    """One Bot API server. The provider owns it, and closes it after the last of its bots.

    Args:
        base_url: of the server; the token follows its path.
        ssl_context: for https; a proxy may need it, too.
    """

    def __init__(self, base_url: str, ssl_context: ssl.SSLContext | None) -> None:
        self.url = httpx.URL(base_url)
        self.ssl_context = ssl_context
        self.is_https = self.url.scheme == "https"
        self.port = self.url.port or (443 if self.is_https else 80)
        self.path = self.url.raw_path.rstrip(b"/")
        self.client: Client = open_client(self.url, DirectTransport())
        self.head = (
            b" HTTP/1.1\r\nHost: " + self.url.netloc + b"\r\nAccept: application/json\r\nUser-Agent: Rookery\r\n"
            b"Content-Type: %b\r\nContent-Length: "
        )
        """The head of a request that does not go through httpx, from its method to its length; lacks the type."""
        self._prepared: dict[tuple[str, str, int], httpx.Request] = {}  # never changed: see `_Copy`

    def __repr__(self) -> str:
        return f"<BotServer {self.url.netloc.decode()}>"

    def request(self, method: str, content_type: str, size: int, *, keep: bool) -> httpx.Request:
        """A new request that has no body yet. Building it takes longer than sending it, so the last ones are kept if
        `keep`: they do not hold a token, so they serve all bots."""
        key = method, content_type, size
        request = self._prepared.get(key)
        if request is None:
            headers = {"content-type": content_type, "content-length": str(size)}
            request = self.client.build_request("POST", f"/{method}", headers=headers)
            request.extensions["head"] = b"".join(b"%b: %b\r\n" % field for field in request.headers.raw)
            if keep:
                if len(self._prepared) >= MAX_PREPARED:
                    self._prepared.clear()
                self._prepared[key] = request
        return _Copy(request)

    async def aclose(self) -> None:
        """Close the client. The bots close their connections."""
        await self.client.aclose()


class _Copy(httpx.Request):
    """A request like another one, whose headers are not built anew."""

    def __init__(self, request: httpx.Request) -> None:
        self.method = request.method
        self.url = request.url
        self.headers = request.headers
        self.extensions = request.extensions
