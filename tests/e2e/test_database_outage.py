"""PostgreSQL fails and returns while sessions run: no update is acknowledged unstored, and all sessions continue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from rookery_simulator.bot_api import BotApiSimulator, open_bot_api_simulator
from store.postgres_server import PostgresServer, private_server
from support import storage
from support.server_process import ServerProcess, open_server_process
from support.storage import LONG
from support.traffic import add_sessions, all_poll, read_log, settings_for

BOTS = 5
OUTAGE = 60.0 if LONG else 7.0
"""Seconds without a database, longer than any lease; with the default settings in the long form."""


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that the test may stop."""
    with private_server() as server:
        yield server


def confirmed(simulator: BotApiSimulator, tokens: dict[str, str]) -> int:
    return sum(simulator.bot(token).queue.confirmed for token in tokens.values())


def connects(simulator: BotApiSimulator, tokens: dict[str, str]) -> int:
    return sum(simulator.bot(token).calls["getme"] for token in tokens.values())


async def add(server: ServerProcess, simulator: BotApiSimulator) -> dict[str, str]:
    tokens = {f"bot-{n}": simulator.new_bot().token for n in range(BOTS)}
    await add_sessions(server, tokens)
    await all_poll(simulator, tokens)
    return tokens


async def until_stored(server: ServerProcess, pushed: dict[str, list[str]]) -> None:
    stored: dict[str, list[Any]] = {}
    with trio.fail_after(30):
        while stored != pushed:
            await trio.sleep(0.1)
            stored = {id: [event["key"] for event in await read_log(server, id)] for id in pushed}


def push(simulator: BotApiSimulator, tokens: dict[str, str], pushed: dict[str, list[str]]) -> None:
    for id, token in tokens.items():
        pushed.setdefault(id, []).append(str(simulator.bot(token).push_many(1)[0]))


@pytest.mark.slow
async def test_an_outage_shorter_than_the_leases_disconnects_nobody(own_server: PostgresServer, tmp_path: Path) -> None:
    place = storage.postgres(tmp_path, own_server.url, ROOKERY_LEASE_TTL="20")
    pushed: dict[str, list[str]] = {}
    async with open_bot_api_simulator() as simulator:
        environment = settings_for(simulator) | place.environment
        async with open_server_process(tmp_path, environment=environment) as server:
            await server.listening()
            tokens = await add(server, simulator)
            push(simulator, tokens, pushed)
            await until_stored(server, pushed)
            await all_poll(simulator, tokens)
            before, stored = connects(simulator, tokens), confirmed(simulator, tokens)
            await trio.to_thread.run_sync(own_server.stop)
            push(simulator, tokens, pushed)
            await trio.sleep(4.0)
            assert confirmed(simulator, tokens) == stored, "nothing is confirmed that is not stored"
            async with server.client() as client:
                answer = await client.get("/v1/sessions")
                assert (answer.status_code, answer.json()["type"]) == (503, "urn:rookery:problem:store-unavailable")
                assert (await client.get("/healthz")).status_code == 200
            await trio.to_thread.run_sync(own_server.start)
            await until_stored(server, pushed)
            await all_poll(simulator, tokens)
            assert connects(simulator, tokens) == before
            assert all(simulator.bot(token).errors[409] == 0 for token in tokens.values())


@pytest.mark.slow
async def test_an_outage_longer_than_the_leases(own_server: PostgresServer, tmp_path: Path) -> None:
    place = storage.postgres(tmp_path, own_server.url)
    if LONG:
        place.environment = {name: value for name, value in place.environment.items() if "LEASE" not in name}
    pushed: dict[str, list[str]] = {}
    async with open_bot_api_simulator() as simulator:
        environment = settings_for(simulator) | place.environment
        async with (
            open_server_process(tmp_path, environment=environment) as one,
            open_server_process(tmp_path, environment=environment) as two,
        ):
            await one.listening()
            await two.listening()
            tokens = await add(one, simulator)
            push(simulator, tokens, pushed)
            await until_stored(one, pushed)
            stored = confirmed(simulator, tokens)
            stopped = trio.current_time()
            await trio.to_thread.run_sync(own_server.stop)
            push(simulator, tokens, pushed)
            with trio.fail_after(20):  # the leases end, so the links do: others could not know that they are up
                await simulator.wait_until(lambda: not any(simulator.bot(t).polls.in_flight for t in tokens.values()))
            await trio.sleep(max(0.0, OUTAGE - (trio.current_time() - stopped)))
            push(simulator, tokens, pushed)
            assert confirmed(simulator, tokens) <= stored + BOTS  # the first ones, which are stored
            await trio.to_thread.run_sync(own_server.start)
            back = trio.current_time()
            await all_poll(simulator, tokens)
            took = trio.current_time() - back
            await until_stored(two, pushed)
            async with two.client() as client:
                reasons = {
                    change["reason"]
                    for id in tokens
                    for change in (await client.get(f"/v1/sessions/{id}/history")).json()["history"]
                }
                sessions = (await client.get("/v1/sessions")).json()["sessions"]
            assert "LEASE_LOST" in reasons
            assert {session["status"] for session in sessions} == {"CONNECTED"}
            assert all(simulator.bot(token).errors[409] == 0 for token in tokens.values())
            for server in (one, two):
                assert b"Traceback" not in server.errors, server.errors.decode()
    print(f"\n{OUTAGE:.0f} s without PostgreSQL: every session back after {took:.1f} s")
