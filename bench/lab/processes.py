"""The simulator and the measured clients, each in a process of its own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

CLIENTS = Path(__file__).parent.parent / "clients"
DEFAULT_PEERS = Path(__file__).parent.parent / ".venv" / "bin" / "python"
TICKS = os.sysconf("SC_CLK_TCK")


def raise_file_limit(wanted: int = 16_384) -> None:
    """A thousand bots are some thousand sockets. Child processes inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def unique_kib(pid: int | str = "self") -> int:
    """KiB of memory that only this process has (USS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))


def written_kib(pid: int | str = "self") -> int:
    """KiB of private memory that this process has written. Unlike the USS it does not grow when another process that had the
    same program in memory ends."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Dirty", "Swap:")))


class Simulator:
    """`python -m rookery_simulator telegram` for the duration of a `with` block, steered through its control API."""

    def __init__(self, *options: str, core: int | None = None) -> None:
        self._command = [sys.executable, "-m", "rookery_simulator", "telegram", *options]
        self._core = core

    def __enter__(self) -> Simulator:
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        if self._core is not None:
            os.sched_setaffinity(self.process.pid, {self._core})
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split()[-1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait()

    @property
    def cpu(self) -> float:
        """Seconds of CPU time that the server has used."""
        return cpu_seconds(self.process.pid)

    def control(self, path: str, body: object = None, *, method: str | None = None) -> Any:
        """One control request; POST when there is a body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/control{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["result"]

    def new_bots(self, count: int) -> list[str]:
        """Tokens of fresh bots."""
        tokens: list[str] = self.control("/bots", {"count": count})
        return tokens

    def polls(self, token: str, *, after: int = 0, limit: int = 1_000_000) -> list[dict[str, Any]]:
        """The getUpdates calls of a bot, in order of arrival."""
        found: list[dict[str, Any]] = self.control(f"/bots/{token}/polls?after={after}&limit={limit}")["polls"]
        return found

    def sent(self, token: str) -> list[dict[str, Any]]:
        """What a bot sent, in order."""
        found: list[dict[str, Any]] = self.control(f"/bots/{token}/sent?limit=1000000")
        return found


class ClientFailed(Exception):
    """A measured client did not come to its end."""


def run_client(
    program: str | Path, script: str, arguments: Sequence[object], *, seconds: float = 600, core: int | None = None
) -> Any:
    """Run `clients/<script>` to its end, on one core if `core` is given; returns the JSON of its last line of output."""
    command = [str(program), str(CLIENTS / script), *map(str, arguments)]
    if core is not None:
        command = ["taskset", "--cpu-list", str(core), *command]
    with tempfile.TemporaryFile("w+") as errors:
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise ClientFailed(f"{script} did not end within {seconds:g} s") from None
        if done.returncode or not done.stdout.strip():
            errors.seek(0)
            raise ClientFailed(f"{script} ended with {done.returncode}:\n{errors.read()[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


class RunningClient:
    """A client that goes on until its standard input is closed and prints JSON lines meanwhile."""

    def __init__(self, python: str | Path, script: str, arguments: Sequence[object]) -> None:
        command = [str(python), str(CLIENTS / script), *map(str, arguments)]
        self.started_at = time.time()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def read(self) -> Any:
        """The next line that it prints."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise ClientFailed(f"a client ended with {self.process.wait()}")
        return json.loads(line)

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def finish(self, seconds: float = 60) -> int:
        """Let it end; returns the exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
