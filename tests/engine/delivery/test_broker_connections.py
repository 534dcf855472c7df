"""A connection to a broker is closed whatever its library does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import trio

from rookery.delivery.brokers.asyncio_route import AsyncioRoute
from rookery.delivery.brokers.target import parse_address
from rookery.runtime.asyncio_thread import open_asyncio_thread


class Hanging(AsyncioRoute):
    """Connects, and never says goodbye."""

    async def connect(self) -> Any:
        _, writer = await asyncio.open_connection(self.address.host, self.address.port)
        return writer

    async def publish(self, connection: Any, delivery: Any) -> None:
        connection.write(b"x")

    async def disconnect(self, connection: Any) -> None:
        await asyncio.Event().wait()

    def is_open(self, connection: Any) -> bool:
        return True

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


async def read_to_end(stream: trio.SocketStream) -> bytes:
    """What still comes; a connection that was aborted ends as well."""
    try:
        return bytes(await stream.receive_some())
    except trio.BrokenResourceError:
        return b""
    finally:
        await stream.aclose()
