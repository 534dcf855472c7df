"""Real proxies in processes of their own, on free ports of loopback."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio

USER, PASSWORD = "alice", "s3cret-of-the-proxy"


class Proxy:
    """`url` has the credentials in it, if the proxy wants some."""

    def __init__(self, url: str, process: trio.Process) -> None:
        self.url = url
        self._process = process

    async def die(self) -> None:
        """End it at once, with every connection through it."""
        self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def open_proxy(scheme: str, *, credentials: bool = False) -> AsyncIterator[Proxy]:
    """`scheme` is http or socks5."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    account = f"#{USER}:{PASSWORD}" if credentials else ""
    command = [sys.executable, "-m", "pproxy", "-l", f"{scheme}://127.0.0.1:{port}{account}"]
    async with trio.open_nursery() as nursery:
        with open(os.devnull, "wb") as nowhere:  # noqa: ASYNC230 - no disk behind it
            process: trio.Process = await nursery.start(
                partial(trio.run_process, command, stdout=nowhere, stderr=nowhere, check=False)
            )
        with trio.fail_after(30):
            while True:
                try:
                    await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
                    break
                except OSError:
                    await trio.sleep(0.02)
        user = f"{USER}:{PASSWORD}@" if credentials else ""
        try:
            yield Proxy(f"{scheme}://{user}127.0.0.1:{port}", process)
        finally:
            process.kill()
            nursery.cancel_scope.cancel()
