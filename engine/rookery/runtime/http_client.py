"""HTTP/1.1 to one server on trio sockets, with a C parser and a pool without a scan.

Why not httpx's own transport: it costs 0.4 ms of CPU a request, and its pool looks at every connection for every request, so
that a hundred requests at once go slower than one after another. Here an idle connection is the top of a stack, and a request
is one write and one parse.
"""

from __future__ import annotations

import select
import ssl
from collections.abc import AsyncIterable, Awaitable, Callable

import httptools
import trio

READ_SIZE = 65_536
MAX_HEADERS = 65_536
"""Bytes of an answer's headers."""

FRESH = 0.5  # seconds for which a connection that was just used is trusted without a look, which costs a system call
KEEPALIVE = 55.0  # seconds an idle connection is kept; common proxies close theirs after 60
CLOSE_SECONDS = 1.0

Connect = Callable[[str, int], Awaitable[trio.SocketStream]]
"""Opens a connection to a host and port. Raises OSError."""


class ExchangeError(Exception):
    """No answer. The text names neither path nor query, which may hold secrets."""


class CannotConnect(ExchangeError):
    """Nothing was sent."""


class ConnectTooSlow(CannotConnect):
    """Nothing was sent: there was no connection in time."""


class SendFailed(ExchangeError):
    """The connection broke before the whole request had left."""


class SendTooSlow(SendFailed):
    """The request could not be sent in time."""


class AnswerFailed(ExchangeError):
    """The request left, and the connection broke before its answer was complete."""


class AnswerTooSlow(AnswerFailed):
    """The request left, and its answer did not come in time."""


class NotHttp(AnswerFailed):
    """What came is no answer, or not a whole one."""


class Answer:
    """A complete answer. `headers` have lower-case names."""

    __slots__ = ("_head", "_limit", "_parts", "_size", "body", "complete", "cut", "headers", "keep_alive", "status")

    def __init__(self, limit: int, cut: bool) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.complete = False
        self.cut = cut
        self.keep_alive = False
        self._head = 0
        self._size = 0
        self._limit = limit
        self._parts: list[bytes] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self._head += len(name) + len(value)
        if self._head > MAX_HEADERS:
            raise ValueError("the headers of the answer are too large")
        self.headers[name.lower()] = value

    def on_body(self, data: bytes) -> None:
        """Called by the parser."""
        self._size += len(data)
        if self._size <= self._limit:
            self._parts.append(data)
        elif not self.cut:
            raise ValueError("the answer is too large")

    @property
    def too_large(self) -> bool:
        """True when the body is larger than what is kept of it."""
        return self._size > self._limit

    @property
    def enough(self) -> bool:
        """True when nobody wants the rest."""
        return self.complete or (self.cut and self.too_large)

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


class HttpClient:
    """Connections to one server, as many as requests are under way. Closed by its owner.

    Args:
        host, port: of the server.
        ssl_context: for https; None for http.
        max_answer: bytes of a body.
        cut: the rest of a larger body is not read and the connection not used again; otherwise it is an error.
        connect: replaces the usual way to open a connection.
    """

    def __init__(
        self,
        host: str,
        port: int,
        ssl_context: ssl.SSLContext | None,
        *,
        max_answer: int,
        cut: bool = False,
        connect: Connect = trio.open_tcp_stream,
    ) -> None:
        self._host = host
        self._port = port
        self._ssl_context = ssl_context
        self._max_answer = max_answer
        self._cut = cut
        self._open = connect
        self._idle: list[_Connection] = []
        self._closed = False

    async def exchange(
        self,
        request: bytes,
        *,
        body: AsyncIterable[bytes] | None = None,
        connect_seconds: float,
        read_seconds: float,
        body_seconds: float = float("inf"),
        fresh: bool = False,
        on_sent: Callable[[], None] | None = None,
    ) -> Answer:
        """Send one complete request and return its complete answer.

        `body`: what follows `request`, in pieces, each with `read_seconds` to leave. `read_seconds` bound each wait for
        bytes; the whole answer may take `body_seconds` more. Cancelled or failed, the connection is closed. `fresh`: on a
        new connection, even if one is idle. `on_sent` is called when the whole request has left.

        Raises ExchangeError.
        """
        connection = None
        while self._idle and not fresh:
            candidate = self._idle.pop()
            if candidate.is_usable():
                connection = candidate
                break
            await trio.aclose_forcefully(candidate.stream)
        if connection is None:
            connection = await self._connect(connect_seconds)
        keep = False
        try:
            answer = await self._round_trip(connection.stream, request, body, read_seconds, body_seconds, on_sent)
            keep = answer.keep_alive and not self._closed
        finally:
            if keep:
                connection.idle_since = trio.current_time()
                self._idle.append(connection)
            else:
                await trio.aclose_forcefully(connection.stream)
        return answer

    @property
    def idle(self) -> int:
        """How many connections wait for a request."""
        return len(self._idle)

    async def tidy(self) -> None:
        """Close the idle connections that cannot be used any more; without it they stay until the next request."""
        stale = [connection for connection in self._idle if not connection.is_usable()]
        self._idle = [connection for connection in self._idle if connection not in stale]
        await _close(stale)

    async def aclose(self) -> None:
        """Close every idle connection; those in use are closed by whoever uses them."""
        self._closed = True
        idle, self._idle = self._idle, []
        await _close(idle)

    async def _connect(self, seconds: float) -> _Connection:
        try:
            with trio.fail_after(seconds):
                tcp = await self._open(self._host, self._port)
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
            raise ConnectTooSlow(f"no connection to {self._host} within {seconds:g} s") from None
        except (OSError, trio.BrokenResourceError, UnicodeError, ValueError) as error:
            cause = error.__cause__ if isinstance(error, trio.BrokenResourceError) and error.__cause__ else error
            raise CannotConnect(f"no connection to {self._host}: {cause}") from None

    async def _round_trip(
        self,
        stream: trio.abc.Stream,
        request: bytes,
        body: AsyncIterable[bytes] | None,
        seconds: float,
        body_seconds: float,
        on_sent: Callable[[], None] | None,
    ) -> Answer:
        answer = Answer(self._max_answer, self._cut)
        parser = httptools.HttpResponseParser(answer)
        sent = False
        last = trio.current_time() + seconds + body_seconds
        with trio.CancelScope(deadline=trio.current_time() + seconds) as scope:
            try:
                await stream.send_all(request)
                if body is not None:
                    async for piece in body:
                        scope.deadline = trio.current_time() + seconds
                        await stream.send_all(piece)
                    scope.deadline = trio.current_time() + seconds
                    last = scope.deadline + body_seconds
                sent = True
                if on_sent is not None:
                    on_sent()
                if isinstance(stream, trio.SocketStream):
                    # The answer cannot be there yet: waiting first saves a read that would find nothing.
                    await trio.lowlevel.wait_readable(stream.socket)
                while not answer.enough:
                    data = await stream.receive_some(READ_SIZE)
                    if not data:
                        return _end_of_stream(answer, parser)
                    parser.feed_data(data)
                    scope.deadline = min(trio.current_time() + seconds, last)
                    if answer.complete and 100 <= parser.get_status_code() < 200:
                        answer = Answer(self._max_answer, self._cut)
                        parser = httptools.HttpResponseParser(answer)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                if sent:
                    raise AnswerFailed("the connection broke while waiting for the answer") from None
                raise SendFailed("the connection broke while the request was sent") from None
            except httptools.HttpParserError as error:
                raise NotHttp(f"not an HTTP answer: {error.__context__ or type(error).__name__}") from None
        if scope.cancelled_caught:
            if sent:
                raise AnswerTooSlow(f"no answer within {seconds:g} s")
            raise SendTooSlow(f"the request could not be sent within {seconds:g} s")
        answer.status = parser.get_status_code()
        # The parser's own `should_keep_alive` is only right inside its last callback.
        answer.keep_alive = (
            answer.complete
            and parser.get_http_version() == "1.1"
            and answer.headers.get(b"connection", b"").lower() != b"close"
        )
        return answer


def _end_of_stream(answer: Answer, parser: httptools.HttpResponseParser) -> Answer:
    """The server closed. Without a length that is how an answer ends (RFC 9112, 6.3); otherwise it is cut short."""
    has_length = b"content-length" in answer.headers or b"transfer-encoding" in answer.headers
    if not answer.headers or has_length:
        raise NotHttp("the server closed the connection before the answer was complete")
    answer.on_message_complete()
    answer.status = parser.get_status_code()
    return answer


async def _close(connections: list[_Connection]) -> None:
    # Closing by force never waits; but in a cancelled task it raises, and the others would stay open.
    with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
        while connections:
            await trio.aclose_forcefully(connections.pop().stream)
