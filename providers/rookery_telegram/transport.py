"""HTTP/1.1 to one Bot API server: an httpx transport on trio sockets, with a C parser and a pool without a scan.

Why not httpx's own transport: it costs 0.4 ms of CPU a request, and its pool looks at every connection for every request, so
that a hundred sends at once go slower than one after another. Here an idle connection is the top of a stack, and a request is
one write and one parse (`bench/transport.py` measures both).
"""

from __future__ import annotations

import select
import ssl
from collections.abc import Callable
from typing import Any

import httptools
import httpx
import trio

MAX_ANSWER = 32 * 1024 * 1024
"""Bytes of one answer; getUpdates sends at most 4 MiB."""

READ_SIZE = 65_536
FRESH = 0.5  # seconds for which a connection that was just used is trusted without a look, which costs a system call
CLOSE_SECONDS = 1.0
BODY_SECONDS = 60.0
"""How much longer than its first byte a whole answer may take: one byte now and then keeps no call alive for ever."""
KEEPALIVE = 55.0  # seconds an idle connection is kept; common proxies close theirs after 60


class RawAnswer:
    """A complete answer. `headers` have lower-case names."""

    __slots__ = ("_parts", "body", "complete", "headers", "keep_alive", "size", "status")

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.complete = False
        self.keep_alive = False
        self.size = 0
        self._parts: list[bytes] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self.headers[name.lower()] = value

    def on_body(self, data: bytes) -> None:
        """Called by the parser."""
        self.size += len(data)
        if self.size > MAX_ANSWER:
            raise ValueError("the answer is too large")
        self._parts.append(data)

    def on_message_complete(self) -> None:
        """Called by the parser; a 1xx answer is only a prelude."""
        self.complete = True
        self.body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()


class _Connection:
    __slots__ = ("idle_since", "poll", "stream")

    def __init__(self, stream: trio.abc.Stream, fd: int) -> None:
        self.stream = stream
        self.poll = select.poll()
        self.poll.register(fd, select.POLLIN)
        self.idle_since = 0.0

    def is_usable(self) -> bool:
        """An idle HTTP connection has nothing to read; if it has, the server closed it."""
        idle = trio.current_time() - self.idle_since
        return idle < FRESH or (idle < KEEPALIVE and not self.poll.poll(0))


class BotTransport(httpx.AsyncBaseTransport):
    """Connections to one server (scheme, host, port), as many as requests are under way. Closed by its owner.

    Raises httpx's exceptions: ConnectError and ConnectTimeout before any byte left, ReadError, ReadTimeout, WriteError,
    RemoteProtocolError after.
    """

    def __init__(self, base_url: httpx.URL, ssl_context: ssl.SSLContext | None) -> None:
        self._host = base_url.host
        self._port = base_url.port or (443 if base_url.scheme == "https" else 80)
        self._ssl_context = ssl_context if base_url.scheme == "https" else None
        self._idle: list[_Connection] = []
        self._closed = False
        self.authority = base_url.netloc

    async def exchange(
        self,
        request: bytes,
        *,
        connect_seconds: float,
        read_seconds: float,
        fresh: bool = False,
        on_sent: Callable[[], None] | None = None,
    ) -> RawAnswer:
        """Send one complete request and return its complete answer.

        `read_seconds` bound each wait for bytes; the whole may take `BODY_SECONDS` more. Cancelled or failed, the connection
        is closed.
        `fresh`: on a new connection, even if one is idle. `on_sent` is called when the whole request has left.
        """
        connection = None
        if not fresh:
            while self._idle:
                candidate = self._idle.pop()
                if candidate.is_usable():
                    connection = candidate
                    break
                await trio.aclose_forcefully(candidate.stream)
        if connection is None:
            connection = await self._connect(connect_seconds)
        keep = False
        try:
            answer = await _round_trip(connection.stream, request, read_seconds, on_sent)
            keep = answer.keep_alive and not self._closed
        finally:
            if keep:
                connection.idle_since = trio.current_time()
                self._idle.append(connection)
            else:
                await trio.aclose_forcefully(connection.stream)
        return answer

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

    async def aclose(self) -> None:
        """Close every idle connection; those in use are closed by whoever uses them."""
        self._closed = True
        # Closing by force never waits; but in a cancelled task it raises, and the others would stay open.
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
            while self._idle:
                await trio.aclose_forcefully(self._idle.pop().stream)

    async def _connect(self, seconds: float) -> _Connection:
        try:
            with trio.fail_after(seconds):
                tcp = await trio.open_tcp_stream(self._host, self._port)
                fd = tcp.socket.fileno()
                if self._ssl_context is None:
                    return _Connection(tcp, fd)
                stream = trio.SSLStream(tcp, self._ssl_context, server_hostname=self._host, https_compatible=True)
                try:
                    await stream.do_handshake()
                except BaseException:
                    await trio.aclose_forcefully(stream)
                    raise
                return _Connection(stream, fd)
        except trio.TooSlowError:
            raise httpx.ConnectTimeout(f"no connection to {self._host} within {seconds:g} s") from None
        except (OSError, UnicodeError, trio.BrokenResourceError) as error:  # UnicodeError: no host can have such a name
            cause = error.__cause__ if isinstance(error, trio.BrokenResourceError) and error.__cause__ else error
            raise httpx.ConnectError(f"no connection to {self._host}: {cause}") from None


async def _round_trip(
    stream: trio.abc.Stream, request: bytes, seconds: float, on_sent: Callable[[], None] | None
) -> RawAnswer:
    answer = RawAnswer()
    parser = httptools.HttpResponseParser(answer)
    sent = False
    started = trio.current_time()
    end = started + seconds + BODY_SECONDS
    with trio.CancelScope(deadline=started + seconds) as scope:
        try:
            await stream.send_all(request)
            sent = True
            if on_sent is not None:
                on_sent()
            if isinstance(stream, trio.SocketStream):
                # The answer cannot be there yet: waiting first saves a read that would find nothing.
                await trio.lowlevel.wait_readable(stream.socket)
            while not answer.complete:
                data = await stream.receive_some(READ_SIZE)
                if not data:
                    return _end_of_stream(answer, parser)
                parser.feed_data(data)
                scope.deadline = min(trio.current_time() + seconds, end)
                if answer.complete and 100 <= parser.get_status_code() < 200:
                    answer = RawAnswer()
                    parser = httptools.HttpResponseParser(answer)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            if sent:
                raise httpx.ReadError("the connection broke while waiting for the answer") from None
            raise httpx.WriteError("the connection broke while the request was sent") from None
        except httptools.HttpParserError as error:
            raise httpx.RemoteProtocolError(f"not an HTTP answer: {type(error).__name__}") from None
    if scope.cancelled_caught:
        if sent:
            raise httpx.ReadTimeout(f"no answer within {seconds:g} s")
        raise httpx.WriteTimeout(f"the request could not be sent within {seconds:g} s")
    answer.status = parser.get_status_code()
    # The parser's own `should_keep_alive` is only right inside its last callback.
    answer.keep_alive = (
        parser.get_http_version() == "1.1" and answer.headers.get(b"connection", b"").lower() != b"close"
    )
    return answer


def _end_of_stream(answer: RawAnswer, parser: httptools.HttpResponseParser) -> RawAnswer:
    """The server closed. Without a length that is how an answer ends (RFC 9112, 6.3); otherwise it is cut short."""
    has_length = b"content-length" in answer.headers or b"transfer-encoding" in answer.headers
    if not answer.headers or has_length:
        raise httpx.RemoteProtocolError("the server closed the connection before the answer was complete")
    answer.on_message_complete()
    answer.status = parser.get_status_code()
    return answer
