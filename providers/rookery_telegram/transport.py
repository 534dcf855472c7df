"""HTTP/1.1 to one Bot API server: `rookery.runtime.http_client` as an httpx transport, with httpx's own errors."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterable, Callable
from typing import Any

import httpx

from rookery.runtime import http_client
from rookery.runtime.http_client import Answer, HttpClient

MAX_ANSWER = 32 * 1024 * 1024
"""Bytes of one answer; getUpdates sends at most 4 MiB."""

BODY_SECONDS = 60.0
"""How much longer than its first byte a whole answer may take: one byte now and then keeps no call alive for ever."""

_ERRORS: dict[type[http_client.ExchangeError], type[httpx.TransportError]] = {
    http_client.ConnectTooSlow: httpx.ConnectTimeout,
    http_client.CannotConnect: httpx.ConnectError,
    http_client.SendTooSlow: httpx.WriteTimeout,
    http_client.SendFailed: httpx.WriteError,
    http_client.AnswerTooSlow: httpx.ReadTimeout,
    http_client.NotHttp: httpx.RemoteProtocolError,
    http_client.AnswerFailed: httpx.ReadError,
}


class BotTransport(HttpClient, httpx.AsyncBaseTransport):
    """Connections to one server (scheme, host, port), as many as requests are under way. Closed by its owner.

    Raises httpx's exceptions: ConnectError and ConnectTimeout before any byte left, ReadError, ReadTimeout, WriteError,
    RemoteProtocolError after.
    """

    def __init__(self, base_url: httpx.URL, ssl_context: ssl.SSLContext | None) -> None:
        is_https = base_url.scheme == "https"
        port = base_url.port or (443 if is_https else 80)
        super().__init__(base_url.host, port, ssl_context if is_https else None, max_answer=MAX_ANSWER)
        self.authority = base_url.netloc

    async def exchange(
        self,
        request: bytes,
        *,
        body: AsyncIterable[bytes] | None = None,
        connect_seconds: float,
        read_seconds: float,
        body_seconds: float | None = None,
        fresh: bool = False,
        on_sent: Callable[[], None] | None = None,
    ) -> Answer:
        """As `HttpClient.exchange`; the whole answer may take `BODY_SECONDS` more unless told otherwise."""
        try:
            return await super().exchange(
                request,
                body=body,
                connect_seconds=connect_seconds,
                read_seconds=read_seconds,
                body_seconds=BODY_SECONDS if body_seconds is None else body_seconds,
                fresh=fresh,
                on_sent=on_sent,
            )
        except http_client.ExchangeError as error:
            raise _ERRORS[type(error)](str(error)) from None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """For what httpx prepares: uploads as multipart."""
        body = await request.aread()
        timeout: dict[str, Any] = request.extensions.get("timeout", {})
        head = [f"{request.method} {request.url.raw_path.decode()} HTTP/1.1".encode()]
        head += [name + b": " + value for name, value in request.headers.raw if name.lower() != b"transfer-encoding"]
        if b"content-length" not in {name.lower() for name, _ in request.headers.raw}:
            head.append(b"content-length: %d" % len(body))
        answer = await self.exchange(
            b"\r\n".join(head) + b"\r\n\r\n" + body,
            connect_seconds=timeout.get("connect") or float("inf"),
            read_seconds=timeout.get("read") or float("inf"),
        )
        headers = [(name, value) for name, value in answer.headers.items() if name != b"content-encoding"]
        return httpx.Response(answer.status, headers=headers, content=answer.body, request=request)
