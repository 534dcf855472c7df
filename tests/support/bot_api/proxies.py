"""Real proxies in processes of their own, on free ports of loopback; https ones with a certificate of a private authority."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
import trustme

from support.waiting import until_found

USER, PASSWORD = "alice", "s3cret-of-the-proxy"


class Proxy:
    """`url` has the credentials in it, if the proxy wants some. `ca_bundle` signs an https proxy's certificate."""

    def __init__(self, url: str, start: Callable[[], Awaitable[trio.Process]], ca_bundle: Path | None = None) -> None:
        self.url = url
        self.ca_bundle = ca_bundle
        self._start = start
        self._process: trio.Process | None = None

    async def start(self) -> None:
        """Run it, perhaps again, at the same address."""
        self._process = await self._start()

    async def die(self) -> None:
        """End it at once, with every connection through it."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def open_proxy(scheme: str, *, credentials: bool = False) -> AsyncIterator[Proxy]:
    """`scheme` is http, https (TLS to the proxy) or socks5."""
    with TemporaryDirectory() as directory:
        async with _running(scheme, Path(directory), credentials=credentials) as proxy:
            yield proxy


async def answers(port: int) -> bool:
    """Whether something listens there."""
    try:
        await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
    except OSError:
        return False
    return True


@asynccontextmanager
async def _running(scheme: str, directory: Path, *, credentials: bool) -> AsyncIterator[Proxy]:
    tls: list[str] = []
    ca_bundle: Path | None = None
    if scheme == "https":
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        both, ca_bundle = directory / "proxy.pem", directory / "ca.pem"
        certificate.private_key_and_cert_chain_pem.write_to_path(str(both))
        authority.cert_pem.write_to_path(str(ca_bundle))
        tls = ["--ssl", str(both)]
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    account = f"#{USER}:{PASSWORD}" if credentials else ""
    command = [
        sys.executable,
        "-m",
        "pproxy",
        "-l",
        f"{'http+ssl' if tls else scheme}://127.0.0.1:{port}{account}",
        *tls,
    ]
    async with trio.open_nursery() as nursery:

        async def start() -> trio.Process:
            with open(os.devnull, "wb") as nowhere:  # noqa: ASYNC230 - no disk behind it
                process: trio.Process = await nursery.start(
                    partial(trio.run_process, command, stdout=nowhere, stderr=nowhere, check=False)
                )
            await until_found(lambda: answers(port), seconds=30)
            return process

        user = f"{USER}:{PASSWORD}@" if credentials else ""
        proxy = Proxy(f"{scheme}://{user}127.0.0.1:{port}", start, ca_bundle)
        await proxy.start()
        try:
            yield proxy
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 10):
                await proxy.die()
            nursery.cancel_scope.cancel()
