"""HTTP/1.1 to one server on trio sockets, with a C parser and a pool that needs no scan.

This client replaces httpx's own transport, which costs 0.4 ms of CPU per request and whose pool looks at every connection
for every request. Here an idle connection is the top of a stack, and a request is one write and one parse.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterable, Callable

import trio

from .exchange.connection import KEEPALIVE, Connection, close_all, open_connection
from .exchange.connection import Connect as Connect
from .exchange.deadlines import INFINITE, Deadlines
from .exchange.errors import AnswerFailed as AnswerFailed
from .exchange.errors import AnswerTooSlow as AnswerTooSlow
from .exchange.errors import Broken
from .exchange.errors import CannotConnect as CannotConnect
from .exchange.errors import ConnectTooSlow as ConnectTooSlow
from .exchange.errors import ExchangeError as ExchangeError
from .exchange.errors import NotHttp as NotHttp
from .exchange.errors import SendFailed as SendFailed
from .exchange.errors import SendTooSlow as SendTooSlow
from .exchange.patience import Patience
from .exchange.reading import receive_answer, receive_late_answer
from .http_answer import HttpAnswer
from .names import open_stream

SETTLE = 0.05
"""Seconds. A server that has not answered twice on one connection may close it unannounced. A call that must not be
repeated uses such a connection only if it is still open after this time."""


class HttpClient:
    """Connections to one server, one per request in progress. Closed by its owner.

    Args:
        host, port: of the server.
        ssl_context: for https; None for http.
        max_answer: maximum number of bytes of a body.
        cut: do not read the rest of a larger body or reuse the connection; otherwise it is an error.
        connect: replaces the usual way to open a connection.
        deadlines: watched by the owner; ends exchanges that are bounded only by `until`.
    """

    __slots__ = (
        "_closed",
        "_cut",
        "_deadlines",
        "_host",
        "_idle",
        "_keeps_alive",
        "_max_answer",
        "_open",
        "_port",
        "_ssl_context",
    )

    def __init__(
        self,
        host: str,
        port: int,
        ssl_context: ssl.SSLContext | None,
        *,
        max_answer: int,
        cut: bool = False,
        connect: Connect = open_stream,
        deadlines: Deadlines | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._ssl_context = ssl_context
        self._max_answer = max_answer
        self._cut = cut
        self._open = connect
        self._deadlines = deadlines
        self._idle: list[Connection] = []
        self._closed = False
        # Whether the server answers several requests on one connection; None until that is known.
        self._keeps_alive: bool | None = None

    async def exchange(
        self,
        request: bytes,
        *,
        body: AsyncIterable[bytes] | None = None,
        connect_seconds: float,
        read_seconds: float,
        body_seconds: float = INFINITE,
        until: float = INFINITE,
        spare: float = 0.0,
        repeatable: bool = False,
        on_sent: Callable[[], None] | None = None,
    ) -> HttpAnswer:
        """Send one complete request and return its complete answer.

        `body`: the bytes that follow `request`, in pieces; each piece has `read_seconds` to be sent. `read_seconds`
        bounds each wait for bytes; the whole answer may take `body_seconds` more. `until` (trio time) bounds everything.
        If the caller's scope ends the call at most `spare` seconds after `read_seconds`, that deadline is the only one:
        a cancel scope takes a sixth of the CPU time of an exchange. A caller may give `spare` only if no task moves its
        deadline later. If the call is cancelled or fails, the connection is closed. `repeatable`: the server may receive
        the request twice, so a kept connection that turns out to be closed is replaced by a new one, once. `on_sent` is
        called when the whole request has been sent. Raises ExchangeError.
        """
        connection = self._take_now(repeatable)
        if connection is None:
            connection = await self._take(repeatable) or await self._connect(connect_seconds, until)
        times = read_seconds, body_seconds, until, spare
        try:
            return await self._use(connection, request, body, *times, on_sent)
        except Broken as broken:
            self._keeps_alive = False
            if not (repeatable and connection.used and body is None):
                raise broken.error from None
        connection = await self._connect(connect_seconds, until)
        try:
            return await self._use(connection, request, None, *times, on_sent)
        except Broken as broken:
            raise broken.error from None

    async def long_poll(
        self,
        request: bytes,
        scope: trio.CancelScope,
        *,
        connect_seconds: float,
        read_seconds: float,
        body_seconds: float,
        on_sent: Callable[[], None],
    ) -> HttpAnswer:
        """As `exchange`, for an answer that may take a minute: it holds little meanwhile, since thousands of tasks wait in
        here. The caller may cancel its new `scope`, whose deadline is set here. Raises ExchangeError."""
        connection = self._take_now(False) or await self._take(False) or await self._connect(connect_seconds, INFINITE)
        answer: HttpAnswer | None = None
        scope.deadline = trio.current_time() + read_seconds
        try:
            with scope:
                try:
                    await connection.send(request)
                except trio.BrokenResourceError:
                    raise Broken(SendFailed("the connection broke while the request was sent")) from None
                del request
                on_sent()
                await connection.readable()
                patience = Patience(scope, read_seconds, body_seconds, INFINITE)
                answer = await receive_answer(connection, self._max_answer, cut=self._cut, patience=patience)
        except Broken as broken:
            self._keeps_alive = False
            raise broken.error from None
        finally:
            if answer is not None and answer.keep_alive and not self._closed:
                self._keep(connection)
            else:
                await connection.close()
        if answer is None:
            raise AnswerTooSlow(f"no answer within {read_seconds:g} s")
        return answer

    @property
    def idle(self) -> int:
        """Number of idle connections."""
        return len(self._idle)

    async def tidy(self) -> None:
        """Close the idle connections that can no longer be used; without this call they stay until the next request."""
        now = trio.current_time()
        stale = [connection for connection in self._idle if not connection.is_usable(now)]
        self._idle = [connection for connection in self._idle if connection not in stale]
        await close_all(stale)

    async def aclose(self) -> None:
        """Close every idle connection; the tasks that use the others close those."""
        self._closed = True
        idle, self._idle = self._idle, []
        await close_all(idle)

    def _take_now(self, repeatable: bool) -> Connection | None:
        """The most recently used idle connection if it is still open and may be used at once."""
        if not self._idle:
            return None
        connection = self._idle[-1]
        now = trio.current_time()
        if not (repeatable or self._keeps_alive) and now - connection.idle_since < SETTLE:
            return None
        return self._idle.pop() if connection.is_usable(now) else None

    async def _take(self, repeatable: bool) -> Connection | None:
        """The same among all idle connections; waits where the server may close one soon."""
        found: Connection | None = None
        closed: list[Connection] = []
        now = trio.current_time()
        for index in range(len(self._idle) - 1, -1, -1):
            candidate = self._idle[index]
            idle = now - candidate.idle_since
            if idle < SETTLE and not repeatable and not self._keeps_alive:
                if self._keeps_alive is None:
                    del self._idle[index]
                    await close_all(closed)
                    return await self._settled(candidate)
                continue
            del self._idle[index]
            if candidate.is_usable(now):
                found = candidate
                break
            closed.append(candidate)
            if idle < KEEPALIVE:
                self._keeps_alive = False
        if closed:
            await close_all(closed)
        return found

    async def _settled(self, connection: Connection) -> Connection | None:
        """Returns the connection if the server has not closed it soon after its answer."""
        usable = False
        try:
            await trio.sleep_until(connection.idle_since + SETTLE)
            usable = connection.is_usable(trio.current_time())
        finally:
            if not usable:
                await close_all([connection])
        if not usable:
            self._keeps_alive = False
        return connection if usable else None

    async def _use(
        self,
        connection: Connection,
        request: bytes,
        body: AsyncIterable[bytes] | None,
        seconds: float,
        body_seconds: float,
        until: float,
        spare: float,
        on_sent: Callable[[], None] | None,
    ) -> HttpAnswer:
        keep = connection.sent = False
        deadline = min(trio.current_time() + seconds, until)
        try:
            if self._deadlines is not None and body is None and seconds == INFINITE:
                answer = await self._deadlines.keep(until, connection, self._converse(connection, request, on_sent))
            elif spare and body is None and trio.current_effective_deadline() <= min(deadline + spare, until):
                answer = await self._converse(connection, request, on_sent)
            else:
                with trio.CancelScope(deadline=deadline) as scope:
                    answer = await self._converse(
                        connection, request, on_sent, body, Patience(scope, seconds, body_seconds, until)
                    )
                if scope.cancelled_caught:
                    if connection.sent:
                        raise AnswerTooSlow(f"no answer within {seconds:g} s")
                    raise SendTooSlow(f"the request could not be sent within {seconds:g} s")
            keep = answer.keep_alive
        finally:
            if keep and not self._closed:
                self._keep(connection)
            else:
                await connection.close()
        return answer

    def _keep(self, connection: Connection) -> None:
        self._keeps_alive = connection.used or self._keeps_alive
        connection.used = True
        connection.idle_since = trio.current_time()
        self._idle.append(connection)

    async def _connect(self, seconds: float, until: float) -> Connection:
        return await open_connection(
            self._open, self._host, self._port, self._ssl_context, seconds=seconds, until=until
        )

    async def _converse(
        self,
        connection: Connection,
        request: bytes,
        on_sent: Callable[[], None] | None,
        body: AsyncIterable[bytes] | None = None,
        patience: Patience | None = None,
    ) -> HttpAnswer:
        """`patience` None: the caller's deadline is near enough; there is no `body` then. Raises ExchangeError and
        Broken."""
        try:
            await connection.send(request)
            if body is not None and patience is not None:
                async for piece in body:
                    patience.restart()
                    await connection.stream.send_all(piece)
                patience.restart()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            late = None
            if not connection.ended:
                late = await receive_late_answer(connection, self._max_answer, cut=self._cut)
            if late is not None:
                return late
            raise Broken(SendFailed("the connection broke while the request was sent")) from None
        connection.sent = True
        if on_sent is not None:
            on_sent()
        return await receive_answer(connection, self._max_answer, cut=self._cut, patience=patience)
