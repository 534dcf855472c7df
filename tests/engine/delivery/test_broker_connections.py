"""A connection to a broker is closed whatever its library does."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
import trio

from rookery.delivery.brokers.asyncio_route import AsyncioRoute
from rookery.delivery.brokers.target import parse_address
from rookery.runtime.asyncio_thread import open_asyncio_thread


class Hanging(AsyncioRoute):
    """Connects, and never says goodbye."""

    @property
    def in_use(self) -> bool:
        return self._connection is not None

    async def connect(self) -> Any:
        _, writer = await asyncio.open_connection(self.address.host, self.address.port)
        return writer

    async def publish(self, connection: Any, delivery: Any) -> None:
        connection.write(b"x")
        if delivery == "unconfirmed":
            await asyncio.Event().wait()

    async def disconnect(self, connection: Any) -> None:
        await asyncio.Event().wait()

    def is_open(self, connection: Any) -> bool:
        return not connection.is_closing()

    def breaks(self, error: Exception) -> bool:
        return False


async def test_it_is_closed_also_when_the_farewell_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    patient = asyncio.timeout
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with open_asyncio_thread("test") as thread, listeners[0]:
        route = Hanging(thread, parse_address(f"nats://127.0.0.1:{port}"), "events", 5.0)
        async with trio.open_nursery() as nursery:
            attempt: list[Any] = []

            async def deliver() -> None:
                attempt.append(await route.deliver(None, now=0.0))  # type: ignore[arg-type]

            nursery.start_soon(deliver)
            stream = await listeners[0].accept()
            assert await stream.receive_some(1) == b"x"
        assert attempt[0].error is None
        # On a busy machine the caller's own deadline comes first, and cancels the farewell.
        monkeypatch.setattr(asyncio, "timeout", lambda seconds: patient(60.0))
        await route.aclose()
        with trio.fail_after(5):
            assert await read_to_end(stream) == b""


async def test_the_end_of_an_old_connection_leaves_the_new_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a timeout the old one says goodbye for a while; meanwhile a new one is in use."""
    monkeypatch.setattr("rookery.delivery.brokers.asyncio_route.CLOSE_SECONDS", 0.2)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with open_asyncio_thread("test") as thread, listeners[0], trio.open_nursery() as nursery:
        route = Hanging(thread, parse_address(f"nats://127.0.0.1:{port}"), "events", 0.1)
        unconfirmed: Any = "unconfirmed"
        nursery.start_soon(partial(route.deliver, unconfirmed, now=0.0))
        old = await listeners[0].accept()
        assert await old.receive_some(1) == b"x"
        route.seconds = 5.0
        with trio.fail_after(5):  # until the first attempt has given up and its connection is being closed
            while route.in_use:
                await trio.sleep(0.01)
        assert (await route.deliver(None, now=0.0)).delivered  # type: ignore[arg-type]
        new = await listeners[0].accept()
        with trio.fail_after(5):
            await read_to_end(old)
        assert (await route.deliver(None, now=0.0)).delivered  # type: ignore[arg-type]
        arrived = b""
        with trio.fail_after(5):
            while arrived != b"xx":  # both over the same connection
                arrived += await new.receive_some(2)
        await route.aclose()
        await new.aclose()


async def read_to_end(stream: trio.SocketStream) -> bytes:
    """What still comes; a connection that was aborted ends as well."""
    try:
        return bytes(await stream.receive_some())
    except trio.BrokenResourceError:
        return b""
    finally:
        await stream.aclose()
