"""What the calls answer, and that every mistake gets a problem document which names it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import trio

from rookery.errors import StoreUnavailable
from rookery_http.api.state import PlatformInput
from rookery_http.operate import readiness
from rookery_http.output.values import redacted

JSON = {"Content-Type": "application/json"}
SESSION_FIELDS = {
    "id",
    "platform",
    "name",
    "enabled",
    "status",
    "reason",
    "detail",
    "since",
    "action",
    "last_error",
    "next_retry_at",
    "owner",
    "proof_of_life",
    "settings",
    "metadata",
    "created_at",
    "updated_at",
}


def assert_problem(answer: httpx.Response, status: int, field: str | None = None) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert {"type", "title", "detail"} <= document.keys()
    if field is not None:
        assert document["field"] == field, document
    return document


async def test_the_life_of_a_session(served: Any) -> None:
    made = await served.add(name="Polly", metadata={"a": [1, None]}, settings={"voice_token": "x", "volume": 3})
    assert made.keys() >= SESSION_FIELDS
    assert made["has_credentials"] is True
    assert made["settings"] == {"voice_token": "***", "volume": 3}
    assert "1:abc" not in json.dumps(made)
    assert made["since"].endswith("Z")
    shown = (await served.client.get("/v1/sessions/polly")).json()
    assert (shown["status"], shown["reason"], shown["enabled"]) == ("CONNECTED", "CONNECTED", True)
    changed = await served.client.patch("/v1/sessions/polly", json={"name": "Jack", "metadata": {}})
    assert changed.json()["name"] == "Jack"
    assert changed.json()["metadata"] == {}
    for verb, enabled in [
        ("stop", False),
        ("disable", False),
        ("start", True),
        ("enable", True),
        ("restart", True),
        ("retry", True),
        ("logout", False),
        ("stop", False),
    ]:
        answer = await served.client.post(f"/v1/sessions/polly/{verb}")
        assert answer.status_code == 202, answer.text
        assert answer.json()["enabled"] is enabled
    history = (await served.client.get("/v1/sessions/polly/history")).json()["history"]
    assert {"CONNECTED", "DISCONNECTED"} <= {row["status"] for row in history}
    assert set(history[0]) == {"status", "reason", "detail", "at"}
    gone = await served.client.delete("/v1/sessions/polly")
    assert gone.status_code == 200
    assert gone.json()["deleted"] is True
    assert_problem(await served.client.get("/v1/sessions/polly"), 404)


async def test_letters_that_only_look_like_nul_are_harmless(served: Any) -> None:
    document = {"path": r"C:\u0000", r"\u0000": ["a\\\\u0000"]}
    assert (await served.add(metadata=document, settings=document))["metadata"] == document
    answer = await served.client.post("/v1/sessions/polly/messages", json={"to": "7", "text": "a", "options": document})
    assert answer.status_code == 200, answer.text
    assert served.parrot.sent[0].options == document


async def test_listing_pages_and_filters(served: Any) -> None:
    for number in range(7):
        await served.add(f"p{number}", enabled=number % 2 == 0)
    page = (await served.client.get("/v1/sessions", params={"limit": 5})).json()
    assert [row["id"] for row in page["sessions"]] == ["p0", "p1", "p2", "p3", "p4"]
    assert page["next"] == "p4"
    rest = (await served.client.get("/v1/sessions", params={"limit": 5, "after": page["next"]})).json()
    assert [row["id"] for row in rest["sessions"]] == ["p5", "p6"]
    assert rest["next"] is None
    exact = (await served.client.get("/v1/sessions", params={"limit": 7})).json()
    assert exact["next"] is None
    off = (await served.client.get("/v1/sessions", params={"enabled": "false"})).json()
    assert [row["id"] for row in off["sessions"]] == ["p1", "p3", "p5"]
    up = (await served.client.get("/v1/sessions", params={"status": "CONNECTED", "platform": "parrot"})).json()
    assert [row["id"] for row in up["sessions"]] == ["p0", "p2", "p4", "p6"]
    assert (await served.client.get("/v1/sessions", params={"platform": "telegram"})).json()["sessions"] == []


async def test_sending(served: Any) -> None:
    await served.add()
    url = "/v1/sessions/polly/messages"
    first = await served.client.post(url, json={"to": "7", "text": "hi"}, headers={"Idempotency-Key": "k1"})
    assert first.status_code == 200, first.text
    assert first.json()["state"] == "sent"
    assert first.json()["receipt"]["message_id"] == "1"
    again = await served.client.post(url, json={"to": "7", "text": "hi"}, headers={"Idempotency-Key": "k1"})
    assert again.json()["id"] == first.json()["id"]
    other = await served.client.post(url, json={"to": "7", "text": "ho"}, headers={"Idempotency-Key": "k1"})
    assert_problem(other, 409, "Idempotency-Key")
    assert len(served.parrot.sent) == 1
    number = await served.client.post(url, json={"to": 42, "type": "photo", "url": "https://example.org/a.png"})
    assert (number.status_code, number.json()["to"], number.json()["type"]) == (200, "42", "image")
    refused = await served.client.post(url, json={"to": "nobody", "text": "hi"})
    assert (refused.status_code, refused.json()["state"]) == (200, "failed")
    assert refused.json()["error"]
    shown = await served.client.get(refused.headers["location"])
    assert shown.json() == refused.json()
    assert_problem(await served.client.get("/v1/messages/nope"), 404)


async def test_waiting_for_a_send(served: Any) -> None:
    await served.add()
    served.parrot.hold = trio.Event()
    url = "/v1/sessions/polly/messages"
    at_once = await served.client.post(f"{url}?wait=0", json={"to": "7", "text": "hi"})
    assert at_once.status_code == 202
    soon = await served.client.post(f"{url}?wait=0.1", json={"to": "8", "text": "hi"})
    assert soon.status_code == 202
    assert soon.json()["state"] in ("queued", "sending")
    served.parrot.hold.set()
    with trio.fail_after(30):
        done = await served.engine.wait_message(at_once.json()["id"], 5)
    assert done.state == "sent"
    for wait in ("-1", "61", "NaN", "inf", "x", "1e999", ""):
        assert_problem(await served.client.post(url, params={"wait": wait}, json={"to": "7", "text": "a"}), 400, "wait")


async def test_a_send_survives_its_caller(served: Any) -> None:
    await served.add()
    served.parrot.hold = trio.Event()
    with trio.move_on_after(0.2):
        await served.client.post("/v1/sessions/polly/messages", json={"to": "7", "text": "hi"})
    assert served.parrot.sent == []
    served.parrot.hold.set()
    with trio.fail_after(30):
        while not served.parrot.sent:
            await trio.sleep(0.01)


async def test_a_stopped_session_does_not_send(served: Any) -> None:
    await served.add(enabled=False)
    problem = assert_problem(
        await served.client.post("/v1/sessions/polly/messages", json={"to": "7", "text": "hi"}), 409
    )
    assert problem["type"] == "urn:rookery:problem:not-connected"


async def test_events_by_cursor(served: Any) -> None:
    await served.add()
    await served.add("jack")
    for number in range(5):
        await served.parrot.say("polly", f"m{number}")
    await served.parrot.say("jack", "other")
    page = (await served.client.get("/v1/events", params={"limit": 4, "session": "polly", "type": "message"})).json()
    assert [event["body"]["text"] for event in page["events"]] == ["m0", "m1", "m2", "m3"]
    assert set(page["events"][0]) == {
        "id",
        "session",
        "platform",
        "type",
        "key",
        "time",
        "chat",
        "sender",
        "body",
        "raw",
    }
    assert page["next"] == page["events"][-1]["id"]
    rest = (
        await served.client.get("/v1/events", params={"after": page["next"], "session": "polly", "type": "message"})
    ).json()
    assert [event["body"]["text"] for event in rest["events"]] == ["m4"]
    assert rest["next"] is None
    everything = (await served.client.get("/v1/events", params={"type": "message,callback"})).json()
    assert len(everything["events"]) == 6
    assert (await served.client.get("/v1/events", params={"type": "callback"})).json()["events"] == []


async def test_webhooks(served: Any) -> None:
    await served.add()
    made = await served.client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/x", "session": "polly"})
    assert made.status_code == 201, made.text
    assert made.json()["secret"].startswith("whsec_")
    path = made.headers["location"]
    shown = (await served.client.get(path)).json()
    assert "secret" not in shown
    assert (shown["session"], shown["events"], shown["enabled"]) == ("polly", None, True)
    changed = await served.client.patch(path, json={"events": ["message"], "enabled": False})
    assert changed.json()["events"] == ["message"]
    assert (await served.client.patch(path, json={"events": None})).json()["events"] is None
    listed = (await served.client.get("/v1/webhooks", params={"session": "polly"})).json()
    assert [hook["id"] for hook in listed["webhooks"]] == [shown["id"]]
    letters = await served.client.get(f"{path}/dead-letters")
    assert letters.json() == {"dead_letters": [], "next": None}
    assert (await served.client.post(f"{path}/replay")).json() == {"replayed": 0}
    assert (await served.client.post(f"{path}/replay", json={"event_ids": [1]})).json() == {"replayed": 0}
    assert (await served.client.delete(path)).json() == {"id": shown["id"], "deleted": True}
    for method in ("GET", "DELETE", "PATCH"):
        assert_problem(await served.client.request(method, path, json={}), 404)
    for suffix in ("/dead-letters", "/replay"):
        method = "POST" if suffix == "/replay" else "GET"
        assert_problem(await served.client.request(method, path + suffix), 404)
    own = "whsec_" + "QUJD" * 8
    quiet = await served.client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/x", "id": "w", "secret": own})
    assert "secret" not in quiet.json()
    assert_problem(await served.client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/x", "id": "w"}), 409)
    assert_problem(
        await served.client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/x", "session": "nobody"}), 404
    )


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
async def test_what_is_not_json_is_a_400(served: Any, content: Any) -> None:
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


async def test_probes_and_health(served: Any) -> None:
    assert (await served.client.get("/healthz")).json() == {"status": "ok"}
    assert (await served.client.head("/healthz")).status_code == 200
    ready = await served.client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
    await served.add()
    with trio.fail_after(20):  # what was observed is written a little later
        while (health := (await served.client.get("/v1/health")).json())["sessions"] != {"parrot": {"CONNECTED": 1}}:
            await trio.sleep(0.02)
    assert health["started_at"].endswith("Z")


@pytest.mark.parametrize("how", ["refuses", "hangs"])
async def test_without_a_database_it_is_alive_and_not_ready(
    served: Any, monkeypatch: pytest.MonkeyPatch, how: Any
) -> None:
    asked = 0

    async def away() -> int:
        nonlocal asked
        asked += 1
        if how == "refuses":
            raise StoreUnavailable("no connection to the database")
        await trio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(readiness, "PATIENCE", 0.2)
    monkeypatch.setattr(readiness, "FRESH", 0.0)
    with monkeypatch.context() as outage:
        outage.setattr(served.engine, "check_store", away)
        problem = assert_problem(await served.client.get("/readyz"), 503)
        assert problem["detail"].startswith("the database")
        assert asked == 1
        assert (await served.client.get("/healthz")).status_code == 200
    assert (await served.client.get("/readyz")).json() == {"status": "ready"}


async def test_probes_share_an_answer_of_the_database(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    answer = served.engine.check_store

    async def count() -> None:
        nonlocal asked
        asked += 1
        await answer()

    monkeypatch.setattr(readiness, "FRESH", 3600.0)
    monkeypatch.setattr(served.engine, "check_store", count)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(served.client.get, "/readyz")
    assert asked == 1


async def test_a_bug_is_a_500_with_an_id_that_is_logged(
    served: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(id: str) -> None:
        raise RuntimeError("the token is 1:abc")

    monkeypatch.setattr(served.engine, "get_session", broken)
    problem = assert_problem(await served.client.get("/v1/sessions/polly"), 500)
    assert "1:abc" not in json.dumps(problem)
    assert "Traceback" not in json.dumps(problem)
    records = [record for record in caplog.records if getattr(record, "error_id", None) == problem["error_id"]]
    assert len(records) == 1
    caplog.clear()


def test_redaction() -> None:
    document = {"token": "a", "nested": [{"API_KEY": "b", "name": "c"}], "password": "", "webhook_secret": {"a": 1}}
    document |= {"proxy": "socks5://user:hunter2@host:1080", "plain": "user:x@host", "link": "https://host/a:b@c"}
    assert redacted(document) == {
        "token": "***",
        "nested": [{"API_KEY": "***", "name": "c"}],
        "password": "",
        "webhook_secret": "***",
        "proxy": "socks5://user:***@host:1080",
        "plain": "user:x@host",
        "link": "https://host/a:b@c",
    }


def test_what_fits_a_platform() -> None:
    platform = PlatformInput(
        credentials={"properties": {"token": {}}, "required": ["token"]},
        settings={"properties": {"rate": {"anyOf": [{"type": "number"}, {"type": "null"}]}, "proxy": {}}},
    )
    assert platform.fits("credentials", {"token": "x"})
    assert not platform.fits("credentials", {})
    assert not platform.fits("credentials", {"token": "x", "jid": "y"})
    assert platform.fits("settings", {"rate": None})
    assert not platform.fits("settings", {"proxy": None})


async def test_a_change_that_another_platform_would_take_is_a_conflict(serve: Any) -> None:
    async with serve(others={"pigeon": PlatformInput(credentials={"properties": {"ring": {}}})}) as served:
        await served.add()
        path = "/v1/sessions/polly"
        problem = assert_problem(
            await served.client.patch(path, json={"credentials": {"ring": "7"}}), 409, "credentials.token"
        )
        assert problem["type"] == "urn:rookery:problem:other-platform"
        assert_problem(await served.client.patch(path, json={"credentials": {"token": "bad"}}), 400)
        assert_problem(await served.client.patch(path, json={"credentials": {"nest": "7"}}), 400)
