"""kill -9 while five endpoints are delivered to, of which two fail, one hangs and one is slow: each healthy one gets every
event at least once and in order per chat, and the others get theirs by replay."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import pytest
import trio

from rookery_simulator.bot_api import open_bot_api_simulator
from support.server_process import ServerProcess, open_server_process
from support.storage import Storage
from support.traffic import Traffic, add_sessions, check_deliveries, is_received, read_logs, settings_for
from support.webhook_receiver import Delivery, WebhookReceiver, open_webhook_receiver

KILLS, FEWER_KILLS = 6, 2
UPDATES = 600
BOTS = 2
SEED = 71_423
SLOW = 0.1  # seconds: it has always something in hand when a kill comes
HEALTHY = ("good", "slow")
TROUBLED = ("broken", "flaky", "hanging")


class Endpoints:
    """The five; `heal` ends the troubles."""

    def __init__(self, receivers: dict[str, WebhookReceiver], rng: random.Random) -> None:
        self.receivers = receivers
        self.refused: Counter[str] = Counter()
        self._healed = trio.Event()
        receivers["slow"].hold = self._dawdle
        receivers["hanging"].hold = self._hang
        receivers["broken"].status = lambda _: self._answer("broken", 500)
        receivers["flaky"].status = lambda _: self._answer("flaky", 503 if rng.random() < 0.4 else 204)

    def heal(self) -> None:
        self._healed.set()

    async def _dawdle(self, delivery: Delivery) -> None:
        await trio.sleep(SLOW)

    async def _hang(self, delivery: Delivery) -> None:
        if not self._healed.is_set():
            self.refused["hanging"] += 1
            await trio.sleep_forever()

    def _answer(self, name: str, status: int) -> int:
        if self._healed.is_set():
            return 204
        self.refused[name] += status != 204
        return status


async def add(server: ServerProcess, endpoints: Endpoints, tokens: dict[str, str]) -> None:
    async with server.client() as client:
        for name, receiver in endpoints.receivers.items():
            body = {"id": name, "url": receiver.url, "timeout": 0.3 if name == "hanging" else None}
            assert (await client.post("/v1/webhooks", json=body)).status_code == 201
    await add_sessions(server, tokens)


async def settle(server: ServerProcess) -> dict[str, int]:
    """Replay until nothing waits and nothing is dead; returns the dead letters that were replayed, by webhook."""
    replayed: Counter[str] = Counter()
    async with server.client() as client:
        while True:
            rows: list[dict[str, Any]] = (await client.get("/v1/webhooks")).json()["webhooks"]
            for row in rows:
                if row["dead"]:
                    listed = (await client.get(f"/v1/webhooks/{row['id']}/dead-letters", params={"limit": 1})).json()
                    assert all(letter["error"] for letter in listed["dead_letters"])
                    answer = await client.post(f"/v1/webhooks/{row['id']}/replay")
                    replayed[row["id"]] += answer.json()["replayed"]
            if not any(row["dead"] or row["pending"] for row in rows):
                return dict(replayed)
            await trio.sleep(0.1)


@pytest.mark.slow
async def test_kills_while_endpoints_are_in_trouble(storage: Storage) -> None:
    rng = random.Random(SEED)
    kills = storage.repetitions(KILLS, FEWER_KILLS)
    # A server on PostgreSQL has nothing to do until the leases and duties of the one before have ended.
    lives = (4.5, 6.0) if storage.shared else (0.2, 0.8)
    async with open_bot_api_simulator() as simulator, AsyncExitStack() as stack:
        receivers = {name: await stack.enter_async_context(open_webhook_receiver()) for name in (*HEALTHY, *TROUBLED)}
        endpoints = Endpoints(receivers, rng)
        tokens = {f"bot-{n}": simulator.new_bot().token for n in range(BOTS)}
        traffic = Traffic(simulator, tokens, rng)
        environment = settings_for(simulator) | {"ROOKERY_WEBHOOK_ATTEMPTS": "2"} | storage.environment
        async with open_server_process(storage.data_dir, environment=environment) as server:
            await server.listening()
            await add(server, endpoints, tokens)
            traffic.burst(60)
            with trio.fail_after(30):
                await receivers["good"].wait_until(lambda: len(receivers["good"].deliveries) > 10)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(traffic.flow, UPDATES, UPDATES / (kills * (sum(lives) / 2 + 0.5)))
            for _ in range(kills - 1):
                async with open_server_process(storage.data_dir, environment=environment) as server:
                    await server.listening()
                    await trio.sleep(rng.uniform(*lives))
            nursery.cancel_scope.cancel()
        traffic.burst(max(1, UPDATES - traffic.total))
        endpoints.heal()
        async with open_server_process(storage.data_dir, environment=environment) as server:
            await server.listening()
            with trio.fail_after(120):
                stored = await read_logs(server, tokens, traffic.total)
                replayed = await settle(server)
    for id in tokens:
        assert [event["key"] for event in stored[id]] == traffic.pushed[id]
    repeated = {name: check_deliveries(receivers[name], stored) for name in HEALTHY}
    everything = {f"evt_{event['id']}" for events in stored.values() for event in events}
    for name in TROUBLED:
        assert {delivery.id for delivery in receivers[name].deliveries if is_received(delivery.event)} == everything, (
            name
        )
        assert endpoints.refused[name], f"{name} was in no trouble"
    assert replayed, "there were dead letters"
    bodies: dict[str, set[bytes]] = {}
    for receiver in receivers.values():
        for delivery in receiver.deliveries:
            bodies.setdefault(delivery.id, set()).add(delivery.body)
    assert all(len(found) == 1 for found in bodies.values()), "a repetition is the same, byte for byte"
    print(
        f"\n{kills} kills, {traffic.total} events to 5 endpoints: none lost, in order; repeated {repeated}; "
        f"refused {dict(endpoints.refused)}; dead letters replayed {replayed}"
    )
