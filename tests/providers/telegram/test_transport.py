"""HTTP as servers really speak it, byte by byte."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import httpx
import pytest
import trio
import trustme

from rookery.runtime import http_client
from rookery.runtime.http_client import Answer
from rookery_telegram import transport as transport_module
from rookery_telegram.transport import BotTransport

REQUEST = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
Handler = Callable[[trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[tuple[BotTransport, list[int]]]:
    """A server that treats each connection so; the list counts connections."""
    connections: list[int] = []

    async def serve(stream: trio.SocketStream) -> None:
        connections.append(1)
        try:
            async with stream:
                await handler(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        transport = BotTransport(httpx.URL(f"http://127.0.0.1:{port}"), None)
        try:
            yield transport, connections
        finally:
            await transport.aclose()
            nursery.cancel_scope.cancel()


def answering(*pieces: bytes, close: bool = True, pause: float = 0) -> Handler:
    """Read a request, answer with these pieces, and so on until the client leaves (or close)."""

    async def handler(stream: trio.SocketStream) -> None:
        while await stream.receive_some():
            for piece in pieces:
                await stream.send_all(piece)
                await trio.sleep(pause)
            if close:
                return

    return handler


async def exchange(transport: BotTransport, *, seconds: float = 2.0) -> Answer:
    with trio.fail_after(30):
        return await transport.exchange(REQUEST, connect_seconds=2, read_seconds=seconds)


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ([OK], b"hi"),
        ([OK[:1], OK[1:20], OK[20:]], b"hi"),
        ([bytes([byte]) for byte in OK], b"hi"),
        ([b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nuntil the end"], b"until the end"),
        ([b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\nold"], b"old"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nhi\r\n", b"1\r\n!\r\n0\r\n\r\n"], b"hi!"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", OK], b"hi"),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], b""),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], b""),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_answers(pieces: list[bytes], body: bytes) -> None:
    async with serving(answering(*pieces, pause=0.001)) as (transport, _):
        assert (await exchange(transport)).body == body


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        ([], httpx.RemoteProtocolError),
        ([b"HTTP/1.1 200 OK\r\n"], httpx.RemoteProtocolError),
        ([OK[:-1]], httpx.RemoteProtocolError),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi"], httpx.RemoteProtocolError),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n"], httpx.RemoteProtocolError),
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], httpx.RemoteProtocolError),
        ([b"\x16\x03\x01\x02\x00"], httpx.RemoteProtocolError),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"], httpx.RemoteProtocolError),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n"], httpx.RemoteProtocolError),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_what_is_no_answer(pieces: list[bytes], error: type[Exception]) -> None:
    async with serving(answering(*pieces)) as (transport, _):
        with pytest.raises(error):
            await exchange(transport)
        assert not transport._idle


async def test_silence_ends() -> None:
    async with serving(answering(close=False)) as (transport, _):
        with pytest.raises(httpx.ReadTimeout):
            await exchange(transport, seconds=0.1)


async def test_a_drip_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that sends a byte now and then keeps no call alive for ever."""
    monkeypatch.setattr(transport_module, "BODY_SECONDS", 0.3)
    pieces = [b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", *[b"x"] * 1000]
    async with serving(answering(*pieces, pause=0.05)) as (transport, _):
        started = trio.current_time()
        with pytest.raises(httpx.ReadTimeout):
            await exchange(transport, seconds=0.2)
        assert trio.current_time() - started < 20  # all of the pieces take 50 s


async def test_an_endless_answer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "MAX_ANSWER", 100_000)
    pieces = [b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n", *[b"x" * 10_000] * 100]
    async with serving(answering(*pieces)) as (transport, _):
        with pytest.raises(httpx.RemoteProtocolError):
            await exchange(transport)


async def test_a_connection_is_used_again() -> None:
    async with serving(answering(OK, close=False)) as (transport, connections):
        for _ in range(5):
            assert (await exchange(transport)).body == b"hi"
        assert len(connections) == 1


@pytest.mark.parametrize("header", [b"Connection: close", b"connection: Close"])
async def test_a_server_that_wants_to_close_is_heard(header: bytes) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + header + b"\r\n\r\nhi"
    async with serving(answering(answer, close=False)) as (transport, connections):
        for _ in range(2):
            assert (await exchange(transport)).body == b"hi"
        assert len(connections) == 2


async def test_a_connection_that_the_server_closed_meanwhile_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "FRESH", 0.0)
    async with serving(answering(OK, close=True)) as (transport, connections):
        for _ in range(3):
            assert (await exchange(transport)).body == b"hi"
            await trio.sleep(0.05)
        assert len(connections) == 3


async def test_many_at_once() -> None:
    async with serving(answering(OK, close=False, pause=0.05)) as (transport, connections):
        answers: list[Answer] = []

        async def one() -> None:
            answers.append(await exchange(transport))

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(one)
        assert len(answers) == len(connections) == 50
        await one()
        assert len(connections) == 50


async def test_a_cancelled_call_closes_its_connection() -> None:
    gone = trio.Event()

    async def handler(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        assert await stream.receive_some() == b""
        gone.set()

    async with serving(handler) as (transport, _):
        with trio.move_on_after(0.1):
            await exchange(transport)
        with trio.fail_after(30):
            await gone.wait()
        assert not transport._idle


async def test_closing_in_a_cancelled_task_closes_all() -> None:
    async with serving(answering(OK, close=False, pause=0.01)) as (transport, connections):
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(exchange, transport)
        assert len(transport._idle) == len(connections) == 10
        streams = [connection.stream for connection in transport._idle]
        with trio.CancelScope() as scope:
            scope.cancel()
            await transport.aclose()
        assert not transport._idle
        for stream in streams:
            with pytest.raises(trio.ClosedResourceError):
                await stream.send_all(b"x")


async def test_nobody_there() -> None:
    async with serving(answering(OK)) as (transport, _):
        pass
    with pytest.raises(httpx.ConnectError):
        await exchange(transport)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example"])
async def test_names_that_lead_nowhere(host: str) -> None:
    transport = BotTransport(httpx.URL(f"http://{host}"), None)
    with pytest.raises((httpx.ConnectError, httpx.ConnectTimeout)), trio.fail_after(30):
        await transport.exchange(REQUEST, connect_seconds=5, read_seconds=1)


class TestTls:
    @asynccontextmanager
    async def serving(self, authority: trustme.CA) -> AsyncIterator[int]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(context)

        async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
            try:
                async with stream:
                    while await stream.receive_some():
                        await stream.send_all(OK)
            except trio.BrokenResourceError:
                pass

        async with trio.open_nursery() as nursery:
            [listener] = await nursery.start(
                partial(trio.serve_ssl_over_tcp, serve, 0, context, host="127.0.0.1", https_compatible=True)
            )
            yield listener.transport_listener.socket.getsockname()[1]
            nursery.cancel_scope.cancel()

    async def test_it_works_and_is_used_again(self) -> None:
        authority = trustme.CA()
        async with self.serving(authority) as port:
            context = ssl.create_default_context()
            authority.configure_trust(context)
            transport = BotTransport(httpx.URL(f"https://localhost:{port}"), context)
            for _ in range(3):
                assert (await exchange(transport)).body == b"hi"
            assert len(transport._idle) == 1
            await transport.aclose()

    async def test_a_stranger_is_refused(self) -> None:
        async with self.serving(trustme.CA()) as port:
            transport = BotTransport(httpx.URL(f"https://localhost:{port}"), ssl.create_default_context())
            with pytest.raises(httpx.ConnectError):
                await exchange(transport)
