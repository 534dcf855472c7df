"""Two PostgreSQL servers: a primary whose commits wait for a standby, which can take over."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from .postgres import _FILE, DURABLE

SYNC_TIMEOUT = 30.0


class Pair:
    """`current` is the server that takes writes."""

    def __init__(self, primary: Any, standby: Any) -> None:
        self.current = primary
        self._standby = standby

    @property
    def url(self) -> str:
        """Of the server that takes writes."""
        return str(self.current.url)

    def fail_over(self) -> None:
        """The primary is gone at once; the standby takes over."""
        self.current.stop(signal.SIGQUIT)
        self._standby._run("pg_ctl", "promote", "-w", "-D", "data")
        self.current, self._standby = self._standby, None

    def terminate_backends(self) -> int:
        """End every connection to the server, as an administrator does; returns how many there were."""
        sql = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return int(_ask(self.url, sql))


def _ask(url: str, *statements: str) -> Any:
    async def ask() -> Any:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(ask())


@contextmanager
def primary_and_standby() -> Iterator[Pair]:
    """Running in the block."""
    spec = importlib.util.spec_from_file_location("postgres_server", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    class Standby(module.PostgresServer):  # type: ignore[name-defined,misc]
        def copy(self, port: int) -> None:
            if self._user is not None:
                shutil.chown(self._directory, self._user)
            self._run(
                "pg_basebackup",
                *(
                    "-h",
                    "127.0.0.1",
                    "-p",
                    str(port),
                    "-U",
                    "rookery",
                    "-D",
                    "data",
                    "-R",
                    "-X",
                    "stream",
                    "-c",
                    "fast",
                ),
            )

        def _ready(self) -> bool:
            try:
                lines = (self._directory / "data" / "postmaster.pid").read_text().splitlines()
            except OSError:
                return False
            return bool(lines) and lines[-1].strip() in ("ready", "standby")

    with (
        tempfile.TemporaryDirectory(prefix="rookery-primary-") as first,
        tempfile.TemporaryDirectory(prefix="rookery-standby-") as second,
    ):
        for directory in (first, second):
            Path(directory).chmod(0o755)
        binaries = module.find_binaries()
        primary = module.PostgresServer(binaries, Path(first), *DURABLE)
        standby = Standby(binaries, Path(second), *DURABLE)
        primary.create()
        primary.start()
        try:
            standby.copy(primary.port)
            standby.start()
            try:
                _ask(primary.url, "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
                until = time.monotonic() + SYNC_TIMEOUT
                while _ask(primary.url, "SELECT sync_state FROM pg_stat_replication") != "sync":
                    if time.monotonic() > until:
                        raise SystemExit("the standby does not follow")
                    time.sleep(0.1)
                yield Pair(primary, standby)
            finally:
                standby.stop()
        finally:
            primary.stop(signal.SIGQUIT)
