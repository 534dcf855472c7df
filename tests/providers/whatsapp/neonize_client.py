"""A real neonize client in a process of its own, steered from a Trio test."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from rookery_simulator.whatsapp import WhatsAppSimulator
from rookery_simulator.whatsapp.feed import Feed

WORKER = Path(__file__).with_name("neonize_worker.py")
# neonize appends "?_foreign_keys=on" to the name of the file; what stands before it is read first. Without syncing, the 812
# keys that a device makes after pairing cost a tenth of the time.
FAST = "?_foreign_keys=on&_journal_mode=WAL&_synchronous=OFF&ignored="


class NeonizeClient:
    """`events` holds everything that the library reported: {"event": name, "data": {...}} or a QR code."""

    def __init__(self, process: trio.Process, stream: trio.SocketStream) -> None:
        self.process = process
        self.events: Feed[dict[str, Any]] = Feed()
        self._stream = stream
        self._replies: dict[int, Feed[dict[str, Any]]] = {}

    async def read(self) -> None:
        buffer = b""
        while data := await self._stream.receive_some():
            *lines, buffer = (buffer + bytes(data)).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if "reply" in message:
                    self._replies[message["reply"]].add(message)
                else:
                    self.events.add(message)

    async def call(self, name: str, *arguments: Any) -> Any:
        number = len(self._replies)
        self._replies[number] = Feed()
        request = {"id": number, "call": name, "arguments": arguments}
        await self._stream.send_all(json.dumps(request).encode() + b"\n")
        reply = await self._replies[number].wait_for()
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply["result"]

    async def event(
        self, name: str, matches: Callable[[dict[str, Any]], bool] = lambda _: True, *, start: int = 0
    ) -> dict[str, Any]:
        """The data of the first event called `name` that `matches`."""
        found = await self.events.wait_for(
            lambda event: event["event"] == name and matches(event.get("data", event)), start=start
        )
        return found.get("data", found)  # type: ignore[no-any-return]

    async def qr(self) -> str:
        return str((await self.event("QR"))["code"])


@asynccontextmanager
async def open_neonize(
    simulator: WhatsAppSimulator, database: Path | str, *, resume: str = "", own_proxy: bool = True
) -> AsyncIterator[NeonizeClient]:
    """Start the worker, connect, and end the process afterwards; `database` is a file, or the address of a server."""
    ours, theirs = socket.socketpair()
    command = [
        sys.executable,
        "-m",
        "rookery_simulator.whatsapp.trusting_worker",
        str(WORKER),
        str(theirs.fileno()),
        f"{database}{FAST}" if isinstance(database, Path) else database,
        simulator.proxy_url if own_proxy else "",
        resume,
    ]
    output = None if os.environ.get("NEONIZE_LOG") else subprocess.DEVNULL
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
    async with stream, trio.open_nursery() as nursery:
        run = partial(
            trio.run_process,
            command,
            pass_fds=[theirs.fileno()],
            env=os.environ | simulator.environment(),
            stdout=output,
            stderr=output,
            check=False,
        )
        process = await nursery.start(run)
        theirs.close()
        client = NeonizeClient(process, stream)
        nursery.start_soon(client.read)
        try:
            yield client
        finally:
            process.kill()
            nursery.cancel_scope.cancel()
