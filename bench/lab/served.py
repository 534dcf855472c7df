"""`rookery serve` as a process beside both simulators, and what it costs at a moment."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import trio
from prometheus_client.parser import text_string_to_metric_families

from .processes import cpu_seconds, written_kib

START_TIMEOUT = 60.0
WORKER = "rookery_simulator.whatsapp.trusting_worker rookery_whatsapp.worker"
LISTENS = re.compile(r"listens on (http://\S+)")


class Cost(NamedTuple):
    """What the server and its workers use. `cpu` is seconds so far; memory is what they have written, MiB; the rest are
    numbers."""

    at: float
    cpu: float
    server_mib: float
    workers_mib: float
    workers: int
    fds: int
    worker_fds: int
    threads: int
    worker_threads: int
    tasks: int
    connects: int


class Served:
    """A running `rookery serve`. `api` is a client of it."""

    def __init__(self, process: trio.Process, log: Path) -> None:
        self.process = process
        self.log = log
        self.api = _client("")
        self._cpu_of_the_dead = 0.0
        self._cpu: dict[int, float] = {}

    async def reopen_api(self) -> None:
        """Close every connection to the API and begin anew with none."""
        await self.api.aclose()
        self.api = _client(str(self.api.base_url))

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """One request; returns the JSON. Raises httpx.HTTPError."""
        answer = await self.api.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json()

    async def metrics(self) -> dict[str, float]:
        """The sum of every sample by name, whatever its labels."""
        sums: dict[str, float] = {}
        for family in text_string_to_metric_families((await self.api.get("/metrics")).text):
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
        return sums

    def workers(self) -> list[psutil.Process]:
        """The worker processes that live."""
        return [child for child in psutil.Process(self.process.pid).children() if child.is_running()]

    def open_files(self, start: str) -> int:
        """How many descriptors of the server are of files whose names begin so."""
        found = 0
        for descriptor in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(OSError):  # it was closed just now
                found += descriptor.readlink().name.startswith(start)
        return found

    async def cost(self) -> Cost:
        """Now. What a worker used that ended in between two calls is counted up to its last reading."""
        metrics = await self.metrics()
        server = psutil.Process(self.process.pid)
        workers, fds, threads, mib = 0, 0, 0, 0.0
        now = {self.process.pid: cpu_seconds(self.process.pid)}
        for worker in self.workers():
            try:
                mib += await trio.to_thread.run_sync(written_kib, worker.pid) / 1024
                fds += worker.num_fds()
                threads += worker.num_threads()
                now[worker.pid] = cpu_seconds(worker.pid)
                workers += 1
            except (psutil.Error, OSError):  # it has just ended
                continue
        self._cpu_of_the_dead += sum(used for pid, used in self._cpu.items() if pid not in now)
        self._cpu = now
        return Cost(
            trio.current_time(),
            sum(now.values()) + self._cpu_of_the_dead,
            written_kib(self.process.pid) / 1024,
            mib,
            workers,
            server.num_fds(),
            fds,
            server.num_threads(),
            threads,
            int(metrics["rookery_tasks"]),
            int(metrics.get("rookery_connects_total", 0)),
        )


@asynccontextmanager
async def open_served(directory: Path, environment: Mapping[str, str]) -> AsyncIterator[Served]:
    """Listening in the block; afterwards stopped, which has to end with exit code 0."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ROOKERY_", "DATABASE_URL"))}
    log = directory / "server.log"
    with log.open("ab") as errors:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "rookery_http", "serve"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={
                **inherited,
                "ROOKERY_DATA_DIR": str(directory),
                "ROOKERY_PORT": "0",
                "ROOKERY_WHATSAPP_WORKER": WORKER,
                "LOG_LEVEL": "WARNING",
                **environment,
            },
        )
    served = Served(process, log)
    try:
        served.api = _client(await _address(process, log))
        try:
            yield served
        finally:
            await served.api.aclose()
        process.send_signal(signal.SIGTERM)
        with trio.move_on_after(20):
            await process.wait()
        if process.returncode != 0:
            raise SystemExit(f"the server ended with {process.returncode}: see {log}")
    finally:
        with trio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.wait()
            if process.stdout is not None:
                await process.stdout.aclose()


def _client(url: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=20, max_keepalive_connections=20)
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=30, limits=limits)


async def _address(process: trio.Process, log: Path) -> str:
    assert process.stdout is not None
    output = ""
    with trio.move_on_after(START_TIMEOUT):
        async for chunk in process.stdout:
            output += chunk.decode()
            if found := LISTENS.search(output):
                return found[1]
    raise SystemExit(f"the server did not start: see {log}")
