"""Imports at the start: libraries that only some calls need are imported by the first such call."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
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


def test_the_collector_passes_over_what_was_loaded_and_looks_for_garbage_seldom() -> None:
    code = """
import gc
from rookery_http.start import _quick_imports
with _quick_imports():
    pass
print(gc.isenabled(), gc.get_freeze_count() > 0, gc.get_threshold()[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "5000"]


MOST_MODULES = 935
"""What `rookery serve` may import until it has stopped again. Three quarters of the time of a start are imports."""

UNNEEDED = {
    *("typer", "click", "rich.text", "pygments.token"),
    *("httpx", "httpcore", "anyio", "h2", "h2.events", "wsproto"),
    *("hypercorn.asyncio", "hypercorn.trio", "jinja2", "jinja2.environment", "werkzeug.serving", "aiofiles"),
    *("asyncpg", "neonize", "nats", "aio_pika", "coredis", "prometheus_client", "segno", "importlib.metadata"),
    *("rookery_http.description.openapi", "rookery_http.operate.doctor", "rookery_http.output.docs_page"),
    *("rookery.delivery.transports.http", "rookery_telegram.bot_api.api", "rookery_telegram.link"),
    *("rookery_whatsapp.link.link", "rookery.store.postgres.store"),
}
"""What `rookery serve` does not load before a bot, an account, an endpoint or a call needs it."""


@contextmanager
def serving(tmp_path: Path, *options: str) -> Iterator[str]:
    """The address of a server in a process of its own, started as a service starts it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ROOKERY_", "DATABASE_"))}
    with (
        (tmp_path / "errors").open("w") as errors,
        subprocess.Popen(
            [sys.executable, *options, "-m", "rookery_http", "serve"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**inherited, "ROOKERY_DATA_DIR": str(tmp_path / "data"), "ROOKERY_PORT": "0"},
        ) as server,
    ):
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()
    assert server.returncode == 0


def test_the_server_starts_with_few_modules_and_without_the_command_line(tmp_path: Path) -> None:
    with serving(tmp_path, "-X", "importtime"):
        pass
    lines = [line for line in (tmp_path / "errors").read_text().splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip() for line in lines}
    assert "rookery_http.app" in imported
    assert imported & UNNEEDED == set()
    assert len(imported) <= MOST_MODULES


def test_the_server_answers_everything_although_it_left_out_modules(tmp_path: Path) -> None:
    """Of Quart, only what we use: the dashboard, paths that are unknown, errors and WebSockets, whose libraries come
    with the first one."""
    with serving(tmp_path) as url, httpx.Client(base_url=url, trust_env=False) as client:
        assert client.get("/dashboard").text.startswith("<!doctype html>")
        assert client.get("/dashboard/main.js", headers={"Accept-Encoding": "gzip"}).status_code == 200
        assert client.post("/dashboard/main.js").status_code == 405
        assert client.get("/dashboard/none.js").status_code == 404
        assert client.post("/dashboard/none.js").status_code == 404
        assert client.get("/v1/none").status_code == 404
        assert client.get("/docs").text.startswith("<!doctype html>")
        assert client.get("/metrics").status_code == 200
        assert client.get("/v1/doctor").status_code == 200
        upgrade = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        }
        with client.stream("GET", "/v1/events/ws", headers=upgrade) as answer:
            assert answer.status_code == 101
    assert "Traceback" not in (tmp_path / "errors").read_text()


@pytest.mark.parametrize("command", ["sessions list", "health", "events"])
def test_a_command_starts_without_event_loops_and_servers(command: str) -> None:
    code = f"from rookery_http.cli.application import run; run({[*command.split(), '--url', 'http://127.0.0.1:9']!r})"
    assert (
        loaded(code, {"trio", "anyio", "h2", "quart", "hypercorn", "rookery", "prometheus_client", "httpx._main"}) == []
    )
    others = {f"rookery_http.cli.{name}" for name in ("keys", "media", "messages", "webhooks", "sinks", "server")}
    assert loaded(code, others) == []


def test_the_help_is_shown_without_libraries_for_markup() -> None:
    code = "from rookery_http.cli.application import run; run(['--help'])"
    assert loaded(code, {"pygments", "markdown_it", "httpx", "trio", "rookery", "email", "msgspec"}) == []
