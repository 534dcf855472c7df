"""HTTP/1.1 to one server on trio sockets, with a C parser and a pool without a scan.

Why not httpx's own transport: it costs 0.4 ms of CPU a request, and its pool looks at every connection for every request, so
that a hundred requests at once go slower than one after another. Here an idle connection is the top of a stack, and a request
is one write and one parse.
"""

from __future__ import annotations

import os
import select
import ssl
from collections.abc import AsyncIterable, Awaitable, Callable

import trio

from .descriptors import reason_of
from .http_answer import AnswerReader, BadAnswer, HttpAnswer
from .names import open_stream

READ_SIZE = 65_536
KEEPALIVE = 55.0  # seconds an idle connection is kept; common proxies close theirs after 60
CLOSE_SECONDS = 1.0

SETTLE = 0.05
"""Seconds. Until a server has answered twice on one connection it may be one that closes after each answer without saying
so: a call that must not be repeated takes a connection only if it is still open after this time."""

LATE_ANSWER_SECONDS = 1.0
"""How long to wait for the answer of a server that stopped reading the request."""

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


class _Broken(Exception):
    """The connection ended before any byte of the answer came, as one does that the server had closed before."""

    def __init__(self, error: ExchangeError) -> None:
        super().__init__(str(error))
        self.error = error


class _Connection:
    __slots__ = ("idle_since", "poll", "stream", "used")

    def __init__(self, stream: trio.abc.Stream, fd: int) -> None:
        self.stream = stream
        self.poll = select.poll()
        self.poll.register(fd, select.POLLIN)
        self.idle_since = 0.0
        self.used = False

    def is_usable(self) -> bool:
        """An idle HTTP connection has nothing to read; if it has, the server closed it."""
        return trio.current_time() - self.idle_since < KEEPALIVE and not self.poll.poll(0)


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
        connect: Connect = open_stream,
    ) -> None:
        self._host = host
        self._port = port
        self._ssl_context = ssl_context
        self._max_answer = max_answer
        self._cut = cut
        self._open = connect
        self._idle: list[_Connection] = []
        self._closed = False
        # The server answers several requests on one connection: None before that is known.
        self._keeps_alive: bool | None = None

    async def exchange(
        self,
        request: bytes,
        *,
        body: AsyncIterable[bytes] | None = None,
        connect_seconds: float,
        read_seconds: float,
        body_seconds: float = float("inf"),
        repeatable: bool = False,
        on_sent: Callable[[], None] | None = None,
    ) -> HttpAnswer:
        """Send one complete request and return its complete answer.

        `body`: what follows `request`, in pieces, each with `read_seconds` to leave. `read_seconds` bound each wait for
        bytes; the whole answer may take `body_seconds` more. Cancelled or failed, the connection is closed. `repeatable`:
        the server may receive the request twice, so a kept connection that turns out to be closed is replaced by a new one,
        once. `on_sent` is called when the whole request has left.

        Raises ExchangeError.
        """
        connection = await self._take(repeatable) or await self._connect(connect_seconds)
        try:
            return await self._use(connection, request, body, read_seconds, body_seconds, on_sent)
        except _Broken as broken:
            self._keeps_alive = False
            if not (repeatable and connection.used and body is None):
                raise broken.error from None
        connection = await self._connect(connect_seconds)
        try:
            return await self._use(connection, request, None, read_seconds, body_seconds, on_sent)
        except _Broken as broken:
            raise broken.error from None

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

    async def _take(self, repeatable: bool) -> _Connection | None:
        """The idle connection that was used last and is still open."""
        found: _Connection | None = None
        closed: list[_Connection] = []
        for index in range(len(self._idle) - 1, -1, -1):
            candidate = self._idle[index]
            idle = trio.current_time() - candidate.idle_since
            if idle < SETTLE and not repeatable and not self._keeps_alive:
                if self._keeps_alive is None:
                    del self._idle[index]
                    await _close(closed)
                    return await self._settled(candidate)
                continue
            del self._idle[index]
            if candidate.is_usable():
                found = candidate
                break
            closed.append(candidate)
            if idle < KEEPALIVE:
                self._keeps_alive = False
        if closed:
            await _close(closed)
        return found

    async def _settled(self, connection: _Connection) -> _Connection | None:
        """The connection if the server has not closed it soon after its answer."""
        usable = False
        try:
            await trio.sleep_until(connection.idle_since + SETTLE)
            usable = connection.is_usable()
        finally:
            if not usable:
                await _close([connection])
        if not usable:
            self._keeps_alive = False
        return connection if usable else None

    async def _use(
        self,
        connection: _Connection,
        request: bytes,
        body: AsyncIterable[bytes] | None,
        seconds: float,
        body_seconds: float,
        on_sent: Callable[[], None] | None,
    ) -> HttpAnswer:
        keep = False
        try:
            answer = await self._round_trip(connection.stream, request, body, seconds, body_seconds, on_sent)
            keep = answer.keep_alive and not self._closed
        finally:
            if keep:
                self._keeps_alive = connection.used or self._keeps_alive
                connection.used = True
                connection.idle_since = trio.current_time()
                self._idle.append(connection)
            else:
                await trio.aclose_forcefully(connection.stream)
        return answer

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
            raise CannotConnect(f"no connection to {self._host}: {reason_of(error)}") from None

    async def _round_trip(
        self,
        stream: trio.abc.Stream,
        request: bytes,
        body: AsyncIterable[bytes] | None,
        seconds: float,
        body_seconds: float,
        on_sent: Callable[[], None] | None,
    ) -> HttpAnswer:
        """Raises ExchangeError and _Broken."""
        reader = AnswerReader(self._max_answer, self._cut)
        sent = False
        last = trio.current_time() + seconds + body_seconds
        with trio.CancelScope(deadline=trio.current_time() + seconds) as scope:
            try:
                await _send(stream, request)
                if body is not None:
                    async for piece in body:
                        scope.deadline = trio.current_time() + seconds
                        await stream.send_all(piece)
                    scope.deadline = trio.current_time() + seconds
                    last = scope.deadline + body_seconds
                sent = True
                if on_sent is not None:
                    on_sent()
                while not reader.enough:
                    data = await _receive(stream)
                    if not data:
                        if not reader.started:
                            raise _Broken(NotHttp("the server closed the connection without an answer"))
                        reader.end()
                        break
                    reader.feed(data)
                    if not reader.enough:
                        scope.deadline = min(trio.current_time() + seconds, last)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                if not sent:
                    if (answer := await self._late_answer(stream, reader)) is not None:
                        return answer
                    raise _Broken(SendFailed("the connection broke while the request was sent")) from None
                failed = AnswerFailed("the connection broke while waiting for the answer")
                raise (failed if reader.started else _Broken(failed)) from None
            except BadAnswer as error:
                raise NotHttp(f"not an HTTP answer: {error}") from None
        if scope.cancelled_caught:
            if sent:
                raise AnswerTooSlow(f"no answer within {seconds:g} s")
            raise SendTooSlow(f"the request could not be sent within {seconds:g} s")
        return reader.answer

    async def _late_answer(self, stream: trio.abc.Stream, reader: AnswerReader) -> HttpAnswer | None:
        """What a server said before it stopped reading, such as that the request is too large."""
        with trio.move_on_after(LATE_ANSWER_SECONDS):
            try:
                while not reader.enough:
                    data = await stream.receive_some(READ_SIZE)
                    if not data:
                        reader.end()
                        break
                    reader.feed(bytes(data))
            except (trio.BrokenResourceError, trio.ClosedResourceError, BadAnswer):
                return None
            reader.answer.keep_alive = False
            return reader.answer
        return None


async def _send(stream: trio.abc.Stream, data: bytes) -> None:
    """`send_all`; what a plain socket takes at once leaves without a turn of the scheduler. Raises BrokenResourceError."""
    if isinstance(stream, trio.SocketStream):
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            left = memoryview(data)[os.write(stream.socket.fileno(), data) :]
        except BlockingIOError:
            left = memoryview(data)
        except OSError as error:
            raise trio.BrokenResourceError(f"the socket broke: {error.strerror}") from error
        if not left:
            return
        await stream.send_all(left)
    else:
        await stream.send_all(data)


async def _receive(stream: trio.abc.Stream) -> bytes:
    """`receive_some`; a plain socket is waited for first, for its answer cannot be there yet. Raises BrokenResourceError."""
    if not isinstance(stream, trio.SocketStream):
        return bytes(await stream.receive_some(READ_SIZE))
    while True:
        await trio.lowlevel.wait_readable(stream.socket)
        try:
            return os.read(stream.socket.fileno(), READ_SIZE)
        except BlockingIOError:
            continue
        except OSError as error:
            raise trio.BrokenResourceError(f"the socket broke: {error.strerror}") from error


async def _close(connections: list[_Connection]) -> None:
    # Closing by force never waits; but in a cancelled task it raises, and the others would stay open.
    with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
        while connections:
            await trio.aclose_forcefully(connections.pop().stream)
