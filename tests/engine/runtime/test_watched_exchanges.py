"""Exchanges without a cancel scope of their own: one task ends those that are late."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trustme

from rookery.runtime.exchange.deadlines import INFINITE, Deadlines
from rookery.runtime.http_answer import HttpAnswer
from rookery.runtime.http_client import AnswerTooSlow, HttpClient, NotHttp
from support.clients.raw_answers import OK, REQUEST, Handler, answering

LATE = 0.3


@asynccontextmanager
async def watched(handler: Handler, *, tls: bool) -> AsyncIterator[tuple[HttpClient, list[int]]]:
    """A client of a server that treats each connection so; the list counts connections."""
    authority = trustme.CA()
    connections: list[int] = []

    async def serve(stream: trio.abc.Stream) -> None:
        connections.append(1)
        try:
            async with stream:
                await handler(stream)  # type: ignore[arg-type]
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async with trio.open_nursery() as nursery:
        theirs, ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
        authority.issue_cert("localhost").configure_cert(theirs)
        authority.configure_trust(ours)
        serving = (
            partial(trio.serve_ssl_over_tcp, serve, 0, theirs, host="127.0.0.1", https_compatible=True)
            if tls
            else partial(trio.serve_tcp, serve, 0, host="127.0.0.1")
        )
        [listener] = await nursery.start(serving)
        inner = listener.transport_listener if tls else listener
        deadlines = Deadlines()
        nursery.start_soon(deadlines.watch)
        port = inner.socket.getsockname()[1]
        client = HttpClient("localhost", port, ours if tls else None, max_answer=1_000_000, deadlines=deadlines)
        try:
            yield client, connections
        finally:
            await client.aclose()
            nursery.cancel_scope.cancel()


async def exchange(client: HttpClient, *, seconds: float = LATE, request: bytes = REQUEST) -> HttpAnswer:
    return await client.exchange(
        request,
        connect_seconds=INFINITE,
        read_seconds=INFINITE,
        until=trio.current_time() + seconds,
        repeatable=True,
    )


async def answer_once(stream: trio.SocketStream) -> None:
    """So that the connection is there before a short time is measured."""
    await stream.receive_some()
    await stream.send_all(OK)


async def silent(stream: trio.SocketStream) -> None:
    await answer_once(stream)
    await stream.receive_some()
    await trio.sleep_forever()


async def drip(stream: trio.SocketStream) -> None:
    await answer_once(stream)
    await stream.receive_some()
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        await stream.send_all(b"x")
        await trio.sleep(0.001)


async def deaf(stream: trio.SocketStream) -> None:
    await answer_once(stream)
    await trio.sleep_forever()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("handler", [silent, drip, deaf])
async def test_a_late_exchange_ends_and_its_connection_is_closed(handler: Handler, tls: bool) -> None:
    request = REQUEST if handler is not deaf else REQUEST[:-2] + b"x" * 20_000_000
    async with watched(handler, tls=tls) as (client, connections):
        await exchange(client, seconds=60)
        began = trio.current_time()
        with trio.fail_after(60), pytest.raises(AnswerTooSlow):
            await exchange(client, request=request)
        assert trio.current_time() - began >= LATE
        assert (client.idle, len(connections)) == (0, 1)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_answers_in_time_use_one_connection_and_other_deadlines_pass_by(tls: bool) -> None:
    async with watched(answering(OK, close=False), tls=tls) as (client, connections):
        for seconds in (60, 2, 30, 2, 60):
            assert (await exchange(client, seconds=seconds)).body == b"hi"
        await trio.sleep(2.1)  # longer than the shortest of them
        assert (await exchange(client, seconds=60)).body == b"hi"
        assert (client.idle, len(connections)) == (1, 1)


async def test_each_exchange_has_its_own_deadline() -> None:
    async def handler(stream: trio.SocketStream) -> None:
        while request := await stream.receive_some():
            await trio.sleep(120 if b"/slow" in request else 0.05)
            await stream.send_all(OK)

    ended: list[str] = []
    async with watched(handler, tls=False) as (client, _):

        async def call(seconds: float) -> None:
            try:
                await exchange(
                    client, seconds=seconds, request=REQUEST.replace(b"/x", b"/slow" if seconds < 1 else b"/x")
                )
                ended.append("answered")
            except AnswerTooSlow:
                ended.append(f"late after {seconds}")

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for seconds in (60.0, 0.4, 60.0, 0.2):
                    nursery.start_soon(call, seconds)
                    await trio.sleep(0.02)
        assert sorted(ended) == ["answered", "answered", "late after 0.2", "late after 0.4"]


async def test_other_errors_stay_what_they_are_and_a_cancelled_call_leaves_nothing_behind() -> None:
    async with watched(answering(b"SSH-2.0\r\n"), tls=False) as (client, _):
        with pytest.raises(NotHttp):
            await exchange(client, seconds=60)
    async with watched(silent, tls=False) as (client, _):
        await exchange(client, seconds=60)
        with trio.move_on_after(0.05) as scope:
            await exchange(client, seconds=60)
        assert scope.cancelled_caught
        assert client._deadlines is not None
        assert not client._deadlines._due
        assert client.idle == 0
