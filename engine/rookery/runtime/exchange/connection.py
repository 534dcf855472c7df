"""One connection to an HTTP server: bytes out, bytes in, and whether it can be used again."""

from __future__ import annotations

import os
import select

import trio

READ_SIZE = 65_536
KEEPALIVE = 55.0  # seconds that an idle connection is kept; common proxies close theirs after 60
CLOSE_SECONDS = 1.0


class Connection:
    """One connection of a client, in use or idle."""

    __slots__ = ("idle_since", "poll", "stream", "used")

    def __init__(self, stream: trio.abc.Stream, fd: int) -> None:
        self.stream = stream
        self.poll = select.poll()
        self.poll.register(fd, select.POLLIN)
        self.idle_since = 0.0
        self.used = False

    def is_usable(self, now: float) -> bool:
        """An idle HTTP connection has nothing to read; if it has, the server closed it or sent an answer to no request.
        `now` is trio's time."""
        return now - self.idle_since < KEEPALIVE and not self.poll.poll(0) and not self._holds_records()

    def _holds_records(self) -> bool:
        """Whether the TLS stream has taken bytes from the socket that no caller has read: those of a decrypted record,
        and records that are not decrypted yet, which trio does not show."""
        stream = self.stream
        return isinstance(stream, trio.SSLStream) and bool(stream.pending() or stream._incoming.pending)


async def send(stream: trio.abc.Stream, data: bytes) -> None:
    """Like `send_all`, but bytes that a plain socket accepts at once are sent without yielding to the scheduler. Raises
    BrokenResourceError."""
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


async def receive(stream: trio.abc.Stream) -> bytes:
    """Like `receive_some`, but waits for a plain socket first, because its answer cannot be there yet. Raises
    BrokenResourceError."""
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


async def close_all(connections: list[Connection]) -> None:
    """Close at once, and empty the list."""
    # A forced close never waits, but in a cancelled task it raises and would leave the others open.
    with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
        while connections:
            await trio.aclose_forcefully(connections.pop().stream)
