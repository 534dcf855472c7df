"""Files that a message names by a URL: which are fetched, and addresses that must not be called."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from rookery.errors import NotConnected, Rejected
from rookery_whatsapp.link import fetching
from rookery_whatsapp.link.fetching import fetch

LIMIT = 1000
ANSWERS = {
    "/file": b"200 OK\r\nContent-Type: image/png; x=y\r\nContent-Length: 6\r\n\r\nparrot",
    "/chunks": b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\npar\r\n3\r\nrot\r\n0\r\n\r\n",
    "/end": b"200 OK\r\nConnection: close\r\n\r\nparrot",
    "/moved": b"302 Found\r\nLocation: /file\r\nContent-Length: 0\r\n\r\n",
    "/round": b"307 Round\r\nLocation: /round\r\nContent-Length: 0\r\n\r\n",
    "/away": b"302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
    "/large": b"200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000,
    "/gone": b"404 Not Found\r\nContent-Length: 4\r\n\r\nnope",
    "/short": b"200 OK\r\nContent-Length: 50\r\n\r\npar",
}


@asynccontextmanager
async def serving(requests: list[bytes]) -> AsyncIterator[str]:
    async def answer(stream: trio.SocketStream) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += await stream.receive_some()
        requests.append(received)
        await stream.send_all(b"HTTP/1.1 " + ANSWERS[received.split()[1].decode()])

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        yield f"http://localhost:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def test_what_is_taken() -> None:
    requests: list[bytes] = []
    async with serving(requests) as url:
        get = partial(fetch, limit=LIMIT, seconds=20, allow_private=True)
        assert await get(f"{url}/file") == (b"parrot", "image/png")
        assert await get(f"{url}/chunks") == (b"parrot", None)
        assert await get(f"{url}/end") == (b"parrot", None)
        assert await get(f"{url.replace('//', '//user:pass@')}/moved") == (b"parrot", "image/png")
        assert b"\r\nAuthorization: Basic dXNlcjpwYXNz\r\n" in requests[-2]
        for path, told in [
            ("/round", "redirects more than 5 times"),
            ("/away", "http"),
            ("/large", "more than 1000 bytes"),
            ("/gone", "answered 404"),
        ]:
            with pytest.raises(Rejected, match=told):
                await get(url + path)
        with pytest.raises(NotConnected):
            await get(f"{url}/short")
    with pytest.raises(NotConnected):
        await get(f"{url}/file")
    for wrong in ("ftp://localhost/", "nothing", "http://", "http://h:x/", ""):
        with pytest.raises(Rejected, match="url"):
            await get(wrong)


async def test_a_private_address_is_refused_also_behind_a_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[bytes] = []
    async with serving(requests) as url:
        port = url.rpartition(":")[2]
        for host in ("localhost", "127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"):
            with pytest.raises(Rejected, match="`webhook_allow_private`"):
                await fetch(f"http://{host}:{port}/file", limit=LIMIT, seconds=20, allow_private=False)
        assert requests == []

        async def open_first(host: str, port: int) -> trio.SocketStream:
            """The open internet, which has `localhost` and nothing else in this test."""
            if host == "localhost":
                return await trio.open_tcp_stream("127.0.0.1", port)
            return await real(host, port)

        real = fetching._open_public_stream
        monkeypatch.setattr(fetching, "_open_public_stream", open_first)
        monkeypatch.setitem(ANSWERS, "/moved", f"302 Found\r\nLocation: http://127.0.0.1:{port}/file\r\n\r\n".encode())
        with pytest.raises(Rejected, match="open internet"):
            await fetch(f"{url}/moved", limit=LIMIT, seconds=20, allow_private=False)
        assert [request.split()[1] for request in requests] == [b"/moved"]
