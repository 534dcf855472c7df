"""Real brokers, each a process of its own on a free loopback port, with its data in a directory of the test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

START_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class Broker:
    """`url` is the address for a sink. `restart` kills it as a crash would and starts it with the same data and port."""

    def __init__(self, kind: str, port: int, command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> None:
        self.kind = kind
        self.port = port
        self.url = f"{kind}://127.0.0.1:{port}"
        self._command = command
        self._environment = environment
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Returns when it answers in its own protocol."""
        with (self._cwd / "output").open("ab") as output:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
                self._command,
                env=os.environ | dict(self._environment),
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        with trio.fail_after(START_SECONDS):
            while not await self._answers():
                assert self._process.poll() is None, (self._cwd / "output").read_text(errors="replace")
                await trio.sleep(0.05)

    async def kill(self) -> None:
        """kill -9, with all that it started."""
        process, self._process = self._process, None
        if process is not None:
            os.killpg(process.pid, signal.SIGKILL)
            await trio.to_thread.run_sync(process.wait)

    async def restart(self) -> None:
        await self.kill()
        await self.start()

    async def _answers(self) -> bool:
        hello = {"nats": b"", "redis": b"PING\r\n", "amqp": b"AMQP\x00\x00\x09\x01"}[self.kind]
        begins = {"nats": b"INFO", "redis": b"+PONG", "amqp": b"\x01\x00"}[self.kind]
        with trio.move_on_after(2):
            try:
                async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
                    if hello:
                        await stream.send_all(hello)
                    return (await stream.receive_some(64)).startswith(begins)
            except (OSError, trio.BrokenResourceError):
                return False
        return False


def _nats(directory: Path, port: int) -> Broker:
    command = [_program("nats-server"), "-js", "-sd", str(directory / "data"), "-a", "127.0.0.1", "-p", str(port)]
    return Broker("nats", port, command, {}, directory)


def _redis(directory: Path, port: int) -> Broker:
    command = [_program("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--dir", str(directory)]
    return Broker(
        "redis", port, [*command, "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""], {}, directory
    )


def _amqp(directory: Path, port: int) -> Broker:
    environment = {
        "HOME": str(directory),
        "RABBITMQ_NODENAME": f"test{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_CONF_ENV_FILE": str(directory / "none"),
        "RABBITMQ_CONFIG_FILE": str(directory / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "none"),
        "RABBITMQ_PID_FILE": str(directory / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1",
        "ERL_EPMD_PORT": str(free_port()),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    # The package's wrapper would become another user and use the system's directories.
    return Broker("amqp", port, ["/usr/lib/rabbitmq/bin/rabbitmq-server"], environment, directory)


KINDS: Mapping[str, Callable[[Path, int], Broker]] = {"nats": _nats, "amqp": _amqp, "redis": _redis}
_NEEDS = {"nats": "nats-server", "amqp": "rabbitmq-server", "redis": "redis-server"}


@asynccontextmanager
async def open_broker(kind: str, directory: Path) -> AsyncIterator[Broker]:
    """A running broker of this kind; skips the test where its program is not installed and this is not the gate."""
    if shutil.which(_NEEDS[kind]) is None and not os.environ.get("CI"):
        pytest.skip(f"{_NEEDS[kind]} is not installed")
    place = directory / kind
    place.mkdir()
    broker = KINDS[kind](place, free_port())
    try:
        await broker.start()
        yield broker
    finally:
        with trio.CancelScope(shield=True):
            await broker.kill()


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found is not None, f"{name} is not installed"
    return found
