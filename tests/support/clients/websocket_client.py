"""A WebSocket client for tests, on trio: nothing is hidden, and it can be as slow or as rude as a test wants."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio
import wsproto
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Message,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

DEADLINE = 30.0


class Refused(Exception):
    """The handshake was answered with a status and a document."""

    def __init__(self, status: int, document: Any) -> None:
        super().__init__(f"{status}: {document}")
        self.status = status
        self.document = document


class WebSocketClient:
    """One open connection. `pings` counts what the server asked; `closed` is the code of its close frame."""

    def __init__(self, stream: trio.SocketStream, protocol: wsproto.WSConnection) -> None:
        self.stream = stream
        self.pings = 0
        self.closed: int | None = None
        self.reason: str | None = None
        self._protocol = protocol
        self._text = ""
        self._messages: list[str] = []

    async def send(self, text: str) -> None:
        await self.stream.send_all(self._protocol.send(TextMessage(data=text)))

    async def close(self) -> None:
        """Say goodbye; the server answers it."""
        await self.stream.send_all(self._protocol.send(CloseConnection(code=1000)))
        await self.one()

    async def one(self) -> Any:
        """The next message as JSON; None when the server has closed."""
        with trio.fail_after(DEADLINE):
            while not self._messages and self.closed is None:
                await self.read()
        return json.loads(self._messages.pop(0)) if self._messages else None

    async def some(self, count: int) -> list[Any]:
        """The next messages."""
        found = [await self.one() for _ in range(count)]
        assert None not in found
        return found

    async def read(self) -> None:
        data = await self.stream.receive_some(65_536)
        self._protocol.receive_data(bytes(data) or None)
        for event in self._protocol.events():
            if isinstance(event, Message):
                self._text += str(event.data)
                if event.message_finished:
                    self._messages.append(self._text)
                    self._text = ""
            elif isinstance(event, Ping):
                self.pings += 1
                await self.stream.send_all(self._protocol.send(event.response()))
            elif isinstance(event, CloseConnection):
                self.closed, self.reason = event.code, event.reason
                if self._protocol.state is wsproto.ConnectionState.REMOTE_CLOSING:  # type: ignore[attr-defined]
                    await self.stream.send_all(self._protocol.send(event.response()))
            else:
                assert isinstance(event, Pong)


async def open_slow_stream(port: int) -> trio.SocketStream:
    """A connection that takes 4 KiB and then no more until it is read; the caller closes it."""
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.setblocking(False)
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(slow))
    await stream.socket.connect(("127.0.0.1", port))
    return stream


@asynccontextmanager
async def open_websocket(
    port: int, target: str, headers: Sequence[tuple[str, str]] = ()
) -> AsyncIterator[WebSocketClient]:
    """Raises Refused when the server does not want to."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        protocol = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        raw = [(name.encode(), value.encode()) for name, value in headers]
        await stream.send_all(protocol.send(Request(host=f"127.0.0.1:{port}", target=target, extra_headers=raw)))
        with trio.fail_after(DEADLINE):
            await _handshake(stream, protocol)
        yield WebSocketClient(stream, protocol)


async def _handshake(stream: trio.SocketStream, protocol: wsproto.WSConnection) -> None:
    status, body = 0, b""
    while True:
        protocol.receive_data(bytes(await stream.receive_some(65_536)))
        for event in protocol.events():
            if isinstance(event, AcceptConnection):
                return
            if isinstance(event, RejectConnection):
                status = event.status_code
            if isinstance(event, RejectData):
                body += event.data
                if event.body_finished:
                    raise Refused(status, json.loads(body) if body else None)
