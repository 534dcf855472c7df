"""Sends over HTTP: scheduled, cancelled, listed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
import trio

from rookery import SessionStatus
from rookery_http.input.parameters import seconds_of
from support.clients.websocket_client import open_websocket
from support.webhook_receiver import open_webhook_receiver

URL = "/v1/sessions/polly/messages"


async def test_a_batch_to_a_stopped_session_answers_each_message_although_one_reuses_a_key(served: Any) -> None:
    await served.add()
    first = {"to": "7", "text": "one", "idempotency_key": "k"}
    assert (await served.client.post(f"{URL}/batch", json={"messages": [first]})).status_code == 200
    await served.client.post("/v1/sessions/polly/stop")
    await served.engine.wait_status("polly", SessionStatus.DISCONNECTED)  # until then sends are accepted
    given = [first, first | {"text": "two"}, {"to": "7", "text": "three"}]
    answer = await served.client.post(f"{URL}/batch", json={"messages": given})
    assert answer.status_code == 200
    repeated, reused, refused = answer.json()["messages"]
    assert repeated["content"]["text"] == "one"
    assert (reused["status"], refused["status"]) == (409, 409)
    assert "idempotency key" in reused["detail"]
    assert "is stopped" in refused["detail"]


def instant(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def test_a_scheduled_send(served: Any) -> None:
    await served.add()
    made = await served.client.post(URL, json={"to": "7", "text": "later", "send_at": instant(hours=1)})
    assert made.status_code == 202, "the request did not wait for an hour"
    assert made.json()["state"] == "scheduled"
    assert made.json()["send_at"].endswith("Z")
    soon = await served.client.post(URL, json={"to": "7", "text": "soon", "send_at": instant(seconds=0.2)})
    with trio.fail_after(30):
        done = await served.engine.wait_message(soon.json()["id"], 5)
    assert done.state == "sent"
    for wrong in ("2026-01-31T12:00:00", "2026-01-31 12:00:00Z", "2026-01-31T12:00:00+0100", "tomorrow", 1769860800):
        refused = await served.client.post(URL, json={"to": "7", "text": "when?", "send_at": wrong})
        assert refused.status_code == 400
        assert refused.json()["field"] == "send_at"
        assert not isinstance(wrong, str) or "2026-01-31T12:00:00Z" in refused.json()["detail"]
    abroad = (datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)).astimezone(
        timezone(timedelta(hours=5, minutes=30))
    )
    accepted = await served.client.post(URL, json={"to": "7", "text": "abroad", "send_at": abroad.isoformat()})
    assert accepted.json()["send_at"] == abroad.astimezone(UTC).isoformat(timespec="milliseconds").replace(
        "+00:00", "Z"
    )
    await served.client.delete(f"/v1/messages/{accepted.json()['id']}")
    past = await served.client.post(URL, json={"to": "7", "text": "past", "send_at": "2001-02-31T00:00:00Z"})
    assert (past.status_code, past.json()["field"]) == (409, "send_at")
    now = await served.client.post(URL, json={"to": "7", "text": "now", "send_at": instant(seconds=-5)})
    assert (now.status_code, now.json()["state"]) == (200, "sent")


async def test_cancelling(served: Any) -> None:
    await served.add()
    made = (await served.client.post(URL, json={"to": "7", "text": "x", "send_at": instant(hours=1)})).json()
    for _ in range(2):
        gone = await served.client.delete(f"/v1/messages/{made['id']}")
        assert (gone.status_code, gone.json()["state"]) == (200, "cancelled")
    sent = (await served.client.post(URL, json={"to": "7", "text": "x"})).json()
    late = await served.client.delete(f"/v1/messages/{sent['id']}")
    assert (late.status_code, late.json()["type"]) == (409, "urn:rookery:problem:too-late")
    assert (await served.client.delete("/v1/messages/nobody")).status_code == 404


async def test_lists(served: Any) -> None:
    await served.add()
    for number in range(5):
        await served.client.post(URL, json={"to": "7", "text": f"m{number}"})
    await served.client.post(URL, json={"to": "nobody", "text": "x"})
    page = (await served.client.get(URL, params={"limit": 4})).json()
    assert [row["state"] for row in page["messages"]] == ["failed", "sent", "sent", "sent"]
    rest = (await served.client.get(URL, params={"before": page["next"]})).json()
    assert len(rest["messages"]) == 2
    assert rest["next"] is None
    failed = (await served.client.get(URL, params={"state": "failed,unknown"})).json()
    assert [row["to"] for row in failed["messages"]] == ["nobody"]
    for state in ("gone", "sent,", ""):
        assert (await served.client.get(URL, params={"state": state})).status_code == 400
    assert (await served.client.get("/v1/sessions/nobody/messages")).status_code == 404


async def test_lists_of_a_chat_and_a_time(served: Any) -> None:
    await served.add()
    for chat in ("7", "8", "7"):
        await served.client.post(URL, json={"to": chat, "text": "x"})
    found = (await served.client.get(URL, params={"chat": "7", "since": "2026-01-01T00:00:00Z"})).json()
    assert [row["to"] for row in found["messages"]] == ["7", "7"]
    assert (await served.client.get(URL, params={"until": "2026-01-01T00:00:00Z"})).json()["messages"] == []
    for bad in ({"since": "yesterday"}, {"chat": ""}, {"until": "1"}):
        assert (await served.client.get(URL, params=bad)).status_code == 400


async def test_states_come_as_events_to_those_who_name_them(served: Any) -> None:
    """Over a stream, a WebSocket and a webhook; filters hold, and who does not ask gets none."""
    await served.add()
    socket = "/v1/events/ws?session=polly&type=message.status"
    async with open_webhook_receiver() as some, open_webhook_receiver() as all:
        for body in (
            {"id": "some", "url": some.url, "events": ["message.status"], "chats": ["7"]},
            {"id": "all", "url": all.url},
        ):
            assert (await served.client.post("/v1/webhooks", json=body)).status_code == 201
        async with open_websocket(served.port, socket) as client:
            sent = (await served.client.post(URL, json={"to": "7", "text": "hi"})).json()
            failed = (await served.client.post(URL, json={"to": "nobody", "text": "hi"})).json()
            await served.parrot.say("polly", "hello")
            expected = [(sent["id"], "sent", "7"), (failed["id"], "failed", "nobody")]
            query = {"after": 0, "type": "message.status", "limit": 2, "timeout": 20}
            stream = (await served.client.get("/v1/events/stream", params=query)).text
            told = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]
            assert [(event["body"]["id"], event["body"]["state"], event["chat"]) for event in told] == expected
            assert await client.some(2) == told
            with trio.fail_after(20):
                await some.wait_until(lambda: bool(some.deliveries))
                await all.wait_until(lambda: bool(all.deliveries))
        assert [delivery.event for delivery in some.deliveries] == told[:1]
        assert {delivery.event["type"] for delivery in all.deliveries} <= {"message", "session.status"}
    unasked = (await served.client.get("/v1/events")).json()["events"]
    assert [event["type"] for event in unasked if event["type"] != "session.status"] == ["message"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-31T12:00:00Z", 1769860800.0),
        ("2026-01-31T12:00:00.5Z", 1769860800.5),
        ("2026-02-31T00:00:00Z", 1772496000.0),
        ("2026-01-31T13:00:00+01:00", 1769860800.0),
        ("2026-01-31T06:30:00.123456789-05:30", 1769860800.123456),
        (None, None),
    ],
)
def test_instants(text: Any, seconds: Any) -> None:
    assert seconds_of(text) == seconds


async def test_a_client_that_goes_while_it_waits_is_no_error(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with serve() as served:
        await served.add()
        served.parrot.hold = trio.Event()
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(served.client.post, URL, params={"wait": 30}, json={"to": "7", "text": "x"}))
                await served.parrot.sending.wait()
                nursery.cancel_scope.cancel()
        served.parrot.hold.set()
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_known_key_is_answered_whatever_became_of_the_session_and_the_file(served: Any) -> None:
    """Who repeats a send has not had its answer: "not connected" would tell that nothing was sent."""
    await served.add()
    file = await served.client.post("/v1/media", content=b"parrot", headers={"Content-Type": "image/png"})
    text, image = {"to": "7", "text": "paid"}, {"to": "7", "type": "image", "media": file.json()["id"]}
    first = await served.client.post(URL, json=text, headers={"Idempotency-Key": "k"})
    second = await served.client.post(URL, json=image, headers={"Idempotency-Key": "m"})
    later = text | {"send_at": instant(hours=1)}
    third = await served.client.post(URL, json=later, headers={"Idempotency-Key": "s"})
    await served.client.delete(f"/v1/media/{file.json()['id']}")
    again = await served.client.post(URL, json=image, headers={"Idempotency-Key": "m"})
    assert (again.status_code, again.json()) == (200, second.json())
    await served.client.post("/v1/sessions/polly/stop")
    for body, key, known in ((text, "k", first), (image, "m", second), (later, "s", third)):
        again = await served.client.post(URL, json=body, headers={"Idempotency-Key": key})
        assert (again.status_code, again.json()) == (known.status_code, known.json())
    other = await served.client.post(URL, json={"to": "7", "text": "other"}, headers={"Idempotency-Key": "k"})
    assert (other.status_code, other.json()["field"]) == (409, "Idempotency-Key")
    new = await served.client.post(URL, json=text, headers={"Idempotency-Key": "new"})
    assert (new.status_code, new.json()["type"]) == (409, "urn:rookery:problem:not-connected")
    listed = (await served.client.get(URL)).json()["messages"]
    assert {row["id"] for row in listed} == {known.json()["id"] for known in (first, second, third)}
    assert len(served.parrot.sent) == 2


async def test_a_known_key_with_another_time_or_ttl_is_another_request(served: Any) -> None:
    await served.add()
    at, text = instant(hours=1), {"to": "7", "text": "pay"}
    requests: dict[str, dict[str, Any]] = {
        "plain": text,
        "scheduled": text | {"send_at": at},
        "short-lived": text | {"ttl": 60},
        "both": text | {"send_at": at, "ttl": 60},
    }
    first = {}
    for key, body in requests.items():
        answer = await served.client.post(URL, json=body, headers={"Idempotency-Key": key})
        first[key] = answer.json()["id"]
    others = [*requests.values(), text | {"send_at": instant(hours=2)}, text | {"ttl": 61}]
    for key, body in requests.items():
        for other in others:
            answer = await served.client.post(URL, json=other, headers={"Idempotency-Key": key})
            if other == body:
                assert (answer.status_code in (200, 202), answer.json()["id"]) == (True, first[key])
            else:
                assert (answer.status_code, answer.json()["field"]) == (409, "Idempotency-Key"), (key, other)
    assert len((await served.client.get(URL)).json()["messages"]) == len(requests)


async def test_what_was_sent_stays_readable(served: Any) -> None:
    await served.add()
    for body in (
        {"to": "7", "text": "hello"},
        {"to": "7", "type": "image", "url": "https://me:secret@example.org/a.png", "caption": "look"},
        {"to": "7", "type": "document", "data": "aGVsbG8=", "filename": "a.txt", "mime_type": "text/plain"},
        {"to": "7", "type": "location", "latitude": 1, "longitude": 2},
    ):
        sent = await served.client.post(URL, json=body)
        assert sent.status_code == 200, sent.text
    rows = (await served.client.get(URL)).json()["messages"]
    place, document, image, text = (row["content"] for row in rows)
    assert text == {"type": "text", "text": "hello", "format": "plain", "preview": True}
    assert image == {"type": "image", "url": "https://***@example.org/a.png", "caption": "look"}
    assert (place["type"], place["latitude"], place["longitude"]) == ("location", 1.0, 2.0)
    assert (document["size"], document["filename"]) == (5, "a.txt")
    assert "data" not in document
    file = await served.client.get(document["href"])
    assert (file.status_code, file.content, file.headers["content-type"]) == (200, b"hello", "text/plain")
    assert file.headers["content-disposition"] == 'attachment; filename="a.txt"'
    shown = (await served.client.get(f"/v1/messages/{rows[1]['id']}")).json()
    assert shown["content"] == document
    assert (await served.client.get(f"/v1/messages/{rows[3]['id']}/media")).status_code == 404
    stored = (
        await served.client.post("/v1/media", content=b"%PDF", headers={"Content-Type": "application/pdf"})
    ).json()
    sent = (await served.client.post(URL, json={"to": "7", "type": "document", "media": stored["id"]})).json()
    assert sent["content"]["href"] == f"/v1/media/{stored['id']}"
    assert (await served.client.get(sent["content"]["href"])).content == b"%PDF"


async def test_a_batch_is_answered_message_by_message(served: Any) -> None:
    await served.add()
    batch = [
        {"to": "7", "text": "one", "idempotency_key": "k"},
        {"to": "7", "text": "one", "idempotency_key": "k"},
        {"to": "7", "text": "other", "idempotency_key": "k"},
        {"to": 8, "type": "location", "latitude": 1.0, "longitude": 2.0},
        {"to": "8"},
        {"text": "to nobody"},
        {"to": "8", "txt": "misspelt"},
        {"to": "8", "text": "later", "send_at": instant(hours=1)},
    ]
    answer = await served.client.post(f"{URL}/batch", json={"messages": batch})
    assert answer.status_code == 200
    answers = answer.json()["messages"]
    assert [each.get("id") is not None for each in answers] == [True, True, False, True, False, False, False, True]
    assert answers[0]["id"] == answers[1]["id"]
    assert (answers[2]["status"], answers[2]["field"]) == (409, "Idempotency-Key")
    assert [(each["status"], each["field"]) for each in answers[4:7]] == [(400, "text"), (400, "to"), (400, "txt")]
    assert answers[7]["state"] == "scheduled"
    for each in (answers[0], answers[3]):
        with trio.fail_after(30):
            assert (await served.engine.wait_message(each["id"], 20)).state == "sent"
    again = await served.client.post(URL, json=batch[0])
    assert (again.status_code, again.json()["id"]) == (200, answers[0]["id"])


async def test_a_batch_has_bounds(served: Any) -> None:
    await served.add()
    too_many = await served.client.post(f"{URL}/batch", json={"messages": [{"to": "7", "text": "x"}] * 1001})
    assert (too_many.status_code, too_many.json()["field"]) == (400, "messages")
    empty = await served.client.post(f"{URL}/batch", json={"messages": []})
    assert empty.status_code == 400
    unknown = await served.client.post(
        "/v1/sessions/ghost/messages/batch", json={"messages": [{"to": "7", "text": "x"}]}
    )
    assert unknown.status_code == 404
    whole = await served.client.post(f"{URL}/batch", json={"messages": [{"to": "7", "text": "x"}] * 1000})
    assert whole.status_code == 200
    states = {each.get("state", each.get("status")) for each in whole.json()["messages"]}
    assert states <= {"queued", "sending"}


async def test_a_strict_send_answers_422_when_it_failed(served: Any) -> None:
    await served.add()
    failing = {"to": "nobody", "text": "x"}
    lax = await served.client.post(URL, json=failing)
    assert (lax.status_code, lax.json()["state"]) == (200, "failed")
    strict = await served.client.post(URL, params={"strict": "true"}, json=failing)
    assert (strict.status_code, strict.json()["type"]) == (422, "urn:rookery:problem:not-sent")
    found = await served.client.get(strict.headers["Location"])
    assert found.json()["state"] == "failed"
    assert strict.json()["detail"] == found.json()["error"]
    good = await served.client.post(URL, params={"strict": "true"}, json={"to": "7", "text": "x"})
    assert (good.status_code, good.json()["state"]) == (200, "sent")


async def test_a_wait_reads_no_row(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await served.add()
    reads = []
    get_message = served.engine.store.get_message

    async def count(id: Any) -> Any:
        reads.append(id)
        return await get_message(id)

    monkeypatch.setattr(served.engine.store, "get_message", count)
    sent = await served.client.post(URL, json={"to": "7", "text": "x"})
    assert (sent.status_code, sent.json()["state"], sent.json()["attempts"]) == (200, "sent", 1)
    assert reads == []
    assert sent.json() == (await served.client.get(f"/v1/messages/{sent.json()['id']}")).json()


async def test_the_key_in_the_header_and_in_the_body(served: Any) -> None:
    await served.add()
    both = await served.client.post(
        URL, json={"to": "7", "text": "x", "idempotency_key": "a"}, headers={"Idempotency-Key": "b"}
    )
    assert (both.status_code, both.json()["field"]) == (400, "idempotency_key")
    first = await served.client.post(URL, json={"to": "7", "text": "x", "idempotency_key": "a"})
    again = await served.client.post(URL, json={"to": "7", "text": "x"}, headers={"Idempotency-Key": "a"})
    assert first.json()["id"] == again.json()["id"]
