"""The server beneath the API: what clients that stall, idle or send too much can do to it, and how it stops."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from rookery.errors import InvalidInput
from rookery_http.server import connection
from rookery_http.server.server import CannotListen, open_listeners
from support.waiting import until


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[trio.SocketStream]:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        yield stream


async def read_answer(stream: trio.SocketStream) -> tuple[int, bytes]:
    """One answer with a Content-Length: its status and body."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = await stream.receive_some()
        assert piece, received
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    while len(body) < int(headers.get("content-length", 0)):
        body += await stream.receive_some()
    return int(lines[0].split()[1]), body


GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def test_an_idle_client_does_not_delay_the_shutdown(serve: Any) -> None:
    async with serve(drain=20.0) as served, connected(served.port) as idle, connected(served.port) as silent:
        await idle.send_all(GET)
        assert (await read_answer(idle))[0] == 200
        before = trio.current_time()
        served.stop.set()
        with trio.fail_after(20):
            assert await idle.receive_some() == b""
            assert await silent.receive_some() == b""
        assert trio.current_time() - before < 10


async def test_idle_connections_are_closed_after_the_keep_alive_time(serve: Any) -> None:
    async with serve(keep_alive=0.2) as served, connected(served.port) as idle, connected(served.port) as silent:
        await idle.send_all(GET)
        assert (await read_answer(idle))[0] == 200
        with trio.fail_after(10):
            assert await idle.receive_some() == b""
            assert await silent.receive_some() == b""


def tasks_named(word: str) -> int:
    def count(task: trio.lowlevel.Task) -> int:
        children = (child for nursery in task.child_nurseries for child in nursery.child_tasks)
        return (word in task.name) + sum(map(count, children))

    root = trio.lowlevel.current_root_task()
    assert root is not None
    return count(root)


async def test_clients_that_hang_up_with_their_answer_leave_nothing_behind(serve: Any) -> None:
    """The end of an answer and the end of its connection may come in either order."""
    async with serve(keep_alive=600) as served:
        for _ in range(60):
            async with connected(served.port) as client:
                await client.send_all(GET)
                assert (await read_answer(client))[0] == 200
        await until(lambda: not tasks_named("_close_when_idle"), seconds=20)


async def test_a_connection_serves_many_requests(serve: Any) -> None:
    async with serve(keep_alive=5) as served, connected(served.port) as stream:
        for _ in range(50):
            await stream.send_all(GET)
            assert (await read_answer(stream))[0] == 200
        await stream.send_all(GET * 5)  # pipelined
        received = b""
        with trio.fail_after(10):
            while received.count(b'{"status":"ok"}') < 5:
                received += await stream.receive_some()


async def test_stopping_refuses_new_connections_and_lets_requests_end(serve: Any) -> None:
    async with serve(drain=3.0) as served:
        await served.add()
        served.parrot.hold = trio.Event()
        answers: list[httpx.Response] = []

        async def slow() -> None:
            answers.append(await served.client.post("/v1/sessions/polly/messages", json={"to": "7", "text": "hi"}))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(slow)
            with trio.fail_after(10):
                await served.parrot.sending.wait()
            served.stop.set()
            with trio.fail_after(10):
                await _refused(served.port)
        assert answers[0].status_code == 202, "a waiting send is answered at once with how far it is"
        assert answers[0].json()["state"] in ("queued", "sending")
        served.parrot.hold.set()


async def test_a_stalled_reader_does_not_outlast_the_drain(serve: Any) -> None:
    async with serve(drain=0.5) as served:
        await served.add()
        stalled = await trio.open_tcp_stream("127.0.0.1", served.port)  # open until the server is gone
        await stalled.send_all(b"GET /v1/events/stream?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for _ in range(60):  # far more than the socket buffers of both sides
            await served.parrot.say("polly", "x" * 200_000)
        assert await stalled.receive_some(1000)
        await trio.testing.wait_all_tasks_blocked(0.05)
        before = trio.current_time()
    assert trio.current_time() - before < 10
    await stalled.aclose()


async def test_a_reader_that_stalls_for_long_is_cut_off(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SEND_TIMEOUT", 0.3)
    async with serve() as served:
        await served.add()
        async with connected(served.port) as stalled:
            await stalled.send_all(b"GET /v1/events/stream?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            for _ in range(60):
                await served.parrot.say("polly", "x" * 200_000)
            # The time itself is tested: nothing that the client may see without reading tells that it was cut off.
            await trio.sleep(1.0)
            received = 0
            with trio.fail_after(15), suppress(trio.BrokenResourceError):
                while piece := await stalled.receive_some():
                    received += len(piece)
            assert received < 60 * 200_000


async def _refused(port: int) -> None:
    while True:
        try:
            async with connected(port):
                await trio.sleep(0.01)
        except OSError:
            return


@pytest.mark.parametrize("chunked", [True, False])
async def test_after_413_the_client_reads_the_answer_and_goes_on(serve: Any, chunked: Any) -> None:
    async with serve(max_body=10_000) as served:

        async def body() -> AsyncIterator[bytes]:
            for _ in range(400):
                yield b"x" * 65536

        for _ in range(10):
            content = body() if chunked else b"x" * 400 * 65536
            answer = await served.client.post(
                "/v1/sessions/a/messages", content=content, headers={"Content-Type": "application/json"}
            )
            assert answer.status_code == 413
            assert answer.json()["type"] == "urn:rookery:problem:too-large"
            with trio.fail_after(10):
                assert (await served.client.get("/healthz")).status_code == 200


async def test_after_a_413_the_same_connection_never_hangs(serve: Any) -> None:
    async with serve(max_body=1000) as served:
        for _ in range(30):
            async with connected(served.port) as stream:
                await stream.send_all(
                    b"POST /v1/sessions/a/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n" + b"800\r\n" + b"x" * 2048 + b"\r\n"
                )
                with trio.fail_after(10):
                    assert (await read_answer(stream))[0] == 413
                    await stream.send_all(b"0\r\n\r\n" + GET)
                    rest = b""
                    while piece := await stream.receive_some():  # either the next answer or the end, at once
                        rest += piece
                        if b'{"status":"ok"}' in rest:
                            break


async def test_a_body_that_does_not_arrive_is_a_408(serve: Any) -> None:
    async with serve(body_timeout=0.2) as served, connected(served.port) as stream:
        await stream.send_all(
            b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        )
        with trio.fail_after(10):
            status, body = await read_answer(stream)
        assert status == 408
        assert json.loads(body)["status"] == 408


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET /nowhere HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
async def test_malformed_http_is_a_problem_document(served: Any, request_bytes: Any) -> None:
    async with connected(served.port) as stream:
        await stream.send_all(request_bytes)
        with trio.fail_after(12):
            status, body = await read_answer(stream)
        assert 400 <= status < 500
        assert json.loads(body)["status"] == status
    assert (await served.client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    "target", [b"?x", b"*", b"//", b"http://localhost/healthz", b"/%00", b"/%ff%fe", b"/healthz%2f", b"/..%2f..", b"/#"]
)
@pytest.mark.parametrize("method", [b"GET", b"OPTIONS", b"HEAD", b"POST", b"TRACE", b"FROB"])
async def test_odd_targets_and_methods_are_never_a_server_error(served: Any, target: Any, method: Any) -> None:
    async with connected(served.port) as stream:
        await stream.send_all(method + b" " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = b""
        with trio.fail_after(10):
            while piece := await stream.receive_some():
                received += piece
    assert int(received.split()[1]) < 500, received


async def test_upgrades_are_not_errors(served: Any) -> None:
    async with connected(served.port) as stream:
        await stream.send_all(
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        )
        assert (await read_answer(stream))[0] == 200
    async with connected(served.port) as stream:
        await stream.send_all(
            b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        with trio.fail_after(10):
            assert 400 <= (await read_answer(stream))[0] < 500


async def test_the_port_that_the_system_chose_is_reported(served: Any) -> None:
    assert served.port > 0
    assert served.url == f"http://127.0.0.1:{served.port}"


async def test_a_taken_port_is_a_clear_error(served: Any) -> None:
    with pytest.raises(CannotListen, match="in use; stop the other program or set ROOKERY_PORT"):
        await open_listeners("127.0.0.1", served.port)
    with pytest.raises(CannotListen, match="ROOKERY_HOST"):
        await open_listeners("192.0.2.1", 0)
    with pytest.raises(CannotListen, match="correct ROOKERY_HOST"):
        await open_listeners("256.1.1.1", 0)


async def test_an_ipv6_address_may_stand_in_brackets() -> None:
    [listener] = await open_listeners("[::1]", 0)
    assert listener.socket.getsockname()[0] == "::1"
    await listener.aclose()


async def test_beyond_loopback_a_key_is_needed(serve: Any) -> None:
    refused = pytest.RaisesExc(InvalidInput, match="ROOKERY_API_KEY")
    with pytest.RaisesGroup(refused, flatten_subgroups=True, allow_unwrapped=True):
        async with serve(host="0.0.0.0"):
            pass
    async with serve(host="0.0.0.0", key="a-key") as served:
        assert (await served.client.get("/v1/sessions")).status_code == 200
