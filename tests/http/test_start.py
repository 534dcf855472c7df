"""Which modules a start loads. Its time depends on the machine; the modules do not."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = ("quart", "hypercorn", "asyncpg", "neonize", "httpx", "trio", "rich", "cryptography", "importlib.metadata")
SERVER_ONLY = ("rookery.engine", "rookery_telegram", "rookery_whatsapp")


def loaded_by(*arguments: str) -> set[str]:
    """The modules of a process that ran one command against a port where no server listens."""
    program = (
        "import atexit, sys; atexit.register(lambda: sys.stderr.write('LOADED ' + ' '.join(sys.modules)))\n"
        "from rookery_http.cli import main; sys.exit(main())"
    )
    environment = {**os.environ, "ROOKERY_URL": "http://127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment, capture_output=True, text=True, timeout=60
    )
    assert "LOADED " in done.stderr, done.stderr
    return set(done.stderr.partition("LOADED ")[2].split())


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (("healthcheck",), set()),
        (("keys", "generate-secret"), set()),
        (("--version",), {"importlib.metadata"}),
        (("settings",), set()),
        (("sessions", "list"), {"httpx"}),
        (("events",), {"httpx"}),
        (("webhooks", "list"), {"httpx"}),
    ],
)
def test_a_command_loads_no_part_of_the_server(arguments: tuple[str, ...], allowed: set[str]) -> None:
    unwanted = {*HEAVY, *SERVER_ONLY, "rookery_client.typed_events"} - allowed
    assert loaded_by(*arguments) & unwanted == set()


def test_doctor_loads_no_part_of_the_http_server() -> None:
    unwanted = {
        "quart",
        "flask",
        "hypercorn",
        "neonize",
        "rookery_http.app",
        "rookery_http.api",
        "rookery_http.compose",
    }
    assert loaded_by("doctor") & unwanted == set()


def test_a_server_loads_no_library_of_a_database_or_platform_that_it_may_not_need() -> None:
    program = "import sys, rookery_http.compose; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    unwanted = {"asyncpg", "neonize", "nats", "aio_pika", "coredis", "segno", "typer", "rookery_http.description"}
    assert set(done.stdout.split()) & unwanted == set()
