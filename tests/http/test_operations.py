"""Pairing, checks, memory and metrics over HTTP."""

from __future__ import annotations

import re

import pytest


async def test_a_qr_code_in_every_form(served):
    await served.add()
    path = "/v1/sessions/polly/qr"
    assert (await served.client.get(path)).status_code == 409
    assert (await served.client.get("/v1/sessions/nobody/qr")).status_code == 404
    served.parrot.codes["polly"] = type("Code", (), {"kind": "qr", "code": "2@abc", "expires_at": 1_700_000_000.0})()
    plain = await served.client.get(path)  # httpx accepts everything
    assert plain.json() == {"code": "2@abc", "expires_at": "2023-11-14T22:13:20.000Z"}
    for accept, start in [
        ("application/json", b"{"),
        ("image/png", b"\x89PNG"),
        ("image/svg+xml", b"<svg"),
        ("text/plain", b" "),
        ("text/html, image/*;q=0.5", b"\x89PNG"),
    ]:
        answer = await served.client.get(path, headers={"Accept": accept})
        assert answer.status_code == 200, answer.text
        assert answer.content.startswith(start) or start == b" ", answer.content[:50]
    assert (await served.client.get(path, headers={"Accept": "audio/ogg"})).status_code == 406
    served.parrot.codes["polly"].kind = "phone"
    assert (await served.client.get(path)).status_code == 409


async def test_a_pairing_code(served):
    await served.add()
    path = "/v1/sessions/polly/pairing-code"
    assert (await served.client.post(path, json={"phone": "+4915112345678"})).status_code == 409
    served.parrot.codes["polly"] = type("Code", (), {"kind": "qr", "code": "2@abc", "expires_at": 1.0})()
    answer = await served.client.post(path, json={"phone": "+4915112345678"})
    assert answer.json()["code"] == "5678-CODE"
    for phone in ("", "12", "x", "+0123456789", "+49 151"):
        assert (await served.client.post(path, json={"phone": phone})).status_code == 400
    assert (
        await served.client.post("/v1/sessions/no/pairing-code", json={"phone": "+4915112345678"})
    ).status_code == 404


async def test_checks_memory_and_cleaning(served):
    await served.add()
    checks = await served.client.post("/v1/health/check")
    assert checks.status_code == 200, checks.text
    assert all(check.keys() == {"session", "kind", "ok", "latency", "error"} for check in checks.json()["checks"])
    chosen = await served.client.post("/v1/health/check", json={"sessions": ["polly"]})
    assert {check["session"] for check in chosen.json()["checks"]} <= {"polly"}
    assert (await served.client.post("/v1/health/check", json={"sessions": ["nobody"]})).status_code == 404
    memory = (await served.client.get("/v1/memory")).json()
    assert memory["engine"]["unique"] > 1_000_000
    assert memory["level"] in ("ok", "warning", "critical")
    assert (await served.client.post("/v1/sessions/terminate-inactive")).json() == {"terminated": []}


METRIC = re.compile(r'[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-+0-9.e]+|# (HELP|TYPE) [a-z_]+ .+')


async def test_metrics(served):
    await served.add()
    await served.client.post("/v1/sessions/polly/messages", json={"to": "7", "text": "hi"})
    answer = await served.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert [line for line in lines if not METRIC.fullmatch(line)] == []
    assert 'rookery_sessions{platform="parrot",status="CONNECTED"} 1' in lines
    assert "rookery_ready 1" in lines
    assert 'rookery_sends_total{platform="parrot",state="sent"} 1' in lines


@pytest.mark.parametrize("path", ["/metrics", "/v1/memory", "/v1/sessions/polly/qr"])
async def test_they_need_the_key(serve, path):
    async with serve(key="sesame") as served:
        served.client.headers.pop("Authorization")
        assert (await served.client.get(path)).status_code == 401
