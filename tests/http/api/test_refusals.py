"""What the API refuses: bodies, parameters, ids, paths, methods and sizes."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from support.clients.problems import assert_problem

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "platform"),
        ({"platform": "pigeon"}, "platform"),
        ({"platform": 7}, "platform"),
        ({"platform": "parrot"}, "credentials.token"),
        ({"platform": "parrot", "credentials": {"token": "bad"}}, "credentials.token"),
        ({"platform": "parrot", "credentials": {"token": 7}}, "credentials.token"),
        ({"platform": "parrot", "credentials": {"a": "b", "token": None}}, "credentials.token"),
        ({"platform": "parrot", "credentials": {"": "x"}}, "credentials"),
        ({"platform": "parrot", "colour": "green"}, "colour"),
        ({"platform": "parrot", "id": ""}, "id"),
        ({"platform": "parrot", "id": "a b"}, "id"),
        ({"platform": "parrot", "id": "a\n"}, "id"),
        ({"platform": "parrot", "id": "a" * 129}, "id"),
        ({"platform": "parrot", "id": "a\0"}, "id"),
        ({"platform": "parrot", "name": "\0"}, "name"),
        ({"platform": "parrot", "name": "n" * 257}, "name"),
        ({"platform": "parrot", "metadata": {"a": ["\0"]}}, "metadata.a[0]"),
        ({"platform": "parrot", "enabled": "yes"}, "enabled"),
        ([], None),
        ("parrot", None),
    ],
)
async def test_what_a_session_must_not_be(served: Any, body: Any, field: Any) -> None:
    problem = assert_problem(await served.client.post("/v1/sessions", json=body), 400)
    assert (problem.get("field") or "").startswith(field or "")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": "hi"}, "to"),
        ({"to": "7"}, "text"),
        ({"to": "7", "text": ""}, "text"),
        ({"to": "7", "text": "hi", "colour": "green"}, "colour"),
        ({"to": "7", "text": "hi", "session": "other"}, "session"),
        ({"to": "7", "text": "hi", "self": 1}, "self"),
        ({"to": "7", "text": "hi", "idempotency": "x"}, "idempotency"),
        ({"to": "7", "type": "poem", "text": "hi"}, "type"),
        ({"to": "7", "type": "image"}, None),
        ({"to": "7", "type": "image", "data": "not base64!"}, "data"),
        ({"to": "7", "type": "location", "latitude": 91, "longitude": 0}, "latitude"),
        ({"to": "", "text": "hi"}, "to"),
        ({"to": 2**70, "text": "hi"}, "to"),
        ({"to": "7", "text": "hi", "ttl": 0}, "ttl"),
        ({"to": "7", "text": "hi", "options": []}, "options"),
    ],
)
async def test_what_a_message_must_not_be(served: Any, body: Any, field: Any) -> None:
    await served.add()
    assert_problem(await served.client.post("/v1/sessions/polly/messages", json=body), 400, field)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"{'a': 1}",
        b'{"platform": NaN}',
        b'{"platform": 1e999}',
        b'{"platform": "\\ud800"}',
        b'{"platform": "\xed\xa0\x80"}',
        b'{"platform": ' + b"9" * 5000 + b"}",
        b'{"metadata": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"platform": "parrot", "metadata": ' + b'{"a":' * 90 + b"1" + b"}" * 90 + b"}",
        b"\xef\xbb\xbf{}",
    ],
)
async def test_a_body_that_is_not_json_is_a_400(served: Any, content: Any) -> None:
    assert_problem(await served.client.post("/v1/sessions", content=content, headers=JSON), 400)


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "a/b", "\xff"]
)
async def test_only_json_is_taken(served: Any, content_type: Any) -> None:
    headers = {"Content-Type": content_type.encode("latin-1")} if content_type else {}
    assert_problem(await served.client.post("/v1/sessions", content=b"{}", headers=headers), 415)


async def test_json_may_name_its_encoding(served: Any) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert_problem(await served.client.post("/v1/sessions", content=b"{}", headers=headers), 400, "platform")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/sessions?limit=0", "limit"),
        ("/v1/sessions?limit=501", "limit"),
        ("/v1/sessions?limit=1.5", "limit"),
        ("/v1/sessions?limit=", "limit"),
        ("/v1/sessions?limit=%31%00", "limit"),
        ("/v1/sessions?limit=1&limit=2", "limit"),
        ("/v1/sessions?limit=" + "9" * 5000, "limit"),
        ("/v1/sessions?stauts=CONNECTED", "stauts"),
        ("/v1/sessions?status=connected", "status"),
        ("/v1/sessions?enabled=1", "enabled"),
        ("/v1/sessions?after=a%0A", "after"),
        ("/v1/sessions?platform=%ff", None),
        ("/v1/sessions?" + "&".join(f"a{n}=1" for n in range(100)), None),
        ("/v1/events?after=-1", "after"),
        ("/v1/events?after=9223372036854775808", "after"),
        ("/v1/events?type=,", "type"),
        ("/v1/events?session=%00", "session"),
        ("/v1/health?x=1", "x"),
    ],
)
async def test_bad_query_parameters_are_named(served: Any, path: Any, field: Any) -> None:
    assert_problem(await served.client.get(path), 400, field)


@pytest.mark.parametrize("key", ["", "a b", "é", "k" * 256, "\x7f"])
async def test_bad_idempotency_keys(served: Any, key: Any) -> None:
    await served.add()
    headers = {"Idempotency-Key": key.encode("latin-1")}
    answer = await served.client.post("/v1/sessions/polly/messages", json={"to": "7", "text": "a"}, headers=headers)
    assert answer.status_code == 400
    double = httpx.Headers([("Idempotency-Key", "a"), ("Idempotency-Key", "b")])
    answer = await served.client.post("/v1/sessions/polly/messages", json={"to": "7", "text": "a"}, headers=double)
    assert_problem(answer, 400, "Idempotency-Key")


@pytest.mark.parametrize(
    "id", ["nobody", "%00", "%ff", "%2e%2e", "a%2fb", "-a", "a" * 200, "%F0%9F%A6%9C", "a%0a", "a b", "*"]
)
async def test_unknown_ids_are_404(served: Any, id: Any) -> None:
    for method, suffix in [("GET", ""), ("DELETE", ""), ("POST", "/start"), ("GET", "/history")]:
        assert_problem(await served.client.request(method, f"/v1/sessions/{id}{suffix}"), 404)
    assert_problem(await served.client.patch(f"/v1/sessions/{id}", json={}), 404)
    assert_problem(await served.client.post(f"/v1/sessions/{id}/messages", json={"to": "1", "text": "a"}), 404)


@pytest.mark.parametrize("path", ["/v1", "/v1/sessions/", "//v1/sessions", "/v2/sessions", "/v1/sessions/a/b/c"])
async def test_unknown_paths_are_404(served: Any, path: Any) -> None:
    assert_problem(await served.client.get(path), 404)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_wrong_methods_are_405(served: Any, method: Any) -> None:
    answer = await served.client.request(method, "/v1/sessions")
    assert_problem(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD, POST"


async def test_large_bodies(serve: Any) -> None:
    async with serve(max_body=300_000) as served:
        await served.add()
        big = json.dumps({"to": "7", "type": "document", "data": "QUJD" * 60_000}).encode()
        answer = await served.client.post("/v1/sessions/polly/messages", content=big, headers=JSON)
        assert answer.status_code == 200, answer.text
        assert_problem(
            await served.client.post("/v1/sessions/polly/messages", content=b" " * 300_001, headers=JSON), 413
        )
        problem = assert_problem(
            await served.client.post("/v1/sessions", content=b" " * 262_145, headers=JSON), 413
        )  # small where no file can be in it
        assert "262144" in problem["detail"]
