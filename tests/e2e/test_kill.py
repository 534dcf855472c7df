"""kill -9 at random moments: nothing lost, nothing stored twice, every webhook told at least once and in order."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import trio

from rookery_simulator.bot_api import open_bot_api_simulator
from server_process import open_server_process
from traffic import Traffic, add_bots, check_deliveries, read_log, settings_for
from webhook_receiver import open_webhook_receiver

KILLS = 50
UPDATES = 20_000
BOTS = 4
SEED = 20_261


@pytest.mark.slow
async def test_fifty_kills_under_traffic(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    async with open_bot_api_simulator() as simulator, open_webhook_receiver() as receiver:
        tokens = {f"bot-{n}": simulator.new_bot().token for n in range(BOTS)}
        traffic = Traffic(simulator, tokens, rng)
        environment = settings_for(simulator)
        async with open_server_process(tmp_path, environment=environment) as server:
            await server.listening()
            await add_bots(server, tokens, receiver)
            traffic.burst(500)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(traffic.flow, UPDATES - 1000, 250)
            for _ in range(KILLS - 1):
                async with open_server_process(tmp_path, environment=environment) as server:
                    await server.listening()
                    await trio.sleep(rng.uniform(0, 0.5))
            nursery.cancel_scope.cancel()
        traffic.burst(UPDATES - traffic.total)  # the last part meets a server that stays
        async with open_server_process(tmp_path, environment=environment) as server:
            await server.listening()
            with trio.fail_after(120):
                stored: dict[str, list[dict[str, Any]]] = {}
                while sum(map(len, stored.values())) < traffic.total:
                    await trio.sleep(0.1)
                    stored = {id: await read_log(server, id) for id in tokens}
                seen: set[str] = set()

                def complete() -> bool:
                    seen.update(delivery.id for delivery in receiver.deliveries[-2000:])
                    return len(seen) >= traffic.total

                seen.update(delivery.id for delivery in receiver.deliveries)
                await receiver.wait_until(complete)
        for id in tokens:
            assert [event["key"] for event in stored[id]] == traffic.pushed[id]
        repeated = check_deliveries(receiver, stored)
        print(f"\n{KILLS} kills, {traffic.total} updates: none lost, none twice; {repeated} webhook repetitions")
