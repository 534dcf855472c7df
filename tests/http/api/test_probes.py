"""Probes, health, bugs, and secrets that the log does not show."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from rookery.errors import StoreUnavailable
from rookery_http.operate import readiness
from rookery_http.output.values import redacted
from support.clients.problems import assert_problem
from support.waiting import until_found


async def test_probes_and_health(served: Any) -> None:
    assert (await served.client.get("/healthz")).json() == {"status": "ok"}
    assert (await served.client.head("/healthz")).status_code == 200
    ready = await served.client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
    await served.add()
    # What the engine observed is stored a moment later.
    answer = await until_found(
        lambda: served.client.get("/v1/health"),
        lambda answer: answer.json()["sessions"] == {"parrot": {"CONNECTED": 1}},
        seconds=20,
    )
    health = answer.json()
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
        "proxy": "socks5://***@host:1080",
        "plain": "user:x@host",
        "link": "https://host/a:b@c",
    }
