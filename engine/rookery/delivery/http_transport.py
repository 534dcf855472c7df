"""Deliveries over HTTP: one connection pool for each server."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import trio

from ..errors import printable
from ..model.webhook import Delivery, Webhook
from ..runtime.http_answer import HttpAnswer
from ..runtime.http_client import HttpClient
from ..runtime.names import open_stream
from ..runtime.trust import tls_context
from .addresses import open_public_stream
from .post import authorization, formed_body, judge, request_headers
from .transport import Attempt

ANSWER_KEPT = 65_536
"""Bytes of an answer that are read, so that the connection can be reused."""

TIDY_INTERVAL = 30.0  # seconds
CLOSE_SECONDS = 1.0


class HttpTransport:
    """Implements `Transport`. Uses connections directly instead of an HTTP client that logs each URL, which may hold
    secrets (E4). Redirects are not followed."""

    def __init__(self, *, allow_private: bool, ca_bundle: str | None = None) -> None:
        self._connect = open_stream if allow_private else open_public_stream
        self._clients: dict[tuple[str, str, int], HttpClient] = {}
        self._ca_bundle = ca_bundle
        self._ssl_context: ssl.SSLContext | None = None

    @asynccontextmanager
    async def open_route(self, webhook: Webhook, *, seconds: float) -> AsyncIterator[HttpRoute]:
        """See `Transport.open_route`."""
        yield HttpRoute(self, webhook, seconds)

    async def exchange(self, url: httpx.URL, headers: dict[str, str], body: bytes) -> HttpAnswer:
        """POST once. The caller bounds the time. Raises ExchangeError."""
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return await self._client(url).exchange(
            b"POST " + url.raw_path + b" HTTP/1.1\r\n" + head.encode("latin-1") + b"\r\n" + body,
            connect_seconds=float("inf"),
            read_seconds=float("inf"),
            repeatable=True,  # `webhook-id` lets a receiver recognise a repeated event
        )

    async def tidy_up(self) -> None:
        """Close idle connections until cancelled."""
        while True:
            await trio.sleep(TIDY_INTERVAL)
            for key, client in list(self._clients.items()):
                await client.tidy()
                if not client.idle:
                    self._clients.pop(key, None)  # requests under way keep it alive

    async def aclose(self) -> None:
        """Close every idle connection."""
        while self._clients:
            await self._clients.popitem()[1].aclose()

    def _client(self, url: httpx.URL) -> HttpClient:
        key = (url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80))
        client = self._clients.get(key)
        if client is None:
            if url.scheme == "https" and self._ssl_context is None:
                self._ssl_context = tls_context(self._ca_bundle)  # 25 ms and a megabyte: only when needed
            context = self._ssl_context if url.scheme == "https" else None
            client = HttpClient(url.host, key[2], context, max_answer=ANSWER_KEPT, cut=True, connect=self._connect)
            self._clients[key] = client
        return client


class HttpRoute:
    """Implements `Route` for one webhook: the parts that its requests share are computed once."""

    def __init__(self, transport: HttpTransport, webhook: Webhook, seconds: float) -> None:
        self._transport = transport
        self._webhook = webhook
        self._seconds = seconds
        self._url: httpx.URL | None = None
        self._headers: dict[str, str] = {}

    async def deliver(self, delivery: Delivery, *, now: float) -> Attempt:
        """See `Route.deliver`; the time limit covers everything, including the answer's body."""
        body = formed_body(delivery, self._webhook.format)
        if body is None:
            return Attempt(True, posted=False)
        with trio.move_on_after(self._seconds) as scope:
            try:
                url = self._url or self._prepare()
                headers = self._headers | request_headers(self._webhook, delivery, body, now)
                answer = await self._transport.exchange(url, headers, body)
            except Exception as error:  # any error that a foreign server makes a library raise is one failed delivery
                return Attempt(False, printable(f"{type(error).__name__}: {error}")[:500])
        if scope.cancelled_caught:
            return Attempt(False, f"no answer within {self._seconds:g} s")
        return judge(answer, now)

    def _prepare(self) -> httpx.URL:
        url = httpx.URL(self._webhook.url)
        self._headers = (
            {"host": url.netloc.decode(), "user-agent": "Rookery"}
            | authorization(url)
            | {name.lower(): value for name, value in self._webhook.headers.items()}
        )
        self._url = url.copy_with(username=None, password=None)
        return self._url


@asynccontextmanager
async def open_http_transport(*, allow_private: bool, ca_bundle: str | None = None) -> AsyncIterator[HttpTransport]:
    """Opens the transport and closes its connections at the end of the block."""
    transport = HttpTransport(allow_private=allow_private, ca_bundle=ca_bundle)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.tidy_up)
        try:
            yield transport
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
                await transport.aclose()
