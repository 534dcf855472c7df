"""The simulator's HTTP/1.1 over real sockets: framing, bodies, bounds, clients that misbehave."""

from __future__ import annotations

import json
import socket

import httpx
import pytest
import trio

from rookery_simulator.bot_api import BotApiSimulator, open_bot_api_simulator
from support.clients.bot_api_client import DEADLINE, TOKEN, open_bot_client, wait_until

GET_ME = f"/bot{TOKEN}/getMe"


async def connect(simulator: BotApiSimulator) -> trio.SocketStream:
    url = httpx.URL(simulator.url)
    return await trio.open_tcp_stream(url.host, url.port or 0)


async def receive_all(stream: trio.SocketStream) -> bytes:
    with trio.fail_after(DEADLINE):
        return b"".join([chunk async for chunk in stream])


async def receive_answers(stream: trio.SocketStream, count: int) -> bytes:
    received = b""
    with trio.fail_after(DEADLINE):
        while received.count(b'{"ok":') < count:
            chunk = await stream.receive_some()
            assert chunk, received
            received += chunk
    return received


async def test_one_connection_serves_many_requests() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        for _ in range(3):
            me = await client.result("getMe")
        assert me["is_bot"] is True
        assert me["id"] == 123456
        assert client.bot.calls["getme"] == 3


@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_pipelined_requests_are_answered_in_order_however_they_are_cut(step: int) -> None:
    body = json.dumps({"chat_id": 1, "text": "one"}).encode()
    chunked = b'5\r\n{"cha\r\n1e\r\nt_id": 1, "text": "two words"}\r\n0\r\n\r\n'
    head = f"POST /bot{TOKEN}/sendMessage HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
    requests = (
        head
        + b"Content-Length: %d\r\n\r\n" % len(body)
        + body
        + head
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + chunked
        + f"GET /bot{TOKEN}/sendMessage?chat_id=1&text=three%20%C3%A4 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    )
    async with open_bot_api_simulator() as simulator:
        async with await connect(simulator) as stream:
            for start in range(0, len(requests), step):
                await stream.send_all(requests[start : start + step])
            received = await receive_answers(stream, 3)
        assert received.count(b"HTTP/1.1 200 OK") == 3
        assert [sent.text for sent in simulator.bot(TOKEN).sent] == ["one", "two words", "three ä"]


async def test_requests_sent_ahead_wait_for_a_long_poll() -> None:
    async with open_bot_api_simulator() as simulator, await connect(simulator) as stream:
        bot = simulator.bot(TOKEN)
        await stream.send_all(f"GET /bot{TOKEN}/getUpdates?timeout=50 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await wait_until(simulator, lambda: bot.polls.in_flight == 1)
        await stream.send_all(f"GET {GET_ME} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert bot.calls["getme"] == 0
        bot.push_text("hello")
        received = await receive_answers(stream, 2)
        assert received.index(b"hello") < received.index(b'"is_bot":true,"first_name":"Rookery')


async def test_every_kind_of_body_carries_the_same_parameters() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        path = f"/bot{TOKEN}/sendMessage"
        values = {"chat_id": "5", "text": 'quotes " and ü & =+\r\nlines'}
        await client.http.post(path, json={"chat_id": 5, "text": values["text"]})
        await client.http.post(path, data=values)
        await client.http.post(path, params=values)
        await client.http.get(path, params=values)
        await client.http.post(path, data=values, files={"unused": ("a.txt", b"\r\n--data\r\n")})
        await client.http.post(path, params={"chat_id": "5"}, json={"text": values["text"]})
        assert [(sent.chat_id, sent.text) for sent in client.bot.sent] == [(5, values["text"])] * 6
        assert client.bot.sent[4].files == {"unused": ("a.txt", 10)}


@pytest.mark.parametrize(
    ("content_type", "body", "description"),
    [
        ("application/json", b"{nonsense", "Bad Request: can't parse JSON object"),
        ("application/json", b"[1]", "Bad Request: object expected"),
        ("application/json", b'"\xff"', "Bad Request: can't parse JSON object"),
        ("multipart/form-data", b"x", "Bad Request: boundary not found"),
        ("multipart/form-data; boundary=b", b"--b\r\nx", "Bad Request: multipart body is incomplete"),
        ("multipart/form-data; boundary=b", b"--b\r\nx\r\n--b--", "Bad Request: multipart header is incomplete"),
        ("text/plain", b"chat_id=1", "Bad Request: message text is empty"),
    ],
)
async def test_malformed_bodies(content_type: str, body: bytes, description: str) -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        response = await client.http.post(
            f"/bot{TOKEN}/sendMessage", content=body, headers={"Content-Type": content_type}
        )
        assert response.json() == {"ok": False, "error_code": 400, "description": description}
        await client.result("getMe")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(b"nonsense\r\n\r\n", 400, id="no HTTP"),
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000, 431, id="endless headers"),
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"y" * 300_000, 431, id="endless headers, most of them unread"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 2000\r\n\r\n", 413, id="announced body too large"),
        pytest.param(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + b"x" * 2000, 413, id="chunks too large"
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, id="ambiguous length"
        ),
    ],
)
async def test_unacceptable_requests_are_answered_once_and_end_the_connection(
    request_bytes: bytes, status: int
) -> None:
    async with open_bot_api_simulator(max_body_bytes=1000) as simulator, await connect(simulator) as stream:
        await stream.send_all(request_bytes)
        answer = await receive_all(stream)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "request_text",
    [
        f"GET {GET_ME} HTTP/1.0\r\n\r\n",
        f"GET {GET_ME} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        f"GET {GET_ME} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    ],
)
async def test_a_connection_that_is_not_kept_ends_after_its_answer(request_text: str) -> None:
    async with open_bot_api_simulator() as simulator, await connect(simulator) as stream:
        await stream.send_all(request_text.encode())
        answer = await receive_all(stream)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b'"ok":true' in answer


async def test_a_client_that_expects_100_continue_gets_it() -> None:
    head = f"POST /bot{TOKEN}/sendMessage HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 28\r\n"
    async with open_bot_api_simulator() as simulator, await connect(simulator) as stream:
        await stream.send_all(head.encode() + b"Expect: 100-continue\r\n\r\n")
        with trio.fail_after(DEADLINE):
            assert await stream.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await stream.send_all(b'{"chat_id": 1, "text": "hi"}')
        assert b"200 OK" in await receive_answers(stream, 1)


async def test_a_client_that_does_not_read_cannot_hang_the_shutdown() -> None:
    with trio.fail_after(DEADLINE):
        async with open_bot_api_simulator() as simulator:
            bot = simulator.bot(TOKEN)
            for _ in range(8):
                bot.push_text("x" * 500_000)
            stream = await connect(simulator)
            request = f"GET /bot{TOKEN}/getUpdates?offset=0 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            await stream.send_all(request * 20)
            await wait_until(simulator, lambda: bot.polls.count >= 1)
            idle = await connect(simulator)
    await stream.aclose()
    await idle.aclose()


async def test_a_large_answer_arrives_whole() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        for _ in range(9):
            client.bot.push_text("x" * 500_000)
        response = await client.call("getUpdates")
        assert len(response.content) > 3_500_000
        assert len(response.json()["result"]) == 8


async def test_the_address_is_refused_when_taken() -> None:
    async with open_bot_api_simulator() as simulator:
        port = httpx.URL(simulator.url).port
        assert port is not None
        with pytest.RaisesGroup(OSError, allow_unwrapped=True):
            async with open_bot_api_simulator(port=port):
                pass


async def test_it_serves_ipv6_too() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    async with open_bot_api_simulator("::1") as simulator, open_bot_client(simulator) as client:
        assert simulator.url.startswith("http://[::1]:")
        await client.result("getMe")


async def test_an_error_of_the_body_arrives_as_it_was_raised() -> None:
    with pytest.raises(LookupError, match="from the body"):
        async with open_bot_api_simulator():
            raise LookupError("from the body")
