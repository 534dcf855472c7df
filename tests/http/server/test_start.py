"""Imports at the start: libraries that only some calls need are imported by the first such call."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PRINT = "import sys; print(*sorted(set(sys.modules) & {names!r}))"


def loaded(code: str, names: set[str]) -> list[str]:
    """Which of these modules a fresh interpreter has after `code`."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; {PRINT.format(names=names)}"], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1].split()


def test_the_server_starts_without_what_only_some_calls_need() -> None:
    names = {"prometheus_client", "segno", "asyncpg", "neonize", "botocore", "rookery_http.description.openapi"}
    assert loaded("import rookery_http.compose", names) == []


MOST_MODULES = 1150
"""What `rookery serve` may import until it has stopped again. Three quarters of the time of a start are imports."""


def test_the_server_starts_with_few_modules_and_without_the_command_line(tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ROOKERY_", "DATABASE_"))}
    with (
        (tmp_path / "imports").open("w") as imports,
        subprocess.Popen(
            [sys.executable, "-X", "importtime", "-m", "rookery_http", "serve"],
            stdout=subprocess.PIPE,
            stderr=imports,
            text=True,
            env={**inherited, "ROOKERY_DATA_DIR": str(tmp_path / "data"), "ROOKERY_PORT": "0"},
        ) as server,
    ):
        assert server.stdout is not None
        assert "listens on" in server.stdout.readline()
        server.terminate()
    assert server.returncode == 0
    lines = [line for line in (tmp_path / "imports").read_text().splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip() for line in lines}
    assert "rookery_http.app" in imported
    unneeded = {"typer", "rich.text", "pygments.token", "prometheus_client", "rookery_http.description.openapi"}
    assert not imported & unneeded
    assert len(imported) <= MOST_MODULES


@pytest.mark.parametrize("command", ["sessions list", "health", "events"])
def test_a_command_starts_without_event_loops_and_servers(command: str) -> None:
    code = f"from rookery_http.cli.application import run; run({[*command.split(), '--url', 'http://127.0.0.1:9']!r})"
    assert (
        loaded(code, {"trio", "anyio", "h2", "quart", "hypercorn", "rookery", "prometheus_client", "httpx._main"}) == []
    )
