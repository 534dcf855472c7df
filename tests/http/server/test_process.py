"""`rookery` as a process: how it starts, what it prints, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.clients.command_line import ENVIRONMENT, ROOKERY, rookery


class Process:
    """A server under way."""

    def __init__(self, data: Path, *arguments: str, **variables: str) -> None:
        environment = ENVIRONMENT | {"ROOKERY_PORT": "0", "ROOKERY_DATA_DIR": str(data)} | variables
        self.popen = subprocess.Popen(
            [*ROOKERY, "serve", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.url = ""

    def ready(self) -> str:
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line.startswith("Rookery listens on http://127.0.0.1:"), line + self.popen.stderr.read()  # type: ignore[union-attr]
        self.url = line.split()[-1]
        return self.url

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float, str]:
        """Exit code, seconds, and what was written to stderr."""
        before = time.monotonic()
        self.popen.send_signal(number)
        _, errors = self.popen.communicate(timeout=20)
        return self.popen.returncode, time.monotonic() - before, errors


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Process] = []

    def begin(*arguments: str, **variables: str) -> Process:
        process = Process(tmp_path / "data", *arguments, **variables)
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.popen.poll() is None:
            process.popen.kill()
        process.popen.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_ends_it_in_good_order(start: Any, number: Any) -> None:
    server = start(ROOKERY_SHUTDOWN_GRACE="40")
    url = server.ready()
    with httpx.Client(base_url=url, trust_env=False) as client:
        assert client.get("/readyz").status_code == 200
        code, seconds, errors = server.end(number)  # with an idle connection
    assert code == 0, errors
    assert seconds < 8  # not the time of the drain
    assert "Traceback" not in errors
    lines = [json.loads(line) for line in errors.splitlines()]
    assert [line["event"] for line in lines if line["component"] == "API"][-2:] == ["stopping", "stopped"]


def test_it_names_the_address_of_the_dashboard(start: Any) -> None:
    server = start()
    url = server.ready()
    page = httpx.get(f"{url}/dashboard", trust_env=False)
    assert (page.status_code, page.headers["content-type"].partition(";")[0]) == (200, "text/html")
    server.popen.send_signal(signal.SIGTERM)
    assert server.popen.stdout.read() == f"Dashboard: {url}/dashboard\n"


def test_an_open_stream_does_not_delay_the_end(start: Any) -> None:
    server = start(ROOKERY_SHUTDOWN_GRACE="40")
    url = server.ready()
    with httpx.Client(base_url=url, trust_env=False) as client, client.stream("GET", "/v1/events/stream") as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("retry")
        code, seconds, errors = server.end()
        assert (code, list(lines)[-1:]) == (0, [""]), errors
    assert seconds < 8  # not the time of the drain


def refuses(port: int) -> None:
    """Return once the server takes no more connections."""
    deadline = time.monotonic() + 30
    with suppress(ConnectionRefusedError):
        while time.monotonic() < deadline:
            with suppress(ConnectionResetError):
                socket.create_connection(("127.0.0.1", port)).close()
            time.sleep(0.01)
        raise AssertionError("it still takes connections")


def test_a_second_signal_ends_it_at_once(start: Any) -> None:
    server = start(LOG_LEVEL="ERROR", ROOKERY_SHUTDOWN_GRACE="40")
    url = server.ready()
    port = int(url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as hanging:
        # A request that is never finished keeps the drain busy.
        hanging.sendall(b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        hanging.sendall(b"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n")
        hanging.settimeout(30)
        assert hanging.recv(1000).startswith(b"HTTP/1.1 100 ")
        hanging.sendall(b"{")
        server.popen.send_signal(signal.SIGTERM)
        refuses(port)
        assert server.popen.poll() is None, "it drains"
        code, seconds, errors = server.end(signal.SIGTERM)
    assert code == 128 + signal.SIGTERM
    assert seconds < 8
    assert "Traceback" not in errors


def test_a_signal_before_it_has_begun(start: Any) -> None:
    for delay in (0.1, 0.3, 0.5):
        server = start()
        time.sleep(delay)
        code, _, errors = server.end()
        assert code in (0, -signal.SIGTERM), errors  # the latter: even before the first line of ours
        assert "Traceback" not in errors


def test_signals_while_the_interpreter_ends_change_nothing(start: Any) -> None:
    server = start()
    server.ready()
    server.popen.send_signal(signal.SIGTERM)
    for line in server.popen.stderr:
        if '"stopped"' in line:
            break
    while server.popen.poll() is None:
        server.popen.send_signal(signal.SIGTERM)
        time.sleep(0.001)
    # Everything is closed by now; the very first may still count as the second signal.
    assert server.popen.returncode in (0, 128 + signal.SIGTERM)


@pytest.mark.parametrize(("command", "missing"), [("health", "typer"), ("serve", "quart"), ("--help", "rich")])
def test_an_installation_for_embedding_only_says_what_is_missing(tmp_path: Path, command: Any, missing: Any) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; sys.argv = ['rookery', {command!r}]"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; from rookery_http.cli import main; sys.exit(main())"],
        env=os.environ | {"ROOKERY_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=40,
    )
    assert done.returncode == 1
    assert done.stderr == f"rookery: {missing} is missing: install Rookery with its extra `http`\n"


def test_settings_that_cannot_be_used(tmp_path: Path) -> None:
    strong, address = {"ROOKERY_SECRET_KEY": "k" * 32}, "DATABASE_URL: the address of PostgreSQL cannot be used: "
    for variables, expected in [
        ({"ROOKERY_PORT": "x", "LOG_FORMAT": "y"}, ["ROOKERY_PORT: ", "LOG_FORMAT: "]),
        ({"ROOKERY_HOST": "0.0.0.0"}, ["ROOKERY_API_KEY: "]),
        ({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}, ["ROOKERY_SECRET_KEY: "]),
        ({"ROOKERY_DATA_DIR": __file__}, ["ROOKERY_DATA_DIR: "]),
        ({"ROOKERY_MEDIA": __file__}, ["ROOKERY_MEDIA: "]),
        ({"ROOKERY_MEDIA": "x" * 5000}, ["ROOKERY_MEDIA: "]),
        (
            strong | {"DATABASE_URL": "postgresql://u:hush@[::1/x"},
            [f"{address}its host"],
        ),
        (
            strong | {"DATABASE_URL": "postgresql://u:hush@db:999999/x"},
            [f"{address}a port"],
        ),
    ]:
        done = rookery("serve", **{"ROOKERY_DATA_DIR": str(tmp_path)} | variables)
        assert done.returncode == 2
        assert done.stdout == ""
        lines = done.stderr.splitlines()
        assert len(lines) == len(expected), done.stderr
        for line, start in zip(lines, expected, strict=True):
            assert line.startswith(f"rookery: {start}")
            assert "hush" not in line
    assert rookery("serve", "--port", "x").returncode == 2
    assert rookery("nonsense").returncode == 2


def test_what_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    done = rookery("serve", ROOKERY_DATA_DIR=str(file / "data"), ROOKERY_PORT="0")
    assert done.returncode == 2
    assert done.stderr.startswith("rookery: ROOKERY_DATA_DIR: ")
    assert "Traceback" not in done.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = rookery("serve", ROOKERY_DATA_DIR=str(tmp_path / "d"), ROOKERY_PORT=port)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}: the port is in use" in done.stderr


def test_a_second_server_is_refused_or_waits(start: Any, tmp_path: Path) -> None:
    first = start()
    first.ready()
    refused = rookery("serve", ROOKERY_DATA_DIR=str(tmp_path / "data"), ROOKERY_PORT="0")
    assert refused.returncode == 1
    assert "is in use by process" in refused.stderr
    second = start("--wait")
    given_up = start("--wait", "30")
    for waiting in (second, given_up):
        assert "opening the store" in waiting.popen.stderr.readline()
    assert given_up.end()[0] == 0, "a signal ends the wait"
    assert first.end()[0] == 0
    second.ready()
    assert second.end()[0] == 0


def test_misspelt_variables_are_reported(start: Any) -> None:
    server = start(ROOKERY_PROT="1")
    server.ready()
    assert "ROOKERY_PROT is not a setting; ROOKERY_PORT is" in server.end()[2]


def test_the_commands(start: Any) -> None:
    server = start(ROOKERY_API_KEY="sesame", ROOKERY_TELEGRAM_API_URL="http://127.0.0.1:9")
    variables = {"ROOKERY_URL": server.ready(), "ROOKERY_API_KEY": "sesame"}

    def run(*arguments: str, code: int = 0) -> str:
        done = rookery(*arguments, **variables)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 else done.stderr

    def data(*arguments: str) -> Any:
        return json.loads(run(*arguments, "--json"))

    assert "There are no sessions" in run("sessions", "list")
    token = "123456789:AAEhBOweik9ai2o1B2c3D4e5F6g7H8i9J0k"
    assert "shop" in run("sessions", "add", "shop", "--token", token, "--name", "The shop")
    assert token not in run("sessions", "show", "shop")
    assert data("sessions", "list")[0]["name"] == "The shop"
    assert "shop" in run("sessions", "list", "--platform", "telegram")
    for verb in ("restart", "retry", "stop", "start", "logout"):
        assert data("sessions", verb, "shop")["id"] == "shop"
    assert isinstance(data("sessions", "history", "shop"), list)
    assert "not connected" in run("send", "shop", "42", "hi", code=1).lower()
    hook = data("webhooks", "add", "http://127.0.0.1:9/x", "--session", "shop", "--events", "message,session.status")
    assert hook["events"] == ["message", "session.status"]
    assert hook["id"] in run("webhooks", "list")
    assert data("webhooks", "disable", hook["id"])["enabled"] is False
    assert "There are none" in run("webhooks", "dead-letters", hook["id"])
    assert "0 on their way again" in run("webhooks", "replay", hook["id"])
    assert "deleted" in run("webhooks", "delete", hook["id"])
    assert run("events", "--type", "message") == ""
    assert "session.status" in run("events")
    assert "there is no session 'nobody'" in run("sessions", "show", "nobody", code=1)
    assert "deleted" in run("sessions", "delete", "shop", "--yes")
    variables["ROOKERY_API_KEY"] = "wrong"
    assert "ROOKERY_API_KEY" in run("sessions", "list", code=1)
    variables["ROOKERY_URL"] = "http://127.0.0.1:9"
    assert "no server answers at http://127.0.0.1:9" in run("sessions", "list", code=3)
    variables["ROOKERY_URL"] = "nonsense"
    assert "is not an address" in run("sessions", "list", code=2)
    code, _, errors = server.end()
    assert code == 0
    assert token not in errors
    assert "sesame" not in errors


def test_healthcheck(start: Any) -> None:
    server = start()
    port = server.ready().rpartition(":")[2]
    assert rookery("healthcheck", ROOKERY_PORT=port).returncode == 0
    assert rookery("healthcheck", ROOKERY_PORT=port, ROOKERY_HOST="0.0.0.0").returncode == 0
    assert rookery("healthcheck", ROOKERY_PORT=port, ROOKERY_HOST="auto").returncode == 0
    server.end()
    assert rookery("healthcheck", ROOKERY_PORT=port).returncode == 1
    assert rookery("healthcheck", ROOKERY_PORT="x").returncode == 1
    program = (
        "import sys; from rookery_http import cli; sys.argv=['rookery', 'healthcheck']; cli.main(); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, timeout=20)
    assert not {"quart", "pydantic", "typer", "trio", "httpx", "rich"} & set(done.stdout.split())


def test_descriptions() -> None:
    assert json.loads(rookery("openapi").stdout)["openapi"] == "3.1.0"
    assert rookery("openapi", "--html").stdout.startswith("<!doctype html>")
    assert rookery("--version").stdout.startswith("rookery ")
    assert "| `ROOKERY_HOST` |" in rookery("settings").stdout


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    """As in `rookery openapi | head -1`: it prints no error, and its exit code is 0."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        for command in ("settings", "openapi"):
            ended = subprocess.run(
                [*ROOKERY, command], env=ENVIRONMENT, stdout=writing, stderr=subprocess.PIPE, timeout=30
            )
            assert (ended.returncode, ended.stderr) == (0, b""), command
    finally:
        os.close(writing)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no such device")
def test_output_that_cannot_be_written_is_reported_in_one_line() -> None:
    with open("/dev/full", "wb") as full:
        ended = subprocess.run([*ROOKERY, "settings"], env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, timeout=30)
    assert ended.returncode == 1
    assert ended.stderr.decode().startswith("rookery: ")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("url", ["nothing", "ftp://127.0.0.1:1"])
def test_an_address_that_is_none_is_a_wrong_argument(url: Any) -> None:
    ended = rookery("sessions", "list", "--url", url)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"rookery: '{url}' is not an address such as http://127.0.0.1:8080\n"


def test_closed_standard_streams_are_no_trouble() -> None:
    for closed in ((1,), (0, 1, 2)):
        ended = subprocess.run(
            [*ROOKERY, "settings"],
            env=ENVIRONMENT,
            stderr=subprocess.PIPE,
            timeout=30,
            preexec_fn=lambda closed=closed: [os.close(number) for number in closed],  # type: ignore[func-returns-value,misc]
        )
        assert (ended.returncode, ended.stderr) == (0, b""), closed
