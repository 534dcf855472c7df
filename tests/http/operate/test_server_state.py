"""What an administrator reads of a running server: its log, its settings, and what it finds of itself."""

from __future__ import annotations

import json
import logging
import resource
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from rookery.log import get_logger
from rookery_http.config.load import load
from rookery_http.config.settings import ApiSettings
from rookery_http.operate.doctor import examine_running
from rookery_http.operate.log_tail import LogTail, levels_from
from rookery_http.operate.logs import Mask
from support.clients.problems import assert_problem
from support.server_process import open_server_process
from support.waiting import until_found

TOKEN = "123456789:AAEhBOweik9ai2o1B2c3D4e5F6g7H8i9J0k"


@pytest.fixture(autouse=True)
def _levels() -> Any:
    """The level that `rookery serve` sets."""
    logger = logging.getLogger("rookery")
    before = logger.level
    logger.setLevel("INFO")
    yield
    logger.setLevel(before)


@pytest.mark.logs_secrets
async def test_the_log_is_read_by_level_session_and_text(served: Any) -> None:
    get = served.client.get
    log = get_logger("RECONNECT")
    log.info("a lazy line", session="shop")
    log.warning("the connection is lost", session="shop", delay=4.2, url=f"https://x/bot{TOKEN}/getMe")
    log.warning("another one", session="other")
    try:
        raise ValueError(f"it broke at {TOKEN}")
    except ValueError:
        log.exception("an unexpected error")
    page = (await get("/v1/logs", params={"level": "WARNING", "session": "shop"})).json()
    [line] = page["lines"]
    assert (line["level"], line["component"], line["text"]) == ("WARNING", "RECONNECT", "the connection is lost")
    assert line["fields"] == {"session": "shop", "delay": "4.2", "url": "https://x/bot***/getMe"}
    [error] = (await get("/v1/logs", params={"q": "UNEXPECTED error"})).json()["lines"]
    assert "ValueError: it broke at ***" in error["trace"]
    texts = [line["text"] for line in (await get("/v1/logs", params={"after": line["number"]})).json()["lines"]]
    assert texts == ["another one", "an unexpected error"]
    assert (await get("/v1/logs", params={"level": "LOUD"})).status_code == 400
    assert TOKEN not in (await get("/v1/logs")).text


async def test_the_next_line_is_waited_for(served: Any) -> None:
    newest = (await served.client.get("/v1/logs")).json()["next"]
    answers: list[Any] = []

    async def wait() -> None:
        query = {"after": newest, "wait": 30, "q": "awaited"}
        answers.append((await served.client.get("/v1/logs", params=query)).json())

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.to_thread.run_sync(get_logger("API").info, "not this one")
            await trio.to_thread.run_sync(get_logger("API").info, "the awaited one")
    assert [line["text"] for line in answers[0]["lines"]] == ["the awaited one"]
    assert answers[0]["next"] > newest


async def test_reading_the_log_writes_nothing_into_it(served: Any) -> None:
    logging.getLogger("rookery").setLevel("DEBUG")
    await served.client.get("/v1/health")
    newest = (await served.client.get("/v1/logs", params={"q": "/v1/health"})).json()
    assert newest["lines"], "requests are lines at this level"
    again = (await served.client.get("/v1/logs", params={"after": newest["next"]})).json()
    assert [line for line in again["lines"] if line["fields"].get("path") == "/v1/logs"] == []


async def test_a_server_that_was_started_again_is_read_from_its_first_line() -> None:
    tail = LogTail(Mask([]), kept=3)
    for number in range(1, 6):
        tail.handle(
            logging.makeLogRecord({"name": "rookery.api", "levelno": 20, "levelname": "INFO", "msg": f"line {number}"})
        )
    assert [line.text for line in tail.read(after=4)] == ["line 5"]
    assert [line.text for line in tail.read(after=9_000)] == ["line 3", "line 4", "line 5"], "another run's number"
    assert [line.text for line in tail.read(limit=1)] == ["line 5"]
    assert levels_from("WARNING") == ("WARNING", "ERROR", "CRITICAL")


async def test_only_administrators_read_what_the_server_is(serve: Any) -> None:
    async with serve(key="sesame") as served:
        _, manage = await served.engine.create_key(scopes=["manage"])
        for path in ("/v1/logs", "/v1/settings", "/v1/doctor", "/v1/debug/tasks"):
            headers = {"Authorization": f"Bearer {manage}"}
            assert (await served.client.get(path, headers=headers)).status_code == 403
            assert (await served.client.get(path, headers={"Authorization": ""})).status_code == 401


async def test_settings_in_force_hide_secrets(tmp_path: Path) -> None:
    environment = {
        "ROOKERY_API_KEY": "a-very-secret-key-0815",
        "ROOKERY_KEEP_ALIVE": "17",
        "ROOKERY_TELEGRAM_PROXY": "http://me:swordfish-7@127.0.0.1:9",
        "LOG_LEVEL": "WARNING",
    }
    async with open_server_process(tmp_path, environment=environment) as server:
        await server.listening()
        async with server.client() as client:
            headers = {"Authorization": "Bearer a-very-secret-key-0815"}
            answer = await client.get("/v1/settings", headers=headers)
            rows = {row["name"]: row for row in answer.json()["settings"]}
            assert rows["ROOKERY_KEEP_ALIVE"] | {"meaning": ""} == {
                "name": "ROOKERY_KEEP_ALIVE",
                "group": "API",
                "value": "17",
                "default": "30",
                "unit": "s",
                "meaning": "",
                "changed": True,
                "secret": False,
            }
            assert (rows["ROOKERY_API_KEY"]["value"], rows["DATABASE_URL"]["value"]) == ("set", "none")
            assert (rows["ROOKERY_SHUTDOWN_GRACE"]["value"], rows["ROOKERY_SHUTDOWN_GRACE"]["changed"]) == ("8", False)
            assert answer.json()["version"]
            logged = await client.get("/v1/logs", headers=headers)
            for text in (answer.text, logged.text):
                for secret in ("swordfish-7", "a-very-secret-key-0815"):
                    assert secret not in text


async def test_a_full_disk_is_not_ready_and_says_why(tmp_path: Path) -> None:
    """A process that may not write a single byte sees a full disk; it can still read the database."""
    async with open_server_process(tmp_path) as server:
        await server.listening()
        async with server.client() as client:

            async def answers(status: int) -> httpx.Response:
                return await until_found(
                    lambda: client.get("/readyz"), lambda answer: answer.status_code == status, seconds=30, step=0.1
                )

            await answers(200)
            limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, limits[1]))
            problem = assert_problem(await answers(503), 503)
            assert problem["detail"].startswith("the database cannot be used: ")
            assert "disk" in problem["detail"]
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/v1/sessions")).json()["sessions"] == []
            assert "rookery_store_up 0.0" in (await client.get("/metrics")).text.splitlines()
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
            assert (await answers(200)).json()["status"] == "ready"
            assert "rookery_store_up 1.0" in (await client.get("/metrics")).text.splitlines()
        server.send_signal(signal.SIGTERM)
        assert await server.ended(15) == 0


async def test_an_embedded_server_shows_what_it_has(served: Any) -> None:
    names = {row["name"] for row in (await served.client.get("/v1/settings")).json()["settings"]}
    assert "ROOKERY_KEEP_ALIVE" in names
    assert "ROOKERY_LEASE_TTL" in names
    assert "ROOKERY_DATA_DIR" not in names
    found = (await served.client.get("/v1/doctor")).json()
    assert {one["subject"] for one in found["findings"]} >= {"memory", "open files", "clock"}
    assert json.dumps(found).count("database") == 0


async def test_a_whole_server_examines_its_storage_too(
    served: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ROOKERY_DATA_DIR", str(tmp_path))
    found = {one.subject: one for one in await examine_running(served.engine, load(), ApiSettings())}
    assert {"configuration", "database", "data directory", "memory", "open files", "clock"} <= found.keys()


def test_every_secret_of_the_settings_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOKERY_SECRET_KEY", "first-key-of-two-1,second-key-of-two-2")
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:pass%20word@localhost/x")
    assert {"first-key-of-two-1", "second-key-of-two-2", "pass%20word", "pass word"} <= set(load().secrets)


async def test_events_are_paged_back_and_read_from_a_time(served: Any) -> None:
    await served.add()
    for number in range(5):
        await served.parrot.say("polly", f"word {number}")

    async def texts(**query: Any) -> tuple[list[str], int | None]:
        page = (await served.client.get("/v1/events", params={"type": "message"} | query)).json()
        return [event["body"]["text"] for event in page["events"]], page["next"]

    newest, before = await texts(before=2**53 - 1, limit=2)
    assert newest == ["word 3", "word 4"]
    older, before = await texts(before=before, limit=2)
    assert older == ["word 1", "word 2"]
    assert await texts(before=before, limit=2) == (["word 0"], None)
    assert (await texts(since="2026-01-31T12:00:00Z"))[0] == [f"word {number}" for number in range(5)]
    assert await texts(since="2099-01-01T00:00:00Z") == ([], None)
