"""The demo's `rookery serve` processes: real ones, started and replaced as a deployment would."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
import trio

OWN = ("ROOKERY_", "DATABASE_URL", "MAX_CONCURRENT_SESSIONS", "AUTO_CLEANUP_ON_LOGOUT", "LOG_")
"""Environment variables that are meant for a real server and must not reach the demo."""

STOPPING = 12.0
"""Seconds that servers get to shut down cleanly; then they are killed."""


class DemoServer:
    """One process."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.name = f"process {process.pid}"

    async def answering(self, api: httpx.AsyncClient) -> None:
        """Wait until the API answers. Raises RuntimeError when the process has ended."""
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with exit code {self.process.returncode}")
            try:
                if (await api.get("/readyz")).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await trio.sleep(0.05)


async def start_server(environment: Mapping[str, str], *arguments: str) -> DemoServer:
    """Start a process; returns once it runs, not once it is ready."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "rookery_http", "serve", *arguments],
        env={**inherited, **environment},
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl+C is for the demo, which shuts the server down cleanly
    )
    return DemoServer(process)


def free_port() -> int:
    """A port that is free now; both processes of the demo listen on it, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def stopped_at_the_end(servers: list[DemoServer]) -> AsyncIterator[None]:
    """At the end of the block, stop every process that is in the list by then."""
    try:
        yield
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + STOPPING):
            for server in servers:
                if server.process.poll() is None:
                    server.process.terminate()
            for server in servers:
                await server.process.wait()
        for server in servers:
            if server.process.poll() is None:
                server.process.kill()
