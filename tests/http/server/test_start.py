"""What is imported at the start: libraries that only some calls need wait until somebody asks."""

from __future__ import annotations

import subprocess
import sys

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


@pytest.mark.parametrize("command", ["sessions list", "health", "events"])
def test_a_command_starts_without_event_loops_and_servers(command: str) -> None:
    code = f"from rookery_http.cli.application import run; run({[*command.split(), '--url', 'http://127.0.0.1:9']!r})"
    assert (
        loaded(code, {"trio", "anyio", "h2", "quart", "hypercorn", "rookery", "prometheus_client", "httpx._main"}) == []
    )
