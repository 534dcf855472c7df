"""The server's end of one WebSocket over a Trio stream, and the three-byte frames inside it."""

from __future__ import annotations

import contextlib
from collections import deque

import trio
import wsproto
from wsproto.connection import ConnectionType
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Pong, RejectConnection, Request

RECEIVE_SIZE = 65_536  # bytes
CLOSE_DEADLINE = 1.0  # seconds for the goodbye, which the client may not read
BROKEN = (
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    wsproto.utilities.LocalProtocolError,
    wsproto.utilities.RemoteProtocolError,
)
FRAME_HEADER = 3  # bytes of big-endian length before each frame


class ConnectionEnded(Exception):
    """The client is gone, or was never a WebSocket client."""


class WebSocket:
    """Binary messages only. One task receives and one task sends."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._protocol = wsproto.WSConnection(ConnectionType.SERVER)
        self._messages: deque[bytes] = deque()
        self._partial = bytearray()

    async def accept(self, path: str) -> None:
        """Answer the upgrade request for `path`, refuse any other; raises ConnectionEnded."""
        while True:
            for event in await self._receive_events():
                if isinstance(event, Request) and event.target.partition("?")[0] == path:
                    await self._stream.send_all(self._protocol.send(AcceptConnection()))
                    return
                if isinstance(event, Request):
                    await self._stream.send_all(self._protocol.send(RejectConnection(status_code=404)))
                    raise ConnectionEnded(event.target)

    async def receive(self) -> bytes:
        """The next message; raises ConnectionEnded at the end of the connection."""
        while not self._messages:
            for event in await self._receive_events():
                if isinstance(event, BytesMessage):
                    self._partial += event.data
                    if event.message_finished:
                        self._messages.append(bytes(self._partial))
                        self._partial.clear()
                elif isinstance(event, Ping):
                    await self._stream.send_all(self._protocol.send(event.response()))
                elif isinstance(event, CloseConnection):
                    raise ConnectionEnded(str(event.code))
        return self._messages.popleft()

    async def send(self, message: bytes) -> None:
        try:
            await self._stream.send_all(self._protocol.send(BytesMessage(data=message)))
        except BROKEN as error:
            raise ConnectionEnded(repr(error)) from error

    async def aclose(self) -> None:
        """Say goodbye if that is quick, then close the stream."""
        with trio.move_on_after(CLOSE_DEADLINE), contextlib.suppress(*BROKEN):
            await self._stream.send_all(self._protocol.send(CloseConnection(code=1000)))
        await trio.aclose_forcefully(self._stream)

    async def _receive_events(self) -> list[wsproto.events.Event]:
        try:
            data = await self._stream.receive_some(RECEIVE_SIZE)
            self._protocol.receive_data(bytes(data) or None)
            events = list(self._protocol.events())
        except BROKEN as error:
            raise ConnectionEnded(repr(error)) from error
        if not data:
            raise ConnectionEnded("end of stream")
        return [event for event in events if not isinstance(event, Pong)]


class FrameSplitter:
    """Cuts a byte stream into frames; the very first bytes must be `prologue`."""

    def __init__(self, prologue: bytes) -> None:
        self._prologue = prologue
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that `data` completes; raises ConnectionEnded for a foreign prologue."""
        self._buffer += data
        if self._prologue:
            if len(self._buffer) < len(self._prologue):
                return []
            if not self._buffer.startswith(self._prologue):
                raise ConnectionEnded("not WhatsApp's prologue")
            del self._buffer[: len(self._prologue)]
            self._prologue = b""
        frames = []
        while len(self._buffer) >= FRAME_HEADER:
            end = FRAME_HEADER + int.from_bytes(self._buffer[:FRAME_HEADER])
            if len(self._buffer) < end:
                break
            frames.append(bytes(self._buffer[FRAME_HEADER:end]))
            del self._buffer[:end]
        return frames


def frame(data: bytes) -> bytes:
    """`data` with its length before it; at most 16 MiB."""
    return len(data).to_bytes(FRAME_HEADER) + data
