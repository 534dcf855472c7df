"""A process that is stopped for longer than its leases and continued: it changes nothing and finds its place again (E5)."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest
import trio

from rookery_simulator.bot_api import BotApiSimulator, open_bot_api_simulator
from store.backends import run_sql
from support.server_process import ServerProcess, open_server_process
from support.storage import Storage
from support.traffic import add_sessions, all_poll, settings_for

BOTS = 6
NO_LEVELLING = {"ROOKERY_REBALANCE_INTERVAL": "3600"}


async def query(storage: Storage, sql: str) -> Any:
    url, _, schema = storage.environment["DATABASE_URL"].partition("?schema=")
    return await trio.to_thread.run_sync(run_sql, url, sql.replace("rookery.", f"{schema}."))


async def everything(storage: Storage) -> Any:
    """All that a session's owner writes. Lease times are the living one's."""
    return json.loads(
        await query(
            storage,
            """SELECT json_build_array(
                (SELECT json_agg(s ORDER BY s.id) FROM (SELECT id, owner, fence, status, reason, detail, cursor, heeded,
                    credentials, updated_at FROM rookery.sessions) AS s),
                (SELECT json_agg(e ORDER BY e.id) FROM (SELECT id, session, key FROM rookery.events) AS e),
                (SELECT count(*) FROM rookery.history),
                (SELECT json_agg(m ORDER BY m.id) FROM (SELECT id, state FROM rookery.messages) AS m))::text""",
        )
    )


async def owners(server: ServerProcess) -> dict[str, str | None]:
    async with server.client() as client:
        return {row["id"]: row["owner"] for row in (await client.get("/v1/sessions")).json()["sessions"]}


async def add(storage: Storage, server: ServerProcess, simulator: BotApiSimulator) -> dict[str, str]:
    tokens = {f"bot-{n}": simulator.new_bot().token for n in range(BOTS)}
    await add_sessions(server, tokens)
    await all_poll(simulator, tokens)
    with trio.fail_after(30):  # statuses are stored a moment later, and the pause must not come in between
        while await query(storage, "SELECT count(*) FROM rookery.sessions WHERE status = 'CONNECTED'") < BOTS:
            await trio.sleep(0.05)
    return tokens


async def texts(server: ServerProcess) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    async with server.client() as client:
        for event in (await client.get("/v1/events?after=0&limit=500&type=message")).json()["events"]:
            found.setdefault(event["session"], []).append(event["key"])
    return found


async def lost_lease(server: ServerProcess, id: str) -> list[dict[str, Any]]:
    async with server.client() as client:
        changes = (await client.get(f"/v1/sessions/{id}/history")).json()["history"]
    return [change for change in changes if change["reason"] == "LEASE_LOST"]


@pytest.mark.slow
async def test_a_paused_process_writes_nothing(shared_storage: Storage) -> None:
    storage = shared_storage
    async with open_bot_api_simulator() as simulator:
        environment = settings_for(simulator) | storage.environment | NO_LEVELLING
        async with (
            open_server_process(storage.data_dir, environment=environment) as one,
            open_server_process(storage.data_dir, environment=environment) as two,
        ):
            await one.listening()
            await two.listening()
            tokens = await add(shared_storage, one, simulator)
            async with one.client() as client:
                name = (await client.get("/v1/health")).json()["instance"]
            own = {id for id, owner in (await owners(two)).items() if owner == name}
            assert 0 < len(own) < BOTS
            one.send_signal(signal.SIGSTOP)
            # The answers of its polls wait in its sockets: it will want to store them.
            pushed = {id: [str(simulator.bot(token).push_many(1)[0])] for id, token in tokens.items()}
            with trio.fail_after(20):
                while name in (found := await owners(two)).values() or None in found.values():
                    await trio.sleep(0.1)
                while await texts(two) != pushed:
                    await trio.sleep(0.1)
            await all_poll(simulator, tokens)
            await trio.sleep(0.5)
            before = await everything(storage)
            one.send_signal(signal.SIGCONT)
            await trio.sleep(3.0)
            assert await everything(storage) == before
            async with one.client() as client:
                assert (await client.get("/v1/health")).json()["running"] == 0
                assert (await client.get("/v1/sessions")).status_code == 200
            assert one.errors.decode().count("the lease ran out") == len(own), one.errors.decode()
            # It picks up again when there is something for it.
            two.send_signal(signal.SIGTERM)
            assert await two.ended(12) == 0
            await all_poll(simulator, tokens)
            for id, token in tokens.items():
                pushed[id].append(str(simulator.bot(token).push_many(1)[0]))
            with trio.fail_after(10):
                while await texts(one) != pushed:
                    await trio.sleep(0.1)


@pytest.mark.slow
async def test_paused_alone_it_starts_its_sessions_anew(shared_storage: Storage) -> None:
    """No other instance took its sessions, and it cannot know that."""
    storage = shared_storage
    async with open_bot_api_simulator() as simulator:
        environment = settings_for(simulator) | storage.environment
        async with open_server_process(storage.data_dir, environment=environment) as server:
            await server.listening()
            tokens = await add(storage, server, simulator)
            fence = await query(storage, "SELECT max(fence) FROM rookery.sessions")
            server.send_signal(signal.SIGSTOP)
            await trio.sleep(5.0)
            server.send_signal(signal.SIGCONT)
            with trio.fail_after(30):
                while await query(storage, "SELECT min(fence) FROM rookery.sessions") <= fence:
                    await trio.sleep(0.1)
            await all_poll(simulator, tokens)
            with trio.fail_after(30):
                for id in tokens:
                    while not (told := await lost_lease(server, id)):  # statuses are written a moment later
                        await trio.sleep(0.1)
                    assert "lease" in told[0]["detail"]
