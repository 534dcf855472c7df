"""One connection to an HTTP server: bytes out, bytes in, and whether it can be used again."""

from __future__ import annotations

import os
import select
import ssl
from collections.abc import Awaitable, Callable

import trio

from ..descriptors import reason_of
from .errors import CannotConnect, ConnectTooSlow

READ_SIZE = 65_536
KEEPALIVE = 55.0  # seconds that an idle connection is kept; common proxies close theirs after 60
CLOSE_SECONDS = 1.0

Connect = Callable[[str, int], Awaitable[trio.SocketStream]]
"""Opens a connection to a host and port. Raises OSError."""


class Connection:
    """One connection of a client, in use or idle. `sent`: the whole current request has left. `ended`: it was given up."""

    __slots__ = ("_fd", "_plain", "_poll", "_ready", "ended", "idle_since", "sent", "stream", "used")

    def __init__(self, stream: trio.abc.Stream, fd: int) -> None:
        self.stream = stream
        self._fd = fd
        self._plain = isinstance(stream, trio.SocketStream)
        self._poll: select.poll | None = None
        self._ready = False  # it was readable, and nothing was read since
        self.idle_since = 0.0
        self.used = False
        self.ended = False
        self.sent = False

    def is_usable(self, now: float) -> bool:
        """An idle HTTP connection has nothing to read; if it has, the server closed it or sent an answer to no request.
        `now` is trio's time."""
        if now - self.idle_since >= KEEPALIVE:
            return False
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._fd, select.POLLIN)
        return not self._poll.poll(0) and not self._holds_records()

    def _holds_records(self) -> bool:
        """Whether the TLS stream has taken bytes from the socket that no caller has read: those of a decrypted record,
        and records that are not decrypted yet, which trio does not show."""
        if self._plain:
            return False
        stream = self.stream
        return isinstance(stream, trio.SSLStream) and bool(stream.pending() or stream._incoming.pending)

    async def send(self, data: bytes) -> None:
        """Like `send_all`, but bytes that a plain socket accepts at once are sent without yielding to the scheduler.
        Raises BrokenResourceError."""
        if not self._plain:
            await self.stream.send_all(data)
            return
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            written = os.write(self._fd, data)
        except BlockingIOError:
            written = 0
        except OSError as error:
            raise trio.BrokenResourceError(f"the socket broke: {error.strerror}") from error
        if written < len(data):
            await self.stream.send_all(memoryview(data)[written:])

    def end(self) -> None:
        """Wake the task that waits for this connection, with an error. The task closes it."""
        self.ended = True
        trio.lowlevel.notify_closing(self._fd)

    async def readable(self) -> None:
        """Return when the server has sent something, or hung up. A connection that waits for long holds little."""
        self._poll = None
        if not self._holds_records():
            await trio.lowlevel.wait_readable(self._fd)
            self._ready = True

    async def receive(self) -> bytes:
        """Like `receive_some`, but waits for a plain socket first, because its answer cannot be there yet. Raises
        BrokenResourceError."""
        while not self.ended:
            if not self._plain:
                return bytes(await self.stream.receive_some(READ_SIZE))
            if not self._ready:
                await trio.lowlevel.wait_readable(self._fd)
            self._ready = False
            try:
                return os.read(self._fd, READ_SIZE)
            except BlockingIOError:
                continue
            except OSError as error:
                raise trio.BrokenResourceError(f"the socket broke: {error.strerror}") from error
        raise trio.BrokenResourceError("the connection was given up")

    async def close(self) -> None:
        """Close at once, without a good-bye to the server, even in a cancelled task."""
        if isinstance(self.stream, trio.SocketStream):
            self.stream.socket.close()
        else:
            await trio.aclose_forcefully(self.stream)


async def open_connection(
    connect: Connect, host: str, port: int, ssl_context: ssl.SSLContext | None, *, seconds: float, until: float
) -> Connection:
    """A new connection within `seconds` and before `until` (trio time); with a context, in TLS. Raises CannotConnect."""
    try:
        with trio.fail_at(min(trio.current_time() + seconds, until)):
            tcp = await connect(host, port)
            fd = tcp.socket.fileno()
            if ssl_context is None:
                return Connection(tcp, fd)
            stream = trio.SSLStream(tcp, ssl_context, server_hostname=host, https_compatible=True)
            try:
                await stream.do_handshake()
            except BaseException:
                await trio.aclose_forcefully(stream)
                raise
            return Connection(stream, fd)
    except trio.TooSlowError:
        raise ConnectTooSlow(f"no connection to {host} within {seconds:g} s") from None
    except (OSError, trio.BrokenResourceError, UnicodeError, ValueError) as error:
        raise CannotConnect(f"no connection to {host}: {reason_of(error)}") from None


async def close_all(connections: list[Connection]) -> None:
    """Close at once, and empty the list."""
    if not connections:
        return
    # A forced close never waits, but in a cancelled task it raises and would leave the others open.
    with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
        while connections:
            await connections.pop().close()
