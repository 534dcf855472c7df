"""What a library leaves open in the asyncio thread is closed when the thread ends."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import trio

from rookery.runtime.asyncio_thread import open_asyncio_thread


async def test_a_connection_that_was_left_open_ends_with_the_thread() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    left: list[Any] = []

    async def connect() -> None:
        left.append(await asyncio.open_connection("127.0.0.1", port))

    async with listeners[0]:
        async with open_asyncio_thread("test") as thread:
            await thread.run(connect)
            stream = await listeners[0].accept()
        assert left[0][1].is_closing()
        async with stream:
            # An aborted one may end with an error instead.
            with trio.fail_after(5), contextlib.suppress(trio.BrokenResourceError):
                assert await stream.receive_some() == b""
