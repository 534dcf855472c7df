"""Webhooks over HTTP: chats, headers, rotation, replay by condition, and how deliveries go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from support.waiting import until_found
from support.webhook_receiver import open_webhook_receiver

HOOK = {"url": "http://127.0.0.1:9/x", "id": "w"}


async def test_headers_are_never_shown_again(served: Any) -> None:
    made = await served.client.post("/v1/webhooks", json=HOOK | {"headers": {"Authorization": "Bearer hidden"}})
    assert made.json()["headers"] == {"Authorization": "***"}
    shown = await served.client.get("/v1/webhooks/w")
    changed = await served.client.patch("/v1/webhooks/w", json={"headers": {"X-A": "hidden"}, "timeout": 5})
    assert changed.json()["headers"] == {"X-A": "***"}
    assert changed.json()["timeout"] == 5
    assert (await served.client.patch("/v1/webhooks/w", json={"timeout": None})).json()["timeout"] is None
    assert "hidden" not in made.text + shown.text + changed.text


@pytest.mark.parametrize("name", ["Host", "content-length", "Webhook-Signature", "WEBHOOK-ID", "Transfer-Encoding"])
async def test_headers_of_our_own_are_a_conflict(served: Any, name: Any) -> None:
    answer = await served.client.post("/v1/webhooks", json=HOOK | {"headers": {name: "x"}})
    assert (answer.status_code, answer.json()["field"]) == (409, "headers")
    await served.client.post("/v1/webhooks", json=HOOK)
    assert (await served.client.patch("/v1/webhooks/w", json={"headers": {name: "x"}})).status_code == 409
    bad = await served.client.post("/v1/webhooks", json=HOOK | {"id": "v", "headers": {"x": "a\r\nb: c"}})
    assert bad.status_code == 400


async def test_rotation(served: Any) -> None:
    made = (await served.client.post("/v1/webhooks", json=HOOK)).json()
    rotated = (await served.client.post("/v1/webhooks/w/rotate-secret")).json()
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != made["secret"]
    assert rotated["previous_secret_until"] is not None
    own = "whsec_" + "QUJD" * 8
    quiet = (await served.client.post("/v1/webhooks/w/rotate-secret", json={"secret": own, "grace": 0})).json()
    assert "secret" not in quiet
    assert quiet["previous_secret_until"] is None
    shown = (await served.client.get("/v1/webhooks/w")).text
    assert made["secret"] not in shown
    assert own not in shown


async def test_how_deliveries_go_and_replay(served: Any) -> None:
    await served.add()
    await served.add("jack")
    async with open_webhook_receiver() as receiver:
        good = {"url": receiver.url, "id": "good", "chats": ["7"]}
        assert (await served.client.post("/v1/webhooks", json=good)).json()["chats"] == ["7"]
        assert (await served.client.post("/v1/webhooks", json=HOOK)).status_code == 201
        await served.parrot.say("polly", "a", chat="7")
        await served.parrot.say("jack", "b", chat="8")
        with trio.fail_after(30):
            while True:
                rows = {row["id"]: row for row in (await served.client.get("/v1/webhooks")).json()["webhooks"]}
                if rows["good"]["last_success_at"] and rows["w"]["last_error"]:
                    break
                await trio.sleep(0.02)
        assert [delivery.event["chat"] for delivery in receiver.deliveries] == ["7"]
    assert (rows["good"]["pending"], rows["good"]["dead"], rows["good"]["last_error"]) == (0, 0, None)
    assert rows["w"]["pending"] == 2
    assert rows["w"]["oldest_pending_at"].endswith("Z")
    assert "CannotConnect" in rows["w"]["last_error"]
    assert rows["w"]["failed"] >= 1
    assert rows["w"]["lag"] > 0
    assert (rows["good"]["delivered"], rows["good"]["last_status"], rows["w"]["last_status"]) == (1, 204, None)
    assert rows["good"]["deliveries_per_second"] == 0.1, "one in the last 10 s"
    lines = (await served.client.get("/metrics")).text.splitlines()
    assert 'rookery_webhook_deliveries_per_second{webhook="good"} 0.1' in lines
    assert 'rookery_webhook_pending_deliveries{webhook="w"} 2.0' in lines
    assert 'rookery_webhook_attempts_total{outcome="delivered",webhook="good"} 1.0' in lines
    for which in ({"session": "polly"}, {"since": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}, {}):
        answer = await served.client.post("/v1/webhooks/w/replay", json=which)
        assert (answer.status_code, answer.json()) == (202, {"replayed": 0})
    assert (await served.client.post("/v1/webhooks/w/replay", json={"since": "yesterday"})).status_code == 400


@pytest.mark.parametrize(
    "host",
    [
        "[::1]",
        "[fd00::1:2]",
        "[2001:db8::a:b:c]",
        "[1:2:3:4:5:6:7:8]",
        "[1::8]",
        "[1:2:3:4:5:6:7::]",
        "[::ffff:7f00:1]",
    ],
)
async def test_addresses_of_ipv6(served: Any, host: Any) -> None:
    url = f"http://{host}:8080/hook"
    made = await served.client.post("/v1/webhooks", json={"url": url, "enabled": False})
    assert (made.status_code, made.json()["url"]) == (201, url)


@pytest.mark.parametrize(
    "host", ["[]", "[:]", "[1:2]", "[1::2::3]", "[1:2:3:4:5:6:7:8:9]", "[12345::1]", "[g::1]", "::1", "[::1"]
)
async def test_addresses_that_are_not_ipv6(served: Any, host: Any) -> None:
    refused = await served.client.post("/v1/webhooks", json={"url": f"http://{host}/hook", "enabled": False})
    assert (refused.status_code, refused.json()["field"]) == (400, "url")


async def test_secrets_in_the_address_are_neither_shown_nor_stored_in_clear(served: Any, tmp_path: Path) -> None:
    url = "http://user-name:hush-hush@127.0.0.1:9/a-secret-path?token=hush-too&plain"
    made = await served.client.post("/v1/webhooks", json={"id": "w", "url": url})
    shown = "http://***@127.0.0.1:9/a-secret-path?token=***&***"
    assert made.json()["url"] == shown
    changed = await served.client.patch("/v1/webhooks/w", json={"url": shown, "events": ["message"]})
    assert (changed.status_code, changed.json()["url"]) == (200, shown)
    assert (await served.engine.get_webhook("w")).url == url, "what was shown and comes back changes nothing"
    wrong = await served.client.patch("/v1/webhooks/w", json={"url": "http://***@127.0.0.1:9/other"})
    assert (wrong.status_code, wrong.json()["field"]) == (400, "url")
    stored = b"".join(file.read_bytes() for file in tmp_path.rglob("rookery.db*"))
    for secret in (b"user-name", b"hush-hush", b"a-secret-path", b"hush-too"):
        assert secret not in stored


async def test_a_test_call_says_what_the_endpoint_answered(served: Any) -> None:
    async with open_webhook_receiver() as receiver:
        body = {"url": receiver.url, "replies": True, "format": "cloudevents", "id": "w"}
        made = (await served.client.post("/v1/webhooks", json=body)).json()
        assert (made["replies"], made["format"]) == (True, "cloudevents")
        tested = (await served.client.post("/v1/webhooks/w/test")).json()
        assert (tested["delivered"], tested["status"], tested["error"]) == (True, 204, None)
        [delivery] = receiver.deliveries
        assert delivery.event["type"] == "test"
        receiver.status = lambda delivery: 503
        tested = (await served.client.post("/v1/webhooks/w/test")).json()
        assert (tested["delivered"], tested["status"], tested["error"]) == (False, 503, "answered 503")
    changed = (await served.client.patch("/v1/webhooks/w", json={"replies": False, "format": "rookery"})).json()
    assert (changed["replies"], changed["format"]) == (False, "rookery")
    assert (await served.client.patch("/v1/webhooks/w", json={"format": "xml"})).status_code == 400
    assert (await served.client.post("/v1/webhooks/nobody/test")).status_code == 404


async def test_the_last_attempts_and_how_long_they_took(served: Any) -> None:
    secrets = {"headers": {"Authorization": "Bearer hush-hush-key"}}
    async with open_webhook_receiver() as receiver:
        receiver.answer = lambda delivery: b"got it\n" + delivery.headers["authorization"].encode()
        receiver.status = lambda delivery: 200 if len(receiver.deliveries) != 1 else 503
        await served.client.post("/v1/webhooks", json={"url": receiver.url, "id": "w", "events": ["message"]} | secrets)
        assert (await served.client.get("/v1/webhooks/w")).json()["latency_p99"] is None
        await served.add()
        await served.parrot.say("polly", "a", chat="7")
        await served.parrot.say("polly", "b", chat="7")
        answer = await until_found(
            lambda: served.client.get("/v1/webhooks/w/attempts"),
            lambda answer: len(answer.json()["attempts"]) >= 2,
            seconds=30,
        )
        attempts = answer.json()["attempts"]
        tested = await served.client.post("/v1/webhooks/w/test")
        assert "got it ***" in tested.text
        assert "hush" not in tested.text + str(attempts)
    *_, second, first = attempts
    assert (first["session"], first["type"], first["chat"], first["attempt"]) == ("polly", "message", "7", 1)
    assert (first["delivered"], first["status"], first["error"], first["answer"]) == (True, 200, None, "got it ***")
    assert (second["delivered"], second["status"], second["error"]) == (False, 503, "answered 503")
    assert 0 < first["seconds"] < 30
    assert first["at"].endswith("Z")
    shown = (await served.client.get("/v1/webhooks/w")).json()
    assert 0 < shown["latency_p50"] <= shown["latency_p99"] < 30
    lines = (await served.client.get("/metrics")).text
    assert 'rookery_webhook_latency_seconds{quantile="0.99",webhook="w"}' in lines
    assert (await served.client.get("/v1/webhooks/nobody/attempts")).status_code == 404


async def test_a_webhook_moves_to_another_session(served: Any) -> None:
    await served.add()
    await served.add("jack")
    await served.client.post("/v1/webhooks", json=HOOK | {"session": "polly", "enabled": False})
    moved = await served.client.patch("/v1/webhooks/w", json={"session": "jack"})
    assert (moved.status_code, moved.json()["session"]) == (200, "jack")
    listed = await served.client.get("/v1/webhooks", params={"session": "jack"})
    assert [row["id"] for row in listed.json()["webhooks"]] == ["w"]
    assert (await served.client.patch("/v1/webhooks/w", json={"session": "nobody"})).status_code == 404
    assert (await served.client.patch("/v1/webhooks/w", json={"session": None})).json()["session"] is None
    await served.client.patch("/v1/webhooks/w", json={"session": "jack"})
    assert (await served.client.delete("/v1/sessions/jack")).status_code == 200
    assert (await served.client.get("/v1/webhooks/w")).status_code == 404, "it belonged to the session"
