"""HTTP as servers really speak it, byte by byte."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial

import pytest
import trio
import trio.testing
import trustme

from rookery.runtime.http_answer import HttpAnswer
from rookery.runtime.http_client import AnswerTooSlow, CannotConnect, ConnectTooSlow, HttpClient, NotHttp
from support.clients.raw_answers import OK, REQUEST, answering, serving

CALLER_SECONDS = 30.0


@pytest.fixture(autouse=True, params=[30.0, 6.0], ids=["own deadline", "the caller's deadline"])
def caller_seconds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """How long the callers of `exchange` wait: with the shorter time, most exchanges have no deadline of their own."""
    seconds: float = request.param
    monkeypatch.setattr(f"{__name__}.CALLER_SECONDS", seconds)
    return seconds


async def exchange(transport: HttpClient, *, seconds: float = 2.0) -> HttpAnswer:
    with trio.fail_after(CALLER_SECONDS):
        return await transport.exchange(REQUEST, connect_seconds=2, read_seconds=seconds, spare=5.0)


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
        ([], NotHttp),
        ([b"HTTP/1.1 200 OK\r\n"], NotHttp),
        ([OK[:-1]], NotHttp),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi"], NotHttp),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n"], NotHttp),
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], NotHttp),
        ([b"\x16\x03\x01\x02\x00"], NotHttp),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"], NotHttp),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n"], NotHttp),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_invalid_answers_raise_an_error(pieces: list[bytes], error: type[Exception]) -> None:
    async with serving(answering(*pieces)) as (transport, _):
        with pytest.raises(error):
            await exchange(transport)
        assert not transport._idle


async def test_silence_ends() -> None:
    async with serving(answering(close=False)) as (transport, _):
        with pytest.raises(AnswerTooSlow):
            await exchange(transport, seconds=0.1)


async def test_a_drip_ends_too() -> None:
    """A server that sends a byte now and then keeps no call alive for ever."""
    pieces = [b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", *[b"x"] * 1000]
    async with serving(answering(*pieces, pause=0.05)) as (transport, _):
        started = trio.current_time()
        with pytest.raises(AnswerTooSlow), trio.fail_after(30):
            await transport.exchange(REQUEST, connect_seconds=2, read_seconds=0.2, body_seconds=0.3)
        assert trio.current_time() - started < 20  # all of the pieces take 50 s


async def test_until_bounds_an_answer_that_comes_in_drops() -> None:
    drops = [b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n", *[b"x"] * 600]
    async with serving(answering(*drops, pause=0.05)) as (transport, _):
        endless, until = float("inf"), trio.current_time() + 0.3
        with pytest.raises(AnswerTooSlow), trio.fail_after(20):
            await transport.exchange(REQUEST, connect_seconds=endless, read_seconds=endless, until=until)
        assert transport.idle == 0


async def test_an_endless_answer_ends() -> None:
    pieces = [b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n", *[b"x" * 10_000] * 100]
    async with serving(answering(*pieces), max_answer=100_000) as (transport, _):
        with pytest.raises(NotHttp):
            await exchange(transport)


@pytest.mark.parametrize("later", [0.1, 0.9])
async def test_a_caller_whose_deadline_comes_soon_after_ends_the_exchange(later: float) -> None:
    """Then the exchange has no deadline of its own; the connection, whose answer may still come, is closed."""
    async with serving(answering(close=False)) as (transport, _):
        with trio.move_on_after(later + 0.1) as caller:
            with pytest.raises(AnswerTooSlow if later > 0.5 else trio.Cancelled):
                await transport.exchange(REQUEST, connect_seconds=2, read_seconds=0.1, spare=0.5)
            if later < 0.5:
                await trio.lowlevel.checkpoint()
        assert caller.cancelled_caught == (later < 0.5)
        assert transport.idle == 0


async def test_an_exchange_ends_although_its_callers_deadline_is_moved_for_ever() -> None:
    """As that of a lease, which is renewed: it comes before the exchange's own, each time one looks."""

    async def renew(scope: trio.CancelScope) -> None:
        while True:
            scope.deadline = trio.current_time() + 0.2
            await trio.sleep(0.05)

    async with serving(answering(close=False)) as (transport, _), trio.open_nursery() as nursery:
        nursery.start_soon(renew, nursery.cancel_scope)
        await trio.testing.wait_all_tasks_blocked()
        until = trio.current_time() + 0.5
        with pytest.raises(AnswerTooSlow), trio.fail_after(20):
            await transport.exchange(REQUEST, connect_seconds=2, read_seconds=0.5, until=until)
        nursery.cancel_scope.cancel()


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


async def test_a_server_that_closes_after_each_answer_without_saying_so_answers_every_request() -> None:
    """Also when the second request leaves before the first one's connection shows that it was closed."""
    async with serving(answering(OK, close=True)) as (transport, connections):
        for _ in range(20):
            assert (await exchange(transport)).body == b"hi"
        assert len(connections) == 20


async def test_a_connection_that_was_closed_while_idle_is_replaced() -> None:
    closing, closed = trio.Event(), trio.Event()

    async def handler(stream: trio.SocketStream) -> None:
        first = len(connections) == 1
        while await stream.receive_some():
            await stream.send_all(OK)
            if first:
                await closing.wait()
                break
        await stream.aclose()
        closed.set()

    async with serving(handler) as (transport, connections):
        assert (await exchange(transport)).body == b"hi"
        transport._keeps_alive = True  # as after many answers on one connection
        closing.set()
        with trio.fail_after(30):
            await closed.wait()
        assert (await exchange(transport)).body == b"hi"
        assert len(connections) == 2


@pytest.mark.parametrize("repeatable", [True, False])
async def test_a_connection_that_breaks_under_a_request(repeatable: bool) -> None:
    """The server reads the second request and hangs up: what may be repeated is repeated once, on a new connection."""
    requests: list[int] = []

    async def handler(stream: trio.SocketStream) -> None:
        first = len(connections) == 1
        await stream.receive_some()
        await stream.send_all(OK)
        if first:
            await stream.receive_some()
            requests.append(1)
            return
        while await stream.receive_some():
            await stream.send_all(OK)

    async with serving(handler) as (transport, connections):
        await exchange(transport)
        transport._keeps_alive = True

        async def second() -> HttpAnswer:
            return await transport.exchange(REQUEST, connect_seconds=2, read_seconds=2, repeatable=repeatable)

        if repeatable:
            assert (await second()).body == b"hi"
            assert len(connections) == 2
        else:
            with pytest.raises(NotHttp):
                await second()
        assert requests == [1]


async def test_an_answer_that_comes_before_the_whole_body_is_read() -> None:
    """A server that refuses an upload after its head (413) closes without reading the rest."""
    refused = trio.Event()

    async def handler(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge")
        await stream.aclose()
        refused.set()

    async def body() -> AsyncGenerator[bytes]:
        yield b"x" * 1000
        await refused.wait()
        for _ in range(20):
            yield b"x" * 100_000

    async with serving(handler) as (transport, _):
        head = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2001000\r\n\r\n"
        with trio.fail_after(30):
            async with aclosing(body()) as pieces:
                answer = await transport.exchange(head, body=pieces, connect_seconds=2, read_seconds=2)
        assert (answer.status, answer.body, transport.idle) == (413, b"large", 0)


async def test_many_at_once() -> None:
    async with serving(answering(OK, close=False, pause=0.05)) as (transport, connections):
        answers: list[HttpAnswer] = []

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


async def test_a_closed_port_cannot_be_connected_to() -> None:
    async with serving(answering(OK)) as (transport, _):
        pass
    with pytest.raises(CannotConnect):
        await exchange(transport)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example"])
async def test_names_that_lead_nowhere(host: str) -> None:
    transport = HttpClient(host, 80, None, max_answer=1000)
    with pytest.raises((CannotConnect, ConnectTooSlow)), trio.fail_after(30):
        await transport.exchange(REQUEST, connect_seconds=5, read_seconds=1)


class TestTls:
    @asynccontextmanager
    async def serving(self, authority: trustme.CA, *answers: bytes) -> AsyncIterator[int]:
        """A server that answers the n-th request of each connection with the n-th of these, and then with `OK`."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(context)

        async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
            try:
                async with stream:
                    rest = list(answers)
                    while await stream.receive_some():
                        await stream.send_all(rest.pop(0) if rest else OK)
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
            transport = HttpClient("localhost", port, context, max_answer=1000)
            for _ in range(3):
                assert (await exchange(transport)).body == b"hi"
            assert len(transport._idle) == 1
            await transport.aclose()

    @pytest.mark.parametrize("size", [200, 16_384], ids=["in the same record", "in a record of its own"])
    async def test_an_answer_that_nobody_asked_for_is_not_that_of_the_next_request(self, size: int) -> None:
        """It arrives together with the answer before it, so it waits in the TLS stream, and the socket is empty."""
        authority = trustme.CA()
        first = OK.replace(b"\r\n", b"\r\nX-Long: \r\n", 1)
        first = first.replace(b"X-Long: ", b"X-Long: " + b"x" * (size - len(first)))
        stray = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"
        async with self.serving(authority, first + stray) as port:
            context = ssl.create_default_context()
            authority.configure_trust(context)
            transport = HttpClient("localhost", port, context, max_answer=1000)
            assert (await exchange(transport)).body == b"hi"
            assert (await exchange(transport)).body == b"hi"
            await transport.aclose()

    async def test_a_stranger_is_refused(self) -> None:
        async with self.serving(trustme.CA()) as port:
            transport = HttpClient("localhost", port, ssl.create_default_context(), max_answer=1000)
            with pytest.raises(CannotConnect):
                await exchange(transport)
