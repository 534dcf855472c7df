"""What an operator asks of a running server that seems stuck: checks now, and the tree of its tasks."""

from __future__ import annotations

import json
import os
import signal
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from rookery_http.operate.stuck import answering_signals
from rookery_http.operate.task_tree import lines, task_tree
from support.server_process import open_server_process
from support.waiting import until

TOKEN = "123456789:AAEhBOweik9ai2o1B2c3D4e5F6g7H8i9J0k"


async def test_every_periodic_check_can_be_forced(served: Any) -> None:
    await served.add()
    post = served.client.post
    assert (await post("/v1/health/check")).json()["checks"][0]["session"] == "polly"
    assert (await post("/v1/memory/check")).json()["engine"]["unique"] > 1_000_000
    assert (await post("/v1/recovery/check")).json() == {"started": []}
    assert (await post("/v1/cleaner/check")).json() == {"released": []}


async def test_forced_checks_and_the_tree_need_the_key(serve: Any) -> None:
    async with serve(key="sesame") as served:
        served.client.headers.pop("Authorization")
        for path in ("/v1/memory/check", "/v1/recovery/check", "/v1/cleaner/check"):
            assert (await served.client.post(path)).status_code == 401
        assert (await served.client.get("/v1/debug/tasks")).status_code == 401


async def test_the_tree_shows_what_each_task_waits_for(served: Any) -> None:
    await served.add(credentials={"token": "1:verysecret"})
    answer = await served.client.get("/v1/debug/tasks")
    assert answer.status_code == 200
    tasks = answer.json()["tasks"]
    assert tasks[0]["depth"] == 0
    assert all(later["depth"] <= earlier["depth"] + 1 for earlier, later in pairwise(tasks))
    link = next(task for task in tasks if task["waits_in"].endswith("ParrotLink.run"))
    assert link["waits_at"].partition(":")[0].endswith("conftest.py")
    names = {task["name"].rpartition(".")[2] for task in tasks}
    assert {"run", "_run"} & names
    assert "session polly" in {task["name"] for task in tasks}
    assert "verysecret" not in answer.text
    assert str(Path.home()) not in answer.text
    assert "site-packages" not in answer.text


async def test_tasks_that_have_not_begun_and_the_one_that_asks() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever, name="sleeper")
        tree = {task.name: task for task in task_tree()}
        assert tree["sleeper"].waits_at == "has not begun"
        assert [task.waits_at for task in tree.values()].count("runs") == 1
        await wait_all_tasks_blocked()
        [line] = [line for line in lines(task_tree()) if "sleeper" in line]
        assert line.startswith("    ")
        assert "sleep_forever" in line
        nursery.cancel_scope.cancel()


async def test_a_signal_writes_the_tree_to_the_log(tmp_path: Path) -> None:
    environment = {"LOG_FORMAT": "json", "ROOKERY_TELEGRAM_API_URL": "http://127.0.0.1:9"}
    async with open_server_process(tmp_path, environment=environment) as server:
        await server.listening()
        async with server.client() as client:
            document = {"id": "bot", "platform": "telegram", "credentials": {"token": TOKEN}}
            assert (await client.post("/v1/sessions", json=document)).status_code == 201
            with trio.fail_after(30):  # no server of Telegram answers: the session's task runs, and tries again
                while (await client.get("/v1/sessions/bot")).json()["status"] != "RECONNECTING":
                    await trio.sleep(0.02)
            server.send_signal(signal.SIGUSR1)
            await until(lambda: b"the tree of tasks" in server.errors)
            server.send_signal(signal.SIGUSR1)
            await until(lambda: server.errors.count(b"the tree of tasks") == 2)
            assert (await client.get("/healthz")).status_code == 200, "it goes on"
        server.send_signal(signal.SIGTERM)
        assert await server.ended(15) == 0
    records = [json.loads(line) for line in server.errors.splitlines()]
    assert any("supervisor" in record["event"].lower() for record in records)
    assert any(record["event"].lstrip().startswith("session bot: ") for record in records)
    assert TOKEN.encode() not in server.errors


async def test_a_blocked_loop_is_reported_by_a_thread(caplog: pytest.LogCaptureFixture) -> None:
    def events() -> list[str]:
        return [record.getMessage() for record in caplog.records]

    async def comes(event: str) -> None:
        await until(lambda: any(event in seen for seen in events()), seconds=30)

    before = signal.getsignal(signal.SIGUSR1)
    with answering_signals(patience=0.2):
        os.kill(os.getpid(), signal.SIGUSR1)
        await comes("the tree of tasks")
        assert not any("held up" in event for event in events())
        os.kill(os.getpid(), signal.SIGUSR1)
        blocked_until = time.monotonic() + 30
        while not any("held up" in event for event in events()) and time.monotonic() < blocked_until:
            time.sleep(0.01)  # noqa: ASYNC251 - this is what is wanted
        [told] = [record for record in caplog.records if "held up" in record.getMessage()]
        assert any("test_a_blocked_loop" in line for line in told.held_up_by)  # type: ignore[attr-defined]
        assert not any(str(Path.home()) in line for line in told.held_up_by)  # type: ignore[attr-defined]
        caplog.clear()
        await comes("the tree of tasks")
    assert signal.getsignal(signal.SIGUSR1) is before
