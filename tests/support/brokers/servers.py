"""Real brokers, each a process of its own on a free loopback port, with its data in a directory of the test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

START_SECONDS = 60.0
USER, SECRET = "rookery-user", "broker-pass-word"
"""What a broker with encryption asks for."""


@dataclass(frozen=True)
class TlsFiles:
    """PEM files of a broker: who signed, its certificate, its key."""

    authority: Path
    certificate: Path
    key: Path


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class Broker:
    """`url` is the address for a sink. `restart` kills it as a crash would and starts it with the same data and port.
    `context` trusts a broker with encryption; None: there is no encryption, and no password is asked for."""

    def __init__(
        self,
        kind: str,
        port: int,
        command: Sequence[str],
        environment: Mapping[str, str],
        cwd: Path,
        tls: TlsFiles | None = None,
    ) -> None:
        self.kind = kind
        self.port = port
        self.url = f"{kind}://127.0.0.1:{port}"
        self.context: ssl.SSLContext | None = None
        if tls is not None:
            scheme = {"nats": "tls", "amqp": "amqps", "redis": "rediss"}[kind]
            self.url = f"{scheme}://{'default' if kind == 'redis' else USER}:{SECRET}@127.0.0.1:{port}"
            self.context = ssl.create_default_context(cafile=tls.authority)
        self.command = list(command)
        self._environment = environment
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Returns when it answers in its own protocol."""
        with (self._cwd / "output").open("ab") as output:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
                self.command,
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
        begins = {"nats": (b"INFO",), "redis": (b"+PONG", b"-NOAUTH"), "amqp": (b"\x01\x00",)}[self.kind]
        with trio.move_on_after(2):
            try:
                async with await trio.open_tcp_stream("127.0.0.1", self.port) as plain:
                    stream: trio.abc.Stream = plain
                    if self.context is not None and self.kind != "nats":  # NATS says who it is before it encrypts
                        stream = trio.SSLStream(plain, self.context, server_hostname="127.0.0.1")
                    if hello:
                        await stream.send_all(hello)
                    return (await stream.receive_some(64)).startswith(begins)
            except (OSError, trio.BrokenResourceError):
                return False
        return False


def _nats(directory: Path, port: int, tls: TlsFiles | None) -> Broker:
    command = [_program("nats-server"), "-js", "-sd", str(directory / "data"), "-a", "127.0.0.1", "-p", str(port)]
    if tls is not None:
        command += [
            "--tls",
            "--tlscert",
            str(tls.certificate),
            "--tlskey",
            str(tls.key),
            "--user",
            USER,
            "--pass",
            SECRET,
        ]
    return Broker("nats", port, command, {}, directory, tls)


def _redis(directory: Path, port: int, tls: TlsFiles | None) -> Broker:
    command = [_program("redis-server"), "--bind", "127.0.0.1", "--dir", str(directory)]
    if tls is None:
        command += ["--port", str(port)]
    else:
        command += ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", "--requirepass", SECRET]
        command += ["--tls-ca-cert-file", str(tls.authority)]
        command += ["--tls-cert-file", str(tls.certificate), "--tls-key-file", str(tls.key)]
    command += ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
    return Broker("redis", port, command, {}, directory, tls)


def _amqp(directory: Path, port: int, tls: TlsFiles | None) -> Broker:
    configuration = directory / "none"
    if tls is not None:
        configuration = directory / "rabbitmq.conf"
        configuration.write_text(
            f"listeners.tcp = none\nlisteners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {tls.authority}\n"
            f"ssl_options.certfile = {tls.certificate}\nssl_options.keyfile = {tls.key}\nssl_options.verify = verify_none\n"
            f"ssl_options.fail_if_no_peer_cert = false\ndefault_user = {USER}\ndefault_pass = {SECRET}\n"
        )
    environment = {
        "HOME": str(directory),
        "RABBITMQ_NODENAME": f"test{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_CONF_ENV_FILE": str(directory / "none"),
        "RABBITMQ_CONFIG_FILE": str(configuration),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "none"),
        "RABBITMQ_PID_FILE": str(directory / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1",
        "ERL_EPMD_PORT": str(free_port()),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    # The package's wrapper would become another user and use the system's directories.
    return Broker("amqp", port, ["/usr/lib/rabbitmq/bin/rabbitmq-server"], environment, directory, tls)


KINDS: Mapping[str, Callable[[Path, int, TlsFiles | None], Broker]] = {"nats": _nats, "amqp": _amqp, "redis": _redis}
_NEEDS = {"nats": "nats-server", "amqp": "rabbitmq-server", "redis": "redis-server"}


@asynccontextmanager
async def open_broker(
    kind: str, directory: Path, *, tls: TlsFiles | None = None, configuration: str | None = None
) -> AsyncIterator[Broker]:
    """A running broker of this kind, with encryption and a password if `tls` is given; skips the test where its program is
    not installed and this is not the gate. `configuration` is the text of a file, for NATS alone."""
    if shutil.which(_NEEDS[kind]) is None and not os.environ.get("CI"):
        pytest.skip(f"{_NEEDS[kind]} is not installed")
    place = directory / kind
    place.mkdir()
    broker = KINDS[kind](place, free_port(), tls)
    if configuration is not None:
        assert kind == "nats"
        (place / "configuration").write_text(configuration)
        broker.command += ["-c", str(place / "configuration")]
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
