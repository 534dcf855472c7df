"""Connections to the endpoints of all webhooks: one pool for each server."""

from __future__ import annotations

import ssl
from typing import Any

import httpx
import trio

from ..runtime.http_client import HttpClient
from .addresses import open_public_stream

ANSWER_READ = 65_536
"""Bytes of an answer that are read so that the connection can be used again; nobody looks at them."""

TIDY_INTERVAL = 30.0  # seconds


class EndpointTransport(httpx.AsyncBaseTransport):
    """Not a client: a client logs each URL, and URLs may hold secrets (E4). Redirects are not followed.

    Raises `http_client.ExchangeError`.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self._connect = trio.open_tcp_stream if allow_private else open_public_stream
        self._clients: dict[tuple[str, str, int], HttpClient] = {}
        self._ssl_context: ssl.SSLContext | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange. The caller bounds its time."""
        url = request.url
        body = b"".join([piece async for piece in request.stream])  # type: ignore[union-attr]
        head = b"".join([name + b": " + value + b"\r\n" for name, value in request.headers.raw])
        answer = await self._client(url).exchange(
            b"POST " + url.raw_path + b" HTTP/1.1\r\n" + head + b"\r\n" + body,
            connect_seconds=float("inf"),
            read_seconds=float("inf"),
        )
        return httpx.Response(answer.status, headers=list(answer.headers.items()))

    async def tidy_up(self) -> None:
        """Until cancelled: close what was idle for too long."""
        while True:
            await trio.sleep(TIDY_INTERVAL)
            for key, client in list(self._clients.items()):
                await client.tidy()
                if not client.idle:
                    self._clients.pop(key, None)  # requests that are under way keep it alive

    async def aclose(self) -> None:
        """Close every idle connection."""
        while self._clients:
            await self._clients.popitem()[1].aclose()

    async def __aenter__(self) -> EndpointTransport:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.aclose()

    def _client(self, url: httpx.URL) -> HttpClient:
        key = (url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80))
        client = self._clients.get(key)
        if client is None:
            if url.scheme == "https" and self._ssl_context is None:
                self._ssl_context = httpx.create_ssl_context(trust_env=False)  # 25 ms and a megabyte: only when needed
            context = self._ssl_context if url.scheme == "https" else None
            client = HttpClient(url.host, key[2], context, max_answer=ANSWER_READ, cut=True, connect=self._connect)
            self._clients[key] = client
        return client
