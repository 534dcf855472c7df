"""The transports of one bot's `httpx.AsyncClient`: httpcore's pool, with Rookery's own name look-ups, and a shorter path
for calls without a proxy.

Requests name only `/getMe` or `/file/photos/1.jpg`. The token joins the path in here, below everything that httpx logs,
keeps in an exception or shows in a `repr`.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx
import socksio
import trio

from rookery.runtime import http_client
from rookery.runtime.http_client import HttpClient
from rookery.runtime.names import names

from .client import Content

MAX_CONNECTIONS = 128
KEPT_CONNECTIONS = 16
KEEPALIVE = 55.0  # seconds an idle connection is kept; common proxies close theirs after 60
CLOSE_SECONDS = 1.0


_opened: ContextVar[list[httpcore.AsyncNetworkStream]] = ContextVar("the connections that a request opened")


class PlainTransport(httpx.AsyncBaseTransport):
    """Connections to any server, perhaps through a proxy. Closed by the client that it belongs to."""

    def __init__(self, ssl_context: ssl.SSLContext | None, proxy: str | None) -> None:
        self._pool = _open_pool(ssl_context, httpx.Proxy(proxy) if proxy is not None else None)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.TransportError."""
        return await self._exchange(request, request.url.raw_path)

    async def _exchange(self, request: httpx.Request, target: bytes) -> httpx.Response:
        url = request.url
        assert isinstance(request.stream, httpx.AsyncByteStream)
        with _httpx_errors():
            response = await self._over_new_or_kept(
                httpcore.Request(
                    request.method,
                    httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=target),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        assert not isinstance(response.stream, Iterable)
        return httpx.Response(
            response.status, headers=response.headers, stream=_Body(response.stream), extensions=response.extensions
        )

    async def _over_new_or_kept(self, request: httpcore.Request) -> httpcore.Response:
        """Close the sockets that were opened for a failed request: httpcore forgets one that a SOCKS proxy refused."""
        opened: list[httpcore.AsyncNetworkStream] = []
        token = _opened.set(opened)
        try:
            return await self._pool.handle_async_request(request)
        except BaseException:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
                for stream in opened:
                    await stream.aclose()
            raise
        finally:
            _opened.reset(token)

    async def aclose(self) -> None:
        """Close every connection. Never waits, so it also works in a cancelled task."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
            await self._pool.aclose()


class BotTransport(PlainTransport):
    """Connections of one bot to one server. Closed by the client that it belongs to.

    Args:
        base_url: of the Bot API server; its path comes before the token.
        token: of the bot.
        ssl_context: for https.
        proxy: the way to the server; then only the proxy's host name is looked up here.
    """

    def __init__(self, base_url: httpx.URL, token: str, ssl_context: ssl.SSLContext | None, proxy: str | None) -> None:
        path = base_url.raw_path.rstrip(b"/")
        self._method_path = path + b"/bot" + token.encode() + b"/"
        self._file_path = path + b"/file/bot" + token.encode() + b"/"
        super().__init__(ssl_context, proxy)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.TransportError."""
        path = request.url.raw_path
        if path.startswith(b"/file/"):
            return await self._exchange(request, self._file_path + path.removeprefix(b"/file/"))
        return await self._exchange(request, self._method_path + path.removeprefix(b"/"))


class Route:
    """How one bot's calls reach the server without a proxy. Not printable: the path holds the token.

    Args:
        path: of its methods, with the slash at the end.
        calls: its connections.
    """

    __slots__ = ("calls", "path")

    def __init__(self, path: bytes, calls: HttpClient) -> None:
        self.path = path
        self.calls = calls


class DirectTransport(httpx.AsyncBaseTransport):
    """Calls of methods without a proxy, over an `HttpClient`, which takes a fifth of httpcore's CPU time. One serves all
    bots of a server: each request names its `Route`.

    A call that says so may reach the server twice: when a kept connection turns out to be closed, it is repeated on a new
    one. A call with a `scope` is a long poll, see `HttpClient.long_poll`.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.TransportError."""
        extensions = request.extensions
        route: Route = extensions["route"]
        seconds = extensions["timeout"]
        if extensions["scope"] is None:
            answering = route.calls.exchange(
                _bytes_of(request, route.path),
                connect_seconds=seconds["connect"],
                read_seconds=seconds["read"],
                body_seconds=extensions["body_seconds"],
                repeatable=extensions["repeatable"],
                on_sent=extensions["on_sent"],
            )
        else:
            answering = route.calls.long_poll(
                _bytes_of(request, route.path),
                extensions["scope"],
                connect_seconds=seconds["connect"],
                read_seconds=seconds["read"],
                body_seconds=extensions["body_seconds"],
                on_sent=extensions["on_sent"],
            )
        del request, extensions, route, seconds  # thousands of polls wait here
        try:
            answer = await answering
        except http_client.ExchangeError as error:
            raise _HTTPX_ERRORS.get(type(error), httpx.ReadError)(str(error)) from None
        # The body is decoded already. A caller that used `stream=True` finds all of it at once in `answer`.
        return httpx.Response(answer.status, stream=_Whole(answer.body), extensions={**_EXTENSIONS, "answer": answer})


def _bytes_of(request: httpx.Request, path: bytes) -> bytes:
    """The whole request; the method's name follows `path`. The request forgets its body."""
    method, name = request.method.encode(), request.url.raw_path.removeprefix(b"/")
    assert isinstance(request.stream, Content)
    return b"%b %b%b HTTP/1.1\r\n%b\r\n%b" % (method, path, name, request.extensions["head"], request.stream.take())


_HTTPX_ERRORS: dict[type[http_client.ExchangeError], type[httpx.TransportError]] = {
    http_client.CannotConnect: httpx.ConnectError,
    http_client.ConnectTooSlow: httpx.ConnectTimeout,
    http_client.SendFailed: httpx.WriteError,
    http_client.SendTooSlow: httpx.WriteTimeout,
    http_client.AnswerTooSlow: httpx.ReadTimeout,
    http_client.NotHttp: httpx.RemoteProtocolError,
}


_EXTENSIONS = {"http_version": b"HTTP/1.1", "reason_phrase": b""}
"""httpx would look up a missing phrase for each answer, for a log line that is switched off."""


class _Whole(httpx.AsyncByteStream):
    """A body that has arrived completely."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx_errors():
            async for piece in self._stream:
                yield piece

    async def aclose(self) -> None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
            await self._stream.aclose()


class _Secret(bytes):
    """Hides its value from httpcore, which logs its arguments at DEBUG level."""

    def __repr__(self) -> str:
        return "***"


class _Network(httpcore.AsyncNetworkBackend):
    """httpcore's sockets for trio; names are looked up by `rookery.runtime.names`."""

    def __init__(self) -> None:
        self._sockets = httpcore.TrioBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore gives it)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises httpcore.ConnectError, httpcore.ConnectTimeout."""
        until = trio.current_time() + (float("inf") if timeout is None else timeout)
        error: Exception = httpcore.ConnectTimeout(f"no address of {host} in time")
        try:
            with trio.move_on_at(until):
                addresses = await names().addresses(host)
                with names().trying(host):
                    for index, address in enumerate(addresses):
                        # If one address swallows packets, time remains for the others.
                        left = None if timeout is None else (until - trio.current_time()) / (len(addresses) - index)
                        try:
                            stream = await self._sockets.connect_tcp(address, port, left, local_address, socket_options)
                        except (httpcore.ConnectError, httpcore.ConnectTimeout) as caught:
                            error = caught
                        else:
                            _opened.get().append(stream)
                            return stream
                    raise error
        except OSError as caught:
            raise httpcore.ConnectError(f"{host}: {caught}") from caught
        raise error

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


def _open_pool(ssl_context: ssl.SSLContext | None, proxy: httpx.Proxy | None) -> httpcore.AsyncConnectionPool:
    common: dict[str, Any] = {
        "ssl_context": ssl_context,
        "max_connections": MAX_CONNECTIONS,
        "max_keepalive_connections": KEPT_CONNECTIONS,
        "keepalive_expiry": KEEPALIVE,
        "network_backend": _Network(),
    }
    if proxy is None:
        return httpcore.AsyncConnectionPool(**common)
    url = httpcore.URL(
        scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=proxy.url.raw_path
    )
    auth = (_Secret(proxy.raw_auth[0]), _Secret(proxy.raw_auth[1])) if proxy.raw_auth is not None else None
    if proxy.url.scheme in ("http", "https"):
        if proxy.url.scheme == "https":
            common["proxy_ssl_context"] = ssl_context
        return httpcore.AsyncHTTPProxy(proxy_url=url, proxy_auth=auth, **common)
    return httpcore.AsyncSOCKSProxy(proxy_url=url, proxy_auth=auth, **common)


@contextmanager
def _httpx_errors() -> Iterator[None]:
    """Convert httpcore's errors to those of the same names in httpx."""
    try:
        yield
    except httpcore.ConnectionNotAvailable:
        raise httpx.PoolTimeout("no connection was free") from None
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError) as error:
        kind = getattr(httpx, type(error).__name__, httpx.TransportError)
        raise kind(str(error)) from None
    except httpcore.UnsupportedProtocol as error:
        raise httpx.UnsupportedProtocol(str(error)) from None
    except (AssertionError, socksio.SOCKSError) as error:  # httpcore raises this when the proxy is not a proxy
        raise httpx.ProxyError(f"the proxy does not speak SOCKS5: {error}") from None
