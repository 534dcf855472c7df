"""Deliveries over HTTP: one connection pool for each server."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import httpx
import trio

from ...errors import printable
from ...model.webhook import Delivery, Webhook
from ...runtime.exchange.deadlines import Deadlines
from ...runtime.http_answer import HttpAnswer
from ...runtime.http_client import AnswerTooSlow, ConnectTooSlow, HttpClient, SendTooSlow
from ...runtime.names import open_stream
from ...runtime.trust import tls_context
from ..post import authorization, formed_body, judge
from ..public_addresses import open_public_stream
from ..signature import SIGNING_HEADERS, Signer
from .transport import Attempt

ANSWER_KEPT = 65_536
"""Bytes of an answer that are read, so that the connection can be reused."""

TIDY_INTERVAL = 30.0  # seconds
CLOSE_SECONDS = 1.0


class Server(NamedTuple):
    """Where requests go."""

    is_https: bool
    host: str
    port: int

    @classmethod
    def of(cls, url: httpx.URL) -> Server:
        """The server of an address."""
        is_https = url.scheme == "https"
        return cls(is_https, url.host, url.port or (443 if is_https else 80))


class HttpTransport:
    """Implements `Transport`. Uses connections directly instead of an HTTP client that logs each URL, which may hold
    secrets (E4). Redirects are not followed."""

    def __init__(self, *, installation: str, allow_private: bool, ca_bundle: str | None = None) -> None:
        self.installation = installation
        self._connect = open_stream if allow_private else open_public_stream
        self._clients: dict[Server, HttpClient] = {}
        self.deadlines = Deadlines()
        self._ca_bundle = ca_bundle
        self._ssl_context: ssl.SSLContext | None = None

    @asynccontextmanager
    async def open_route(self, webhook: Webhook, *, seconds: float) -> AsyncIterator[HttpRoute]:
        """See `Transport.open_route`."""
        yield HttpRoute(self, webhook, seconds)

    async def exchange(self, server: Server, request: bytes, *, until: float) -> HttpAnswer:
        """Send one complete POST and return the answer, before this trio time. Raises ExchangeError."""
        return await self._client(server).exchange(
            request,
            connect_seconds=float("inf"),
            read_seconds=float("inf"),
            until=until,
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

    def _client(self, server: Server) -> HttpClient:
        client = self._clients.get(server)
        if client is None:
            if server.is_https and self._ssl_context is None:
                self._ssl_context = tls_context(self._ca_bundle)  # 25 ms and a megabyte: only when needed
            client = HttpClient(
                server.host,
                server.port,
                self._ssl_context if server.is_https else None,
                max_answer=ANSWER_KEPT,
                cut=True,
                connect=self._connect,
                deadlines=self.deadlines,
            )
            self._clients[server] = client
        return client


class HttpRoute:
    """Implements `Route` for one webhook: the parts that its requests share are computed once."""

    def __init__(self, transport: HttpTransport, webhook: Webhook, seconds: float) -> None:
        self._transport = transport
        self._webhook = webhook
        self._seconds = seconds
        self._server: Server | None = None
        self._signer: Signer | None = None
        self._head = b""  # of each request, up to the headers that sign its body

    async def deliver(self, delivery: Delivery, *, now: float) -> Attempt:
        """See `Route.deliver`; the time limit covers everything, including the answer's body."""
        body = formed_body(delivery, self._webhook.format, installation=self._transport.installation)
        if body is None:
            return Attempt(True, posted=False)
        until = trio.current_time() + self._seconds
        try:
            if self._server is None or self._signer is None:
                self._server, self._signer = self._prepare()
            request = b"".join((self._head, self._signer.lines(delivery, body, now), b"\r\n", body))
            answer = await self._transport.exchange(self._server, request, until=until)
        except (ConnectTooSlow, SendTooSlow, AnswerTooSlow):
            return Attempt(False, f"no answer within {self._seconds:g} s")
        except Exception as error:  # any error that a foreign server makes a library raise is one failed delivery
            return Attempt(False, printable(f"{type(error).__name__}: {error}")[:500])
        return judge(answer, now)

    def _prepare(self) -> tuple[Server, Signer]:
        url = httpx.URL(self._webhook.url)
        headers = (
            {"host": url.netloc.decode(), "user-agent": "Rookery"}
            | authorization(url)
            | {name.lower(): value for name, value in self._webhook.headers.items()}
        )
        lines = [f"{name}: {value}\r\n" for name, value in headers.items() if name not in SIGNING_HEADERS]
        self._head = b"POST " + url.raw_path + b" HTTP/1.1\r\n" + "".join(lines).encode("latin-1")
        return Server.of(url), Signer(self._webhook)


@asynccontextmanager
async def open_http_transport(
    *, installation: str, allow_private: bool, ca_bundle: str | None = None
) -> AsyncIterator[HttpTransport]:
    """Opens the transport and closes its connections at the end of the block. `installation`: see `Store`."""
    transport = HttpTransport(installation=installation, allow_private=allow_private, ca_bundle=ca_bundle)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.tidy_up)
        nursery.start_soon(transport.deadlines.watch)
        try:
            yield transport
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
                await transport.aclose()
