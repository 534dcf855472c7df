"""A TCP proxy that can cut, stall and delay what goes through it. Runs an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading

CHUNK = 65_536
DELAY = 0.3
"""Seconds by which each piece is late in the mode `delay`."""


class TcpProxy:
    """Listens on `port` of the loopback and leads to `target`, another port there, which may be changed."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self._mode = "up"
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._loop = asyncio.new_event_loop()
        self._flowing: asyncio.Event | None = None
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait(10)

    def set(self, mode: str) -> None:
        """`up`, `cut` (connections break, new ones too), `stall` (bytes stay where they are), `delay`."""
        asyncio.run_coroutine_threadsafe(self._set(mode), self._loop).result(10)

    def close(self) -> None:
        """Break everything and end the thread."""
        self.set("cut")
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _set(self, mode: str) -> None:
        assert self._flowing is not None
        self._mode = mode
        if mode == "stall":
            self._flowing.clear()
        else:
            self._flowing.set()
        if mode == "cut":
            for pair in list(self._pairs):
                for writer in pair:
                    writer.transport.abort()

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        started.set()
        self._loop.run_forever()

    async def _listen(self) -> None:
        self._flowing = asyncio.Event()
        self._flowing.set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode == "cut":
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, back)
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        finally:
            self._pairs.discard(pair)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._flowing is not None
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._flowing.wait()
                if self._mode == "delay":
                    await asyncio.sleep(DELAY)
                writer.write(data)
                await writer.drain()
        await self._flowing.wait()
        with contextlib.suppress(OSError):
            writer.close()
