"""Pairing, checks, memory and metrics over HTTP."""

from __future__ import annotations

import re
from typing import Any

import pytest
import trio
from prometheus_client import REGISTRY
from prometheus_client.openmetrics import parser as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from rookery import EngineSettings, SessionStatus
from rookery.errors import StoreUnavailable, TerminalError
from rookery.model.session import Action, Reason
from support.waiting import until_found


async def test_a_qr_code_in_every_form(served: Any) -> None:
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
        ("text/plain", "█".encode()),
        ("text/html, image/*;q=0.5", b"\x89PNG"),
    ]:
        answer = await served.client.get(path, headers={"Accept": accept})
        assert answer.status_code == 200, answer.text
        assert answer.content.startswith(start), answer.content[:50]
    assert (await served.client.get(path, headers={"Accept": "audio/ogg"})).status_code == 406
    served.parrot.codes["polly"].kind = "phone"
    assert (await served.client.get(path)).status_code == 409


async def test_a_pairing_code(served: Any) -> None:
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


async def test_checks_memory_and_cleaning(served: Any) -> None:
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


SAMPLE = r'[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-+0-9.e]+'
TEXT_LINE = re.compile(SAMPLE + r"|# (HELP|TYPE) [a-z_]+ .+")
PROMETHEUS = (  # what the server sends, version 3
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


async def test_metrics(served: Any) -> None:
    await served.add()
    await served.client.post("/v1/sessions/polly/messages", json={"to": "7", "text": "hi"})
    answer = await served.client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.text.splitlines()
    assert [line for line in lines if not TEXT_LINE.fullmatch(line)] == []
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    sent = next(sample for sample in families["rookery_send_seconds"].samples if sample.name.endswith("_count"))
    assert (sent.labels, sent.value) == ({"platform": "parrot"}, 1)
    for line in (
        'rookery_sessions{platform="parrot",status="CONNECTED"} 1.0',
        "rookery_ready 1.0",
        'rookery_sends_total{platform="parrot",state="sent"} 1.0',
        'rookery_send_seconds_bucket{le="+Inf",platform="parrot"} 1.0',
    ):
        assert line in lines, line


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("*/*", "text/plain"),
        ("text/html", "text/plain"),
        ("application/openmetrics-text", "application/openmetrics-text"),
        ("application/openmetrics-text;q=0.1, text/plain;version=0.0.4", "text/plain"),
        ("application/openmetrics-text;q=0", "text/plain"),
        ("application/openmetrics-text;version=nonsense", "application/openmetrics-text"),
        (PROMETHEUS, "application/openmetrics-text"),
    ],
)
async def test_metrics_in_the_form_that_is_preferred(served: Any, accept: Any, form: Any) -> None:
    answer = await served.client.get("/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"].partition(";")[0] == form
    assert answer.text.endswith("# EOF\n") == (form == "application/openmetrics-text")


async def test_both_forms_tell_the_same(served: Any) -> None:
    """Each is read by a parser of its own, and OpenMetrics' is strict."""
    await served.add()
    plain = (await served.client.get("/metrics")).text
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    strict = (await served.client.get("/metrics", headers=accept)).text
    names = {sample.name for family in text_string_to_metric_families(plain) for sample in family.samples}
    assert names == {
        sample.name
        for family in open_metrics.text_string_to_metric_families(strict)  # type: ignore[no-untyped-call]
        for sample in family.samples
    }
    assert "# UNIT rookery_memory_bytes bytes" in strict


@pytest.mark.parametrize("trouble", ["refuses", "hangs"])
async def test_metrics_while_the_database_is_away(serve: Any, monkeypatch: pytest.MonkeyPatch, trouble: Any) -> None:
    async def count_sessions() -> None:
        if trouble == "hangs":
            await trio.sleep_forever()
        raise StoreUnavailable("no database")

    async with serve(engine=EngineSettings(store_timeout=0.5)) as served:
        await served.add()
        before = (await served.client.get("/metrics")).text.splitlines()
        assert "rookery_store_up 1.0" in before
        monkeypatch.setattr(served.engine.store, "count_sessions", count_sessions)
        answer = await served.client.get("/metrics")
        assert answer.status_code == 200
        lines = answer.text.splitlines()
        for line in (
            "rookery_store_up 0.0",
            "rookery_sessions_connected 1.0",
            'rookery_connects_total{platform="parrot"} 1.0',
        ):
            assert line in lines, line
        assert not [line for line in lines if line.startswith(("rookery_sessions{", "rookery_dead_letters"))]


async def test_enabled_sessions_that_are_down_are_counted(served: Any) -> None:
    await served.add()
    down = 'rookery_sessions_down{platform="parrot"}'
    assert f"{down} 0.0" in (await served.client.get("/metrics")).text.splitlines()
    error = TerminalError("banned", reason=Reason.BANNED, action=Action.NONE)
    served.engine.running_here()["polly"].fail(error)
    await served.engine.wait_status("polly", SessionStatus.DISCONNECTED)
    await until_found(
        lambda: served.client.get("/metrics"), lambda answer: f"{down} 1.0" in answer.text.splitlines(), seconds=20
    )
    await served.client.post("/v1/sessions/polly/stop")
    assert f"{down} 0.0" in (await served.client.get("/metrics")).text.splitlines()


async def test_counters_that_alerts_wait_for_begin_at_zero(served: Any) -> None:
    """Prometheus sees no increase in the first value of a series."""
    lines = (await served.client.get("/metrics")).text.splitlines()
    for line in (
        'rookery_deliveries_total{outcome="dead"} 0.0',
        "rookery_lease_failures_total 0.0",
        'rookery_memory_actions_total{action="restart_worker"} 0.0',
    ):
        assert line in lines, line


def test_no_metric_is_registered_for_the_whole_process() -> None:
    assert not [name for name in REGISTRY._names_to_collectors if name.startswith("rookery")]


@pytest.mark.parametrize("path", ["/metrics", "/v1/memory", "/v1/sessions/polly/qr"])
async def test_they_need_the_key(serve: Any, path: Any) -> None:
    async with serve(key="sesame") as served:
        served.client.headers.pop("Authorization")
        assert (await served.client.get(path)).status_code == 401
