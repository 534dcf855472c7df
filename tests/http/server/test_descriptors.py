"""Few file descriptors: the API answers, errors say why, as many sessions are admitted as fit; and pid 1 of a container."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from rookery.errors import LimitReached
from rookery.runtime import descriptors
from rookery.runtime.http_client import CannotConnect, HttpClient
from support.server_process import open_server_process
from support.waiting import until, until_found

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def soft_limit(limit: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_the_api_answers_when_clients_hold_every_descriptor(tmp_path: Path) -> None:
    async with open_server_process(tmp_path, environment={"ROOKERY_KEEP_ALIVE": "600"}) as server:
        port = int((await server.listening()).rpartition(":")[2])
        opened = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (opened + 10, opened + 10))
        async with trio.open_nursery() as nursery:

            async def hold() -> None:
                async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                    await stream.send_all(HEALTH[:20])
                    await trio.sleep_forever()

            for _ in range(40):
                nursery.start_soon(hold)
            await until(lambda: b"no file descriptor is left" in server.errors)
            for _ in range(20):
                with trio.fail_after(10):
                    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                        await stream.send_all(HEALTH)
                        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")
            nursery.cancel_scope.cancel()
        server.send_signal(signal.SIGTERM)
        assert await server.ended(20) == 0


async def test_the_api_answers_from_a_reserve_when_no_connection_can_be_closed(tmp_path: Path) -> None:
    """Event streams are never idle, so none of their descriptors comes back."""
    stream_request = HEALTH.replace(b"/healthz", b"/v1/events/stream")
    async with open_server_process(tmp_path) as server:
        port = int((await server.listening()).rpartition(":")[2])
        opened = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (opened + 10, opened + 10))
        async with AsyncExitStack() as streams:
            with trio.fail_after(20):
                while b"no file descriptor is left" not in server.errors:
                    stream = await streams.enter_async_context(await trio.open_tcp_stream("127.0.0.1", port))
                    # A connection whose request has not arrived is idle, so it may be closed for the next one.
                    with trio.move_on_after(1), contextlib.suppress(trio.BrokenResourceError):
                        await stream.send_all(stream_request)
                        answer = await stream.receive_some()
                        assert answer == b"" or answer.startswith(b"HTTP/1.1 200 ")
            for _ in range(3):
                answer = b""
                with trio.fail_after(10):
                    while not answer:  # it may be closed while it is idle, too, for a stream that has just arrived
                        with contextlib.suppress(trio.BrokenResourceError):
                            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                                await stream.send_all(HEALTH)
                                answer = bytes(await stream.receive_some())
                assert answer.startswith(b"HTTP/1.1 200 ")


async def test_serve_raises_the_soft_limit(tmp_path: Path) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with soft_limit(256):
        async with open_server_process(tmp_path) as server:
            await server.listening()
            limits = await trio.Path(f"/proc/{server.process.pid}/limits").read_text()
            server.send_signal(signal.SIGTERM)
            assert await server.ended(20) == 0
    soft = re.search(r"^Max open files\s+(\S+)", limits, re.MULTILINE)
    assert soft is not None
    assert soft.group(1) == ("unlimited" if hard == resource.RLIM_INFINITY else str(hard))


async def test_a_connection_without_a_descriptor_says_so(served: Any) -> None:
    client = HttpClient("127.0.0.1", served.port, None, max_answer=1000)
    with soft_limit(max(map(int, os.listdir("/proc/self/fd"))) + 1):
        held = []
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        try:
            with pytest.raises(CannotConnect, match=r"Too many open files.*ulimit -n"):
                await client.exchange(HEALTH, connect_seconds=5, read_seconds=5)
            by_name = HttpClient("localhost", served.port, None, max_answer=1000)
            with pytest.raises(CannotConnect, match="Too many open files"):
                await by_name.exchange(HEALTH, connect_seconds=5, read_seconds=5)
        finally:
            for number in held:
                os.close(number)
    assert (await client.exchange(HEALTH, connect_seconds=5, read_seconds=5)).status == 200
    await client.aclose()


def test_hidden_reasons_are_found() -> None:
    group = ExceptionGroup(
        "all", [ConnectionRefusedError(111, "Connection refused"), OSError(24, "Too many open files")]
    )
    hidden = OSError("all attempts to connect to localhost:1 failed")
    hidden.__cause__ = group
    assert "Connection refused; Too many open files" in descriptors.reason_of(hidden)
    assert descriptors.reason_of(ValueError("plain")) == "plain"


async def test_sessions_are_admitted_by_descriptors(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one too many gets an error that names the limit; those that run, and the API, are not disturbed."""
    await served.add("one")
    monkeypatch.setattr(descriptors, "descriptor_limit", lambda: descriptors.open_descriptors() + 16)
    monkeypatch.setattr(descriptors, "FRESH", 0.0)
    answer = await served.client.post(
        "/v1/sessions", json={"id": "two", "platform": "parrot", "credentials": {"token": "1:abc"}}
    )
    assert (answer.status_code, answer.json()["limit"]) == (429, "nofile")
    assert "ulimit -n" in answer.json()["detail"]
    with pytest.raises(LimitReached, match="ulimit"):
        await served.engine.create_session(id="two", platform="parrot", credentials={"token": "1:abc"})
    assert (await served.client.get("/v1/sessions/one")).json()["status"] == "CONNECTED"
    assert served.engine._supervisor._room() == 0
    monkeypatch.setattr(descriptors, "descriptor_limit", lambda: None)
    await served.add("two")


def can_unshare() -> bool:
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return False
    command = ["unshare", "--pid", "--fork", "--mount-proc", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


async def children_of(pid: int) -> list[int]:
    text = await trio.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


@pytest.mark.skipif(not can_unshare(), reason="needs a pid namespace of its own")
async def test_pid_1_reaps_orphans_and_passes_signals_on(tmp_path: Path) -> None:
    command = [
        "unshare",
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
        sys.executable,
        "-m",
        "rookery_http",
        "serve",
    ]
    environment = {**os.environ, "ROOKERY_DATA_DIR": str(tmp_path), "ROOKERY_PORT": "0"}
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, env=environment)
    try:
        with trio.fail_after(40):
            assert b"listens on" in await process.stdout.receive_some()  # type: ignore[union-attr]
            [init] = await children_of(process.pid)
            inside = ["nsenter", "--target", str(init), "--pid", "--mount"]
            await trio.run_process([*inside, "sh", "-c", "for i in 1 2 3 4 5; do (sleep 0.1 &) ; done"])
            await until_found(lambda: children_of(init), lambda found: len(found) == 1)
            os.kill(init, signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
        await process.stdout.aclose()  # type: ignore[union-attr]
