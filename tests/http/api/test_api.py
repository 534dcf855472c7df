"""The API from end to end: sessions, sends, events and webhooks."""

from __future__ import annotations

import json
from typing import Any

import trio

from rookery_http.api.state import PlatformInput
from support.clients.problems import assert_problem
from support.waiting import until

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
    await until(lambda: served.parrot.sent, seconds=30)


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
