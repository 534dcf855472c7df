"""Instances and draining over HTTP and on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import msgspec
import pytest
import trio

from rookery import Engine
from rookery.errors import OwnerUnavailable
from rookery_http.config.settings import ApiSettings
from rookery_http.output.problems import from_error
from rookery_http.serve import serve_api
from store.backends import PostgresBackend
from support.engines.shared_engines import open_shared, running
from support.fake_platform import FakePlatform
from support.waiting import until


async def test_one_instance_alone(served: Any) -> None:
    [only] = (await served.client.get("/v1/instances")).json()["instances"]
    assert only["name"] == served.engine.instance
    assert (only["draining"], only["capacity"], only["answering"]) == (False, None, True)
    answer = await served.client.post("/v1/drain")
    assert answer.status_code == 409
    assert "--wait" in answer.json()["detail"]
    assert (await served.client.post("/v1/drain", json={"timeout": -1})).status_code == 400
    assert (await served.client.get("/readyz")).status_code == 200


@pytest.fixture
async def two(postgres: PostgresBackend) -> AsyncIterator[tuple[Engine, Engine, str]]:
    """Two engines and the address of the first one's API."""
    stop = trio.Event()
    async with (
        open_shared(postgres, FakePlatform(), "one") as one,
        open_shared(postgres, FakePlatform(), "two") as two,
        trio.open_nursery() as nursery,
    ):
        api = ApiSettings(port=0, key="sesame", drain=0.5)
        (address, *_) = await nursery.start(partial(serve_api, one, api, stop=stop))
        await until(lambda: len(one.census.instances) == 2)
        yield one, two, address.url
        stop.set()


async def test_draining_over_http(two: tuple[Engine, Engine, str]) -> None:
    one, other, url = two
    async with httpx.AsyncClient(
        base_url=url, headers={"Authorization": "Bearer sesame"}, trust_env=False, timeout=20
    ) as client:
        for id in "abcdef":
            await one.create_session(id=id, platform="fake")
        await until(lambda: len(running(one)) == len(running(other)) == 3)
        shown = (await client.get("/v1/sessions")).json()["sessions"]
        assert {session["owner"] for session in shown} == {"one", "two"}
        answer = await client.post("/v1/drain", json={"timeout": 10})
        assert answer.status_code == 200
        report: dict[str, Any] = answer.json()
        assert (report["instance"], report["handed_over"], report["left"], report["others"]) == ("one", 3, 0, 1)
        await until(lambda: len(running(other)) == 6)
        assert (await client.get("/readyz")).status_code == 503
        found = (await client.get("/v1/instances")).json()["instances"]
        assert [(row["name"], row["draining"], row["answering"]) for row in found] == [
            ("one", True, True),
            ("two", False, False),
        ]
        # It goes on answering.
        shown = (await client.get("/v1/sessions/a")).json()
        assert (shown["status"], shown["owner"]) == ("CONNECTED", "two")
        assert shown["proof_of_life"] is not None


async def test_the_commands(two: tuple[Engine, Engine, str]) -> None:
    one, other, url = two

    async def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "rookery_http", *arguments, "--url", url, "--key", "sesame"]
        return await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)

    await one.create_session(id="a", platform="fake")
    await until(lambda: len(running(one)) + len(running(other)) == 1)
    shown = await run("instances")
    assert shown.returncode == 0
    assert b"one" in shown.stdout
    assert b"two" in shown.stdout
    rows = json.loads((await run("instances", "--json")).stdout)
    assert [row["name"] for row in rows] == ["one", "two"]
    drained = await run("drain", "--timeout", "5")
    assert drained.returncode == 0, drained.stderr
    assert b"0 left, 1 other instances" in drained.stdout
    await until(lambda: running(other) == {"a"})


def test_an_owner_that_does_not_answer_is_a_problem_of_its_own() -> None:
    gone = from_error(OwnerUnavailable("gone", retry_after=2.2))
    assert gone is not None
    assert (gone.status, gone.headers) == (503, {"Retry-After": "3"})
    silent = from_error(OwnerUnavailable("silent", may_have_happened=True))
    assert silent is not None
    assert (silent.status, msgspec.json.decode(silent.body())["type"]) == (504, "urn:rookery:problem:owner-unavailable")
