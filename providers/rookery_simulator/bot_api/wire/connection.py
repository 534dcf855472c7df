"""One client's connection: reads requests, lets the handler answer them in order, notices a client that hangs up.

The socket is used directly and non-blocking. Trio's own socket methods make two trips through the scheduler for every
request; waiting once for readability and then reading and writing what the kernel takes makes one.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from .http import BadRequest, Request, RequestReader, answer

RECEIVE_BYTES = 64 * 1024
MAX_PIPELINED = 64
"""Requests that a client may send ahead of its answers before the server stops reading."""
LINGER = 1.0
"""Seconds that a client has to read the answer to a request that could not be read."""
SEND_DEADLINE = 60.0
"""Seconds after which a client that does not read its answer is cut off."""

Handler = Callable[[Request, "BotApiConnection"], Awaitable[bytes | None]]
"""Answers one request with a whole HTTP answer, or with None to close the connection without one."""


class HungUp(Exception):
    """The client closed its side while its request was still being handled."""


class BotApiConnection:
    """One accepted socket, owned and closed by `run`."""

    __slots__ = ("_handler", "_is_broken", "_reader", "_socket", "hung_up")

    def __init__(self, accepted: socket.socket, handler: Handler, max_body_bytes: int) -> None:
        self._socket = accepted
        self._handler = handler
        self._reader = RequestReader(max_body_bytes, trio.current_time)
        self._is_broken: BadRequest | None = None
        self.hung_up = False

    async def run(self) -> None:
        """Serve until the client leaves, breaks the protocol, or is answered with None. Network errors end it."""
        try:
            await self._serve()
        except (OSError, HungUp):
            pass
        finally:
            self._socket.close()

    async def _serve(self) -> None:
        requests = self._reader.requests
        while not self.hung_up:
            while requests:
                request = requests.popleft()
                response = await self._handler(request, self)
                if response is None:
                    return
                await self.send(response)
                if not request.keep_alive:
                    return
            if self._is_broken is not None:
                status = self._is_broken.status
                await self.send(answer(status, b"", content_type="text/plain", keep_alive=False))
                await self._linger()
                return
            await trio.lowlevel.wait_readable(self._socket)
            self._receive()
            if self._reader.wants_continue:
                self._reader.wants_continue = False
                await self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def send(self, data: bytes) -> None:
        """Write all bytes. Raises OSError when the client is gone or does not read for `SEND_DEADLINE`."""
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            return
        rest = memoryview(data)[sent:]
        while rest:
            with trio.move_on_after(SEND_DEADLINE) as scope:
                await trio.lowlevel.wait_writable(self._socket)
            if scope.cancelled_caught:
                raise TimeoutError("the client does not read its answer")
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                continue

    async def pause(
        self,
        seconds: float,
        offer_wake: Callable[[Callable[[], None]], None] | None = None,
        *,
        linger: float = 0.0,
    ) -> None:
        """Wait, at most `seconds`, while a request is being handled.

        `offer_wake` is given a function that ends the wait `linger` seconds after its call. Raises HungUp as soon as
        the client closes its side; requests that it sends ahead meanwhile are kept for later.
        """
        with trio.CancelScope(deadline=trio.current_time() + seconds) as scope:
            if offer_wake is not None:

                def wake() -> None:
                    scope.deadline = min(scope.deadline, trio.current_time() + linger)

                offer_wake(wake if linger else scope.cancel)
            while self._is_broken is None and len(self._reader.requests) < MAX_PIPELINED:
                await trio.lowlevel.wait_readable(self._socket)
                self._receive()
                if self.hung_up:
                    raise HungUp
            await trio.sleep(math.inf)

    def check_hung_up(self) -> bool:
        """Look, without waiting, whether the client has closed its side."""
        if not self.hung_up:
            try:
                self.hung_up = self._socket.recv(1, socket.MSG_PEEK) == b""
            except BlockingIOError:
                pass
            except OSError:
                self.hung_up = True
        return self.hung_up

    def reset(self) -> None:
        """Make the following close abrupt: the client sees a connection reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    async def _linger(self) -> None:
        """Read on for a moment: bytes that are left unread would reset the connection, and our answer with it."""
        self._socket.shutdown(socket.SHUT_WR)
        with trio.move_on_after(LINGER):
            while True:
                await trio.lowlevel.wait_readable(self._socket)
                with suppress(BlockingIOError):
                    if not self._socket.recv(RECEIVE_BYTES):
                        return

    def _receive(self) -> None:
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        if not data:
            self.hung_up = True
            return
        try:
            self._reader.feed(data)
        except BadRequest as error:
            self._is_broken = error


async def serve_connections(listener: socket.socket, handler: Handler, max_body_bytes: int) -> None:
    """Accept connections until cancelled; cancelling also ends every connection at once. Closes the listener."""
    listener.setblocking(False)
    with listener:
        async with trio.open_nursery() as nursery:
            while True:
                await trio.lowlevel.wait_readable(listener)
                for _ in range(100):
                    try:
                        accepted, _ = listener.accept()
                    except BlockingIOError:
                        break
                    except OSError:
                        # Out of file descriptors, or the client is already gone again: leave the others a moment.
                        await trio.sleep(0.05)
                        break
                    accepted.setblocking(False)
                    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    nursery.start_soon(BotApiConnection(accepted, handler, max_body_bytes).run)
