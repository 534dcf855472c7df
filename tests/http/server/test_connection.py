"""One connection: half-closed, pipelined, too large, malformed in the middle; and what the access log says of it."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trio

from rookery_http.server import http1
from support.waiting import until

POST = (
    b"POST /v1/sessions/polly/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Connection: close\r\nContent-Length: 24\r\n\r\n"
    b'{"to": "7", "text": "x"}'
)


async def talk(port: int, *pieces: bytes, half_close: bool = False) -> bytes:
    """Everything that the server says until it closes."""
    received = b""
    with trio.fail_after(30):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            for piece in pieces:
                await stream.send_all(piece)
            if half_close:
                await stream.send_eof()
            try:
                while more := await stream.receive_some():
                    received += more
            except trio.BrokenResourceError:
                pass
    return received


def status_of(answer: bytes) -> int:
    return int(answer.split()[1])


async def test_a_half_closed_post_is_answered(served: Any) -> None:
    await served.add()
    for _ in range(5):
        answer = await talk(served.port, POST, half_close=True)
        assert status_of(answer) == 200
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["state"] == "sent"


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/media/{file}"])
async def test_a_half_closed_get_is_answered(served: Any, path: Any) -> None:
    file = await served.engine.store_media(b"x" * 300_000)
    request = f"GET {path.format(file=file.id)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    head, _, body = (await talk(served.port, request.encode(), half_close=True)).partition(b"\r\n\r\n")
    assert status_of(head) == 200
    assert f"content-length: {len(body)}".encode() in head.lower()


async def test_a_half_closed_stream_ends(served: Any) -> None:
    await served.add()
    request = b"GET /v1/events/stream?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert status_of(await talk(served.port, request, half_close=True)) == 200


async def test_a_body_that_is_cut_off_is_a_problem(served: Any) -> None:
    await served.add()
    answer = await talk(served.port, POST[:-5], half_close=True)
    assert status_of(answer) == 400
    assert b"before the body was complete" in answer


async def test_a_body_with_malformed_chunks_is_one_problem(served: Any) -> None:
    head = POST.partition(b"Content-Length")[0] + b"Transfer-Encoding: chunked\r\n\r\n"
    answer = await talk(served.port, head, b"5\r\n{    \r\n", b"nonsense\r\n")
    assert status_of(answer) == 400
    assert answer.count(b"HTTP/1.1 400 ") == 1


async def test_continue_is_said_when_the_body_is_wanted(served: Any) -> None:
    await served.add()
    head, _, body = POST.partition(b"\r\n\r\n")
    with trio.fail_after(20):
        async with await trio.open_tcp_stream("127.0.0.1", served.port) as stream:
            await stream.send_all(head + b"\r\nExpect: 100-continue\r\n\r\n")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 100 ")
            await stream.send_all(body)
            assert status_of(await stream.receive_some()) == 200
    refused = head.replace(b"polly", b"nobody").replace(b"/messages", b"/nothing")
    answer = await talk(served.port, refused + b"\r\nExpect: 100-continue\r\n\r\n", half_close=True)
    assert status_of(answer) == 404


@pytest.mark.parametrize("cut", range(1, 60, 7))
async def test_pipelined_requests_are_answered_in_order_wherever_they_are_cut(served: Any, cut: Any) -> None:
    one = b"GET /v1/sessions/%d HTTP/1.1\r\nHost: localhost\r\n\r\n"
    text = (
        b"".join(one % number for number in range(20)) + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % 20
    )
    answer = await talk(served.port, *(text[start : start + cut * 11] for start in range(0, len(text), cut * 11)))
    asked = [json.loads(part.partition(b"\r\n\r\n")[2])["detail"] for part in answer.split(b"HTTP/1.1 404")[1:]]
    assert asked == [f"there is no session '{number}'" for number in range(21)]


async def test_what_came_before_nonsense_is_answered_first(served: Any) -> None:
    good = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = await talk(served.port, good + good + b"\x00\x01nonsense\r\n\r\n" + good)
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:4]] == [200, 200, 400]


@pytest.mark.parametrize(
    "headers",
    [
        b"X-Long: " + b"a" * 100_000 + b"\r\n",
        b"".join(b"X-%d: %s\r\n" % (number, b"a" * 900) for number in range(110)),
        b"".join(b"X-%d: y\r\n" % number for number in range(5000)),
    ],
)
@pytest.mark.parametrize("piece", [1_000_000, 8192])
async def test_too_many_bytes_of_headers_are_refused(served: Any, headers: Any, piece: Any) -> None:
    text = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n"
    answer = await talk(served.port, *(text[start : start + piece] for start in range(0, len(text), piece)))
    assert status_of(answer) == 431
    assert str(http1.HEADER_LIMIT).encode() in answer


async def test_a_header_without_an_end_is_refused(served: Any) -> None:
    begin = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: "
    assert status_of(await talk(served.port, begin, *[b"a" * 8192] * 20)) == 431


async def test_headers_within_the_limit_are_taken(served: Any) -> None:
    text = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Long: " + b"a" * 60_000 + b"\r\n\r\n"
    assert status_of(await talk(served.port, text)) == 200


def logged(caplog: Any) -> list[tuple[str, int]]:
    return [(record.path, record.status) for record in caplog.records if record.msg == "request"]


async def test_the_log_says_what_was_answered(served: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Not 499 because a client closes as soon as it has its answer, as curl does."""
    caplog.set_level(logging.DEBUG, "rookery.api")
    await served.add()
    caplog.clear()
    await talk(served.port, POST)
    await talk(served.port, POST, half_close=True)
    async with await trio.open_tcp_stream("127.0.0.1", served.port) as stream:
        await stream.send_all(POST)
        await stream.receive_some()
    await talk(
        served.port, b"GET /v1/events/stream?after=0&limit=0 HTTP/1.1\r\nHost: localhost\r\n\r\n", half_close=True
    )
    await talk(
        served.port, b"GET /v1/events/stream?after=0&timeout=0 HTTP/1.1\r\nHost: localhost\r\n\r\n", half_close=True
    )
    await until(lambda: len(logged(caplog)) >= 5, seconds=10)
    posts = [("/v1/sessions/polly/messages", 200)] * 3
    assert logged(caplog) == [*posts, ("/v1/events/stream", 400), ("/v1/events/stream", 200)]


async def test_the_log_says_201_and_202_and_how_streams_ended(served: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A client that closes after a whole answer, or leaves a stream that it has read from, is no 499."""
    caplog.set_level(logging.DEBUG, "rookery.api")
    await served.add()
    await served.parrot.say("polly", "hello")
    caplog.clear()

    def post(path: str, body: Any) -> bytes:
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data

    stream = b"GET /v1/events/stream?after=0&type=message%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")
    expected = []
    for request, path, status in (
        (post("/v1/sessions", {"id": "jack", "platform": "parrot", "credentials": {"token": "1:abc"}}), "", 201),
        (post("/v1/sessions/polly/messages", {"to": "7", "text": "later", "send_at": at}), "", 202),
        (stream % b"", "/v1/events/stream", 200),
        (stream % b"&limit=1", "/v1/events/stream", 200),
    ):
        async with await trio.open_tcp_stream("127.0.0.1", served.port) as client:
            await client.send_all(request)
            got = b""
            with trio.fail_after(10):
                while b"\r\n\r\n" not in got or (b"text/event-stream" in got and b"hello" not in got):
                    got += await client.receive_some()
        assert status_of(got) == status
        expected.append((path or request.split()[1].decode(), status))
        await until(lambda: len(logged(caplog)) >= len(expected), seconds=10)
    assert logged(caplog) == expected
