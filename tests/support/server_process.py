"""`rookery serve` as a real process, for tests that start, stop and kill it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import trio

from support.checks.matched_changes import check_stored
from support.checks.secret_watch import WATCH

START_DEADLINE = 30.0
_LISTENS = re.compile(r"listens on (http://\S+)")


class ServerProcess:
    """A running server: `url` is known once it listens, `errors` is everything that it logged."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.url = ""
        self.errors = b""
        self._listening = trio.Event()
        self._output = b""

    async def listening(self) -> str:
        """Wait for the address. Fails with the log when the process ends before."""
        with trio.fail_after(START_DEADLINE):
            await self._listening.wait()
        assert self.url, f"the server ended with {self.process.returncode}:\n{self.errors.decode()}"
        return self.url

    def client(self) -> httpx.AsyncClient:
        """An HTTP client of its API; the caller closes it."""
        return httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=20)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to this process only."""
        self.process.send_signal(number)

    async def ended(self, seconds: float) -> int:
        """Wait for the end and return the exit code."""
        with trio.fail_after(seconds):
            return await self.process.wait()

    async def read_output(self) -> None:
        assert self.process.stdout is not None
        async for chunk in self.process.stdout:
            self._output += chunk
            if not self.url and (found := _LISTENS.search(self._output.decode(errors="replace"))):
                self.url = found.group(1)
                self._listening.set()
        self._listening.set()

    async def read_errors(self) -> None:
        assert self.process.stderr is not None
        try:
            async for chunk in self.process.stderr:
                self.errors += chunk
        finally:
            WATCH.look(self.errors, "stderr of a server")


@asynccontextmanager
async def open_server_process(
    data_dir: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[ServerProcess]:
    """Run `rookery serve` on a free port; killed at the end of the block if it still runs. Then the changes of status that
    it stored must be in its log."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ROOKERY_", "DATABASE_URL"))}
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "rookery_http", "serve", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**inherited, "ROOKERY_DATA_DIR": str(data_dir), "ROOKERY_PORT": "0", **(environment or {})},
    )
    server = ServerProcess(process)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.read_output)
            nursery.start_soon(server.read_errors)
            yield server
            if process.returncode is None:
                process.kill()
            with trio.fail_after(30):
                await process.wait()
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    await stream.aclose()
    await check_stored(data_dir, environment or {})
