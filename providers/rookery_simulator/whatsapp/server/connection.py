"""One client's connection: handshake, frames, stanzas in and out.

Every decision is made synchronously in `dispatch`, `post` only queues a stanza, and one task writes. So a scripted phone
may talk to a device from anywhere without waiting, and a client that stops reading harms only itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import trio
from cryptography.exceptions import InvalidTag

from ..crypto.noise import PROLOGUE, Authority, Handshake, Transport
from ..stanza.codec import MalformedNode, pack, unpack
from ..stanza.jid import SERVER
from ..stanza.node import Attrs, Node, node
from ..stanza.websocket import ConnectionEnded, FrameSplitter, WebSocket, frame
from .state.registration import Registration

CHAT_PATH = "/ws/chat"
HANDSHAKE_DEADLINE = 20.0  # seconds
SEND_DEADLINE = 10.0  # seconds for one frame; a client that reads nothing for that long is dropped
OUTBOX_SIZE = 10_000  # frames
FLUSH_DEADLINE = 2.0  # seconds that a farewell may take
# Seconds between the last stanza and the end of the connection. whatsmeow handles stanzas in a task that stops with the
# connection: when both come at once it misses the stanza half of the time.
LINGER = 0.2

Reply = Callable[[Node], None]


class Host(Protocol):
    """Decides what a client gets."""

    authority: Authority

    def welcome(self, connection: ClientConnection, static: bytes, payload: bytes) -> None:
        """A client has finished its handshake."""

    def handle(self, connection: ClientConnection, stanza: Node) -> None:
        """Act on one stanza from a client."""

    def connection_closed(self, connection: ClientConnection) -> None:
        """The connection has ended."""

    def now(self) -> int:
        """Seconds since 1970."""


class ClientConnection:
    """`registration` is set for a client that is not paired yet."""

    def __init__(self, host: Host, stream: trio.abc.Stream) -> None:
        self._host = host
        self.registration: Registration | None = None
        self.closed = trio.Event()
        # Faults, set from outside at any time.
        self.silent = False  # swallows in both directions
        self.delay = 0.0  # seconds before each frame that is sent
        self._websocket = WebSocket(stream)
        self._splitter = FrameSplitter(PROLOGUE)
        self._frames: list[bytes] = []
        self._scope = trio.CancelScope()
        self._outbox, self._outgoing = trio.open_memory_channel[bytes](OUTBOX_SIZE)
        self._replies: dict[str, Reply] = {}
        self._queries = 0

    async def run(self) -> None:
        """Serve the connection until it ends, for whatever reason."""
        with self._scope:
            try:
                await self._serve()
            except (ConnectionEnded, InvalidTag, MalformedNode):
                pass
            finally:
                self.closed.set()
                self._host.connection_closed(self)
                self._outbox.close()
                with trio.CancelScope(shield=True):  # bounded inside aclose
                    await self._websocket.aclose()

    async def _serve(self) -> None:
        with trio.move_on_after(HANDSHAKE_DEADLINE) as opening:
            await self._websocket.accept(CHAT_PATH)
            handshake = Handshake(self._host.authority)
            await self._websocket.send(frame(handshake.respond(await self._next_frame())))
            static, payload, transport = handshake.finish(await self._next_frame())
        if opening.cancelled_caught:
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, transport, nursery.cancel_scope)
            self._host.welcome(self, static, payload)
            await self._read(transport)
            nursery.cancel_scope.cancel()

    async def _read(self, transport: Transport) -> None:
        try:
            while True:
                stanza = unpack(transport.decrypt(await self._next_frame()))
                if self.silent:
                    continue
                self._dispatch(stanza)
        except (ConnectionEnded, InvalidTag, MalformedNode):
            return

    async def _write(self, transport: Transport, scope: trio.CancelScope) -> None:
        async with self._outgoing:
            async for data in self._outgoing:
                await trio.sleep(self.delay)
                with trio.move_on_after(SEND_DEADLINE) as sending:
                    try:
                        await self._websocket.send(frame(transport.encrypt(data)))
                    except ConnectionEnded:
                        break
                if sending.cancelled_caught:
                    break
            else:
                # The server has sent its farewell.
                await trio.sleep(LINGER)
        scope.cancel()

    async def _next_frame(self) -> bytes:
        while not self._frames:
            self._frames += self._splitter.feed(await self._websocket.receive())
        return self._frames.pop(0)

    def _dispatch(self, stanza: Node) -> None:
        if stanza.tag == "iq" and stanza.get("type") in ("result", "error"):
            reply = self._replies.pop(stanza.get("id"), None)
            if reply is not None:
                reply(stanza)
            return
        self._host.handle(self, stanza)

    def post(self, stanza: Node) -> None:
        """Queue a stanza. A client that has gone misses it; a client that does not read is dropped."""
        self.post_raw(pack(stanza))

    def post_raw(self, data: bytes) -> None:
        """Queue the bytes of one frame, stanza or not."""
        if self.silent:
            return
        try:
            self._outbox.send_nowait(data)
        except trio.WouldBlock:
            self.drop()
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            return

    def answer(self, query: Node, content: list[Node] | None = None) -> None:
        """The result of an `iq`."""
        self.post(node("iq", {"from": query.attrs.get("to", SERVER), "type": "result", "id": query.get("id")}, content))

    def refuse(self, query: Node, code: int, text: str) -> None:
        """The error of an `iq`."""
        attrs: Attrs = {
            "from": query.attrs.get("to", SERVER),
            "type": "error",
            "id": query.get("id"),
        }
        self.post(node("iq", attrs, [node("error", {"code": code, "text": text})]))

    def ask(self, namespace: str | None, content: list[Node], reply: Reply) -> None:
        """Send the client an `iq` of our own and call `reply` with its answer, if one comes."""
        self._queries += 1
        identifier = f"server-{self._queries}"
        self._replies[identifier] = reply
        now = self._host.now()
        self.post(node("iq", {"from": SERVER, "type": "set", "id": identifier, "xmlns": namespace, "t": now}, content))

    def farewell(self, stanza: Node) -> None:
        """Send one last stanza and close."""
        self.post(stanza)
        self._outbox.close()
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + FLUSH_DEADLINE + LINGER + self.delay)

    def drop(self) -> None:
        """Cut the connection without a word."""
        self._scope.deadline = -math.inf
