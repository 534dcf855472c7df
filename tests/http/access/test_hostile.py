"""Malicious and malformed requests: each gets a clear 4xx with a problem document, and the server goes on."""

from __future__ import annotations

import contextlib
import gzip
import json
from typing import Any

import pytest
import trio

from rookery_http.call_table import TABLE

JSON = {"Content-Type": "application/json"}
PARROT = b'"platform": "parrot", "credentials": {"token": "1:abc"}'


async def exchange(port: int, *pieces: bytes) -> tuple[int, bytes]:
    """Status and body of the first answer; the connection has to end by itself."""
    received = b""
    with trio.fail_after(40):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            for piece in pieces:
                await stream.send_all(piece)
            try:
                while more := await stream.receive_some():
                    received += more
            except trio.BrokenResourceError:
                pass
    assert received, "no answer"
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{" + PARROT + b', "id": "a", "id": "b"}', "id"),
        (b"{" + PARROT + b', "metadata": {"deep": [{"a": 1, "a": 1}]}}', "a"),
        (b"{" + PARROT + b', "id": "a", "\\u0069d": "b"}', "id"),
    ],
)
async def test_a_name_that_stands_twice_is_refused(served: Any, body: Any, field: Any) -> None:
    answer = await served.client.post("/v1/sessions", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert "twice" in answer.json()["detail"]


async def test_numbers_without_end_are_no_trouble(served: Any) -> None:
    for number in (b"9" * 400, b"0." + b"9" * 100_000, b"-1e-400", b"1E400", b"9" * 200_000):
        body = b"{" + PARROT + b', "enabled": false, "metadata": {"a": ' + number + b"}}"
        answer = await served.client.post("/v1/sessions", content=body, headers=JSON)
        assert answer.status_code in (201, 400), answer.text
        if answer.status_code == 201:
            assert isinstance(answer.json()["metadata"]["a"], float | int)


@pytest.mark.parametrize(
    ("headers", "body", "right"),
    [
        ({"Content-Type": "application/json; charset=utf-16"}, json.dumps({"platform": "x"}).encode("utf-16"), "UTF-8"),
        ({"Content-Type": "application/json; charset=latin-1"}, b'{"name": "\xfc"}', "UTF-8"),
        (JSON | {"Content-Encoding": "gzip"}, gzip.compress(b"{}", mtime=0), "gzip"),
        ({"Content-Type": "text/json"}, b"{}", "application/json"),
    ],
)
async def test_bodies_of_another_type_or_encoding_are_a_415(served: Any, headers: Any, body: Any, right: Any) -> None:
    answer = await served.client.post("/v1/sessions", content=body, headers=headers)
    assert answer.status_code == 415
    assert right in answer.json()["detail"]
    assert "Accept-Encoding" not in answer.headers


@pytest.mark.parametrize(
    ("request_bytes", "status", "said"),
    [
        (b"GET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n", 400, "only HTTP/1.1"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", 400, ""),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64 + b"\r\n\r\n", 400, "well-formed"),
        (
            b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nGET /v1/keys HTTP/1.1\r\nHost: localhost\r\n\r\n",
            400,
            "either Content-Length or Transfer-Encoding",
        ),
        (
            b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            400,
            "well-formed",
        ),
        (
            b"GET /v1/events/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            426,
            "version 13",
        ),
        (
            b"GET /v1/events/ws HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n",
            400,
            "Sec-WebSocket-Key",
        ),
        (b"GET /v1/sessions HTTP/1.1\r\nHost: localhost\r\nX-A: a\r\n b\r\nX : y\r\n\r\n", 400, "well-formed"),
        (b"GET /v1/sessions HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n", 400, "well-formed"),
        (b"POST /v1/drain HTTP/1.1\r\nHost: localhost\r\nContent-Length: +2\r\n\r\n{}", 400, "well-formed"),
    ],
)
async def test_what_other_parsers_read_otherwise_ends_the_connection(
    served: Any, request_bytes: Any, status: Any, said: Any
) -> None:
    found, body = await exchange(served.port, request_bytes)
    document, _ = json.JSONDecoder().raw_decode(body.decode())
    assert found == document["status"] == status
    assert said in document["detail"]
    assert body.count(b'"status"') == 1, "nothing that came behind it is answered"
    assert (await served.client.get("/healthz")).status_code == 200


async def test_headers_that_drip_are_cut_off(serve: Any) -> None:
    """Slowloris: a client that never ends its headers gets no more time than a connection without any request."""
    async with serve(keep_alive=0.5) as served:
        with trio.fail_after(40):
            async with await trio.open_tcp_stream("127.0.0.1", served.port) as stream:

                async def drip() -> None:
                    try:
                        await stream.send_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
                        while True:
                            await stream.send_all(b"X: y\r\n")
                            await trio.sleep(0.05)
                    except trio.BrokenResourceError:
                        pass

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(drip)
                    with contextlib.suppress(trio.BrokenResourceError):
                        assert await stream.receive_some() == b""
                    nursery.cancel_scope.cancel()
        assert (await served.client.get("/healthz")).status_code == 200


async def test_a_body_that_drips_without_end_is_cut_off(serve: Any) -> None:
    async with serve(body_timeout=0.5) as served:
        head = (
            b"POST /v1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\nffffffffffffff\r\n"
        )
        status, body = await exchange(served.port, head, b" " * 100)
        assert (status, json.loads(body)["type"]) == (408, "urn:rookery:problem:timeout")


@pytest.mark.parametrize(
    "id",
    [
        "%2e%2e",
        "..",
        "%2e%2e%2fkeys",
        "a%2fb",
        "%00",
        "%ff%fe",
        "%F0%9F%98%80",
        "a%0d%0aX-Injected:%201",
        "%252e",
        "polly%2fhistory",
        "polly%2Fhistory",
        "polly%2F..%2Fpolly",
        "%",
        "%zz",
        "%e2%80%ae",
        "%D0%B0dmin",
        "a;b=c",
        "a" * 5000,
    ],
)
async def test_ids_that_try_to_be_something_else(served: Any, id: Any) -> None:
    await served.add()
    for method in ("GET", "DELETE"):
        status, body = await exchange(
            served.port,
            f"{method} /v1/sessions/{id} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode(),
        )
        assert (status, json.loads(body)["status"]) == (404, 404)


async def test_nothing_of_the_input_becomes_a_header(served: Any) -> None:
    await served.add()
    evil = "a\r\nX-Injected: 1"
    for request in (
        served.client.get("/v1/sessions", params={evil: "1"}),
        served.client.get("/v1/sessions/x%0d%0aX-Injected:%201"),
        served.client.request("GET", "/v1/sessions", headers={"Origin": "http://x/%0d%0aX-Injected: 1"}),
        served.client.post("/v1/sessions", json={"platform": evil, "id": evil}),
        served.client.post("/v1/webhooks", json={"url": "http://x/", "headers": {"X": evil}}),
    ):
        answer = await request
        assert 400 <= answer.status_code < 500
        assert "X-Injected" not in answer.headers


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/sessions?after=a%20b", "'^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$'"),
        ("/v1/events?type=a%20b", "'^[A-Za-z0-9_.*-]{1,64}(,[A-Za-z0-9_.*-]{1,64}){0,31}$'"),
    ],
)
async def test_an_error_shows_the_pattern_of_the_description(served: Any, path: Any, told: Any) -> None:
    detail = (await served.client.get(path)).json()["detail"]
    assert told in detail
    assert "(?!" not in detail


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        ({"url": "nothing"}, "url", "an http:// or https:// address"),
        ({"url": "https://example.org/#part"}, "url", "without #"),
        ({"url": "http://x/", "secret": "whsec_hush"}, "secret", "24 to 64 random bytes"),
        ({"url": "http://x/", "headers": {"X-One": "1", "X-Two": 2}}, "headers.X-Two", "got `int`"),
        ({"url": "http://x/", "headers": {"a b": "1"}}, "headers", "Expected"),
    ],
)
async def test_errors_explain_long_patterns_in_words_and_name_the_entry(
    served: Any, given: Any, field: Any, told: Any
) -> None:
    problem = (await served.client.post("/v1/webhooks", json=given)).json()
    assert (problem["status"], problem["field"]) == (400, field)
    assert problem["detail"].startswith(f"{field}: ")
    assert told in problem["detail"]
    assert len(problem["detail"]) < 200
    assert "hush" not in problem["detail"]


async def test_no_session_has_the_name_of_a_call(served: Any) -> None:
    """It could be neither shown nor deleted: the call stands at its path."""
    for row in TABLE:
        name = row.path.removeprefix("/v1/sessions/")
        if name == row.path or "/" in name or "{" in name:
            continue
        made = await served.client.post(
            "/v1/sessions", json={"id": name, "platform": "parrot", "credentials": {"token": "1:a"}, "enabled": False}
        )
        assert (made.status_code, made.json()["field"]) == (409, "id"), name
