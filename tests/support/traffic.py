"""Traffic for end-to-end tests, and the proof that none of it was lost, repeated or reordered."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import trio

from rookery_simulator.bot_api import BotApiSimulator
from support.server_process import ServerProcess
from support.webhook_receiver import WebhookReceiver

CHATS = 25


def settings_for(simulator: BotApiSimulator) -> dict[str, str]:
    return {
        "ROOKERY_TELEGRAM_API_URL": simulator.url,
        "ROOKERY_BACKOFF_NETWORK": "0.05",
        "ROOKERY_BACKOFF_JITTER": "0.05",
        "ROOKERY_WEBHOOK_BACKOFF": "0.05",
        "LOG_LEVEL": "WARNING",
    }


async def add_bots(server: ServerProcess, tokens: dict[str, str], receiver: WebhookReceiver) -> None:
    async with server.client() as client:
        created = await client.post("/v1/webhooks", json={"url": receiver.url})
        assert created.status_code == 201, created.text
    await add_sessions(server, tokens)


async def add_sessions(server: ServerProcess, tokens: dict[str, str]) -> None:
    async with server.client() as client:
        for id, token in tokens.items():
            body = {"id": id, "platform": "telegram", "credentials": {"token": token}}
            created = await client.post("/v1/sessions", json=body)
            assert created.status_code == 201, created.text


async def all_poll(simulator: BotApiSimulator, tokens: dict[str, str], seconds: float = 30.0) -> None:
    """Until every bot's session waits for updates."""
    with trio.fail_after(seconds):
        await simulator.wait_until(lambda: all(simulator.bot(token).polls.has_waiting for token in tokens.values()))


async def read_log(server: ServerProcess, session: str) -> list[dict[str, Any]]:
    """What came from the platform; the log has events about the session itself too."""
    events: list[dict[str, Any]] = []
    async with server.client() as client:
        after = 0
        while True:
            page = (await client.get(f"/v1/events?session={session}&after={after}&limit=500")).json()
            events += filter(is_received, page["events"])
            if page["next"] is None:
                return events
            after = page["next"]


def is_received(event: dict[str, Any]) -> bool:
    return not event["type"].startswith("session.")


async def read_logs(server: ServerProcess, tokens: dict[str, str], total: int) -> dict[str, list[dict[str, Any]]]:
    """The log of each session, once there are `total` events in all of them. The caller sets the deadline."""
    stored: dict[str, list[dict[str, Any]]] = {}
    while sum(map(len, stored.values())) < total:
        await trio.sleep(0.1)
        stored = {id: await read_log(server, id) for id in tokens}
    return stored


class Traffic:
    """Pushes updates in small bursts to random bots and chats, and remembers what it pushed in which order."""

    def __init__(self, simulator: BotApiSimulator, tokens: dict[str, str], rng: random.Random) -> None:
        self.pushed: dict[str, list[str]] = {id: [] for id in tokens}
        self.total = 0
        self._simulator = simulator
        self._tokens = tokens
        self._rng = rng

    def burst(self, count: int) -> None:
        id = self._rng.choice(list(self._tokens))
        ids = self._simulator.bot(self._tokens[id]).push_many(count, chats=CHATS, first=self.total + 1)
        self.pushed[id] += map(str, ids)
        self.total += count

    async def flow_in(self, scope: trio.CancelScope, total: int, per_second: float) -> None:
        with scope:
            await self.flow(total, per_second)

    async def flow(self, total: int, per_second: float) -> None:
        while self.total < total:
            count = min(self._rng.randint(1, 60), total - self.total)
            self.burst(count)
            await trio.sleep(count / per_second)


def check_deliveries(receiver: WebhookReceiver, stored: dict[str, list[dict[str, Any]]]) -> int:
    """Each received event was delivered, first deliveries of a chat in order. Returns the number of repetitions."""
    first: dict[str, int] = {}
    last_of_chat: dict[tuple[str, str], int] = defaultdict(int)
    for delivery in receiver.deliveries:
        event = delivery.event
        assert delivery.id == f"evt_{event['id']}"
        if delivery.id in first:
            continue
        first[delivery.id] = event["id"]
        chat = (event["session"], event["chat"])
        assert last_of_chat[chat] < event["id"], f"chat {chat} got {event['id']} after {last_of_chat[chat]}"
        last_of_chat[chat] = event["id"]
    expected = {f"evt_{event['id']}" for events in stored.values() for event in events}
    assert {delivery.id for delivery in receiver.deliveries if is_received(delivery.event)} == expected
    return len(receiver.deliveries) - len(first)
