"""kill -9 at random moments: nothing lost or stored twice, every event delivered at least once and in order."""

from __future__ import annotations

import random

import pytest
import trio

from rookery_simulator.bot_api import open_bot_api_simulator
from support.server_process import open_server_process
from support.storage import Storage
from support.traffic import Traffic, add_bots, check_deliveries, is_received, read_logs, settings_for
from support.webhook_receiver import open_webhook_receiver

KILLS, FEWER_KILLS = 50, 8
UPDATES, FEWER_UPDATES = 20_000, 3_000
BOTS = 4
SEED = 20_261


@pytest.mark.slow
async def test_kills_under_traffic(storage: Storage) -> None:
    rng = random.Random(SEED)
    kills = storage.repetitions(KILLS, FEWER_KILLS)
    updates = storage.repetitions(UPDATES, FEWER_UPDATES)
    # A server on PostgreSQL has nothing to do until the leases of the one before have ended.
    lives = (3.0, 7.0) if storage.shared else (0.0, 0.5)
    rate = updates / (kills * (sum(lives) / 2 + 1.0))
    async with open_bot_api_simulator() as simulator, open_webhook_receiver() as receiver:
        tokens = {f"bot-{n}": simulator.new_bot().token for n in range(BOTS)}
        traffic = Traffic(simulator, tokens, rng)
        environment = settings_for(simulator) | storage.environment
        async with open_server_process(storage.data_dir, environment=environment) as server:
            await server.listening()
            await add_bots(server, tokens, receiver)
            traffic.burst(500)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(traffic.flow, updates - 500, rate)
            for _ in range(kills - 1):
                async with open_server_process(storage.data_dir, environment=environment) as server:
                    await server.listening()
                    await trio.sleep(rng.uniform(*lives))
            nursery.cancel_scope.cancel()
        traffic.burst(updates - traffic.total)  # the last part meets a server that stays
        async with open_server_process(storage.data_dir, environment=environment) as server:
            await server.listening()
            with trio.fail_after(120):
                stored = await read_logs(server, tokens, traffic.total)
                seen: set[str] = set()

                def complete() -> bool:
                    seen.update(d.id for d in receiver.deliveries[-2000:] if is_received(d.event))
                    return len(seen) >= traffic.total

                seen.update(d.id for d in receiver.deliveries if is_received(d.event))
                await receiver.wait_until(complete)
        for id in tokens:
            assert [event["key"] for event in stored[id]] == traffic.pushed[id]
        repeated = check_deliveries(receiver, stored)
        print(f"\n{kills} kills, {traffic.total} updates: none lost, none twice; {repeated} webhook repetitions")
