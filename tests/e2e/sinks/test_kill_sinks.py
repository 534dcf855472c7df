"""kill -9 of Rookery and of the broker under traffic: all events arrive, in order per chat, repeats known by their id."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import trio

from rookery_simulator.bot_api import open_bot_api_simulator
from support.brokers.readers import Arrived, prepare, read_all
from support.brokers.servers import KINDS, open_broker
from support.server_process import ServerProcess, open_server_process
from support.storage import LONG
from support.traffic import Traffic, add_sessions, read_logs, settings_for

UPDATES = 50_000 if LONG else 2_400
KILLS = 10 if LONG else 2
PER_SECOND = 600.0
SEED = 9_127


async def drained(server: ServerProcess) -> None:
    """Until nothing waits for the sink; dead letters are put back on their way."""
    async with server.client() as client:
        while True:
            [sink] = (await client.get("/v1/sinks")).json()["sinks"]
            if sink["dead"]:
                await client.post(f"/v1/sinks/{sink['id']}/replay")
            elif not sink["pending"]:
                return
            await trio.sleep(0.1)


def check(arrived: list[Arrived], stored: dict[str, list[dict[str, Any]]]) -> int:
    """Each stored event is there, first arrivals of a chat in order. Returns how many repetitions there were."""
    first: dict[str, int] = {}
    last_of_chat: dict[tuple[str, str], int] = defaultdict(int)
    for one in arrived:
        event = one.body["data"]
        assert one.id == f"evt_{event['id']}"
        assert one.place == f"rookery.{event['session']}.{event['type']}"
        if one.id in first:
            continue
        first[one.id] = event["id"]
        chat = (event["session"], event["chat"])
        assert last_of_chat[chat] < event["id"], f"chat {chat} got {event['id']} after {last_of_chat[chat]}"
        last_of_chat[chat] = event["id"]
    assert first.keys() == {f"evt_{event['id']}" for events in stored.values() for event in events}
    return len(arrived) - len(first)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
async def test_everything_arrives_across_kills_of_both(kind: str, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    async with open_broker(kind, tmp_path) as broker, open_bot_api_simulator() as simulator:
        await prepare(broker)
        tokens = {f"bot-{n}": simulator.new_bot().token for n in range(3)}
        traffic = Traffic(simulator, tokens, rng)
        environment = settings_for(simulator)
        data = tmp_path / "data"
        async with trio.open_nursery() as nursery:
            async with open_server_process(data, environment=environment) as server:
                await server.listening()
                async with server.client() as client:
                    made = await client.post("/v1/sinks", json={"url": broker.url, "events": ["message"]})
                    assert made.status_code == 201, made.text
                await add_sessions(server, tokens)
                nursery.start_soon(traffic.flow, UPDATES, PER_SECOND)
                await trio.sleep(rng.uniform(0.5, 1.0))
                server.process.kill()
            for number in range(KILLS - 1):
                async with open_server_process(data, environment=environment) as server:
                    await server.listening()
                    await trio.sleep(rng.uniform(0.2, 0.8))
                    if number % 2 == 0:
                        await broker.restart()
                    await trio.sleep(rng.uniform(0.2, 0.8))
                    server.process.kill()
        async with open_server_process(data, environment=environment) as server:
            await server.listening()
            with trio.fail_after(600 if LONG else 120):
                stored = await read_logs(server, tokens, traffic.total)
                await drained(server)
        arrived = await read_all(broker)
        repeats = check(arrived, stored)
        print(f"\n{kind}: {traffic.total} events, {len(arrived)} arrived, {repeats} repeats")
        if kind == "nats":
            assert repeats == 0, "JetStream drops what it had within its window"
