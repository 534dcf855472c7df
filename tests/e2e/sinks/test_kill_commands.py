"""kill -9 of Rookery and of the broker while commands are read: each is sent once, or its message is `unknown`."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio

from rookery_simulator.bot_api import Fault, open_bot_api_simulator
from support.brokers.commands import NAME, command, put
from support.brokers.servers import KINDS, open_broker
from support.server_process import ServerProcess, open_server_process
from support.storage import LONG
from support.traffic import settings_for

KILLS = 12 if LONG else 3
BURST = 25
SEED = 33_117
FINAL = {"sent", "unknown"}


async def finished(server: ServerProcess, count: int) -> dict[str, str]:
    """The state of each key's message, once there are so many and all have ended."""
    async with server.client() as client:
        while True:
            states: dict[str, str] = {}
            before: Any = None
            while True:
                params = {"limit": 500} if before is None else {"limit": 500, "before": before}
                page = (await client.get("/v1/sessions/bot/messages", params=params)).json()
                for message in page["messages"]:
                    assert message["idempotency_key"] not in states, "one key, one message"
                    states[message["idempotency_key"]] = message["state"]
                before = page["next"]
                if before is None:
                    break
            if len(states) >= count and set(states.values()) <= FINAL:
                return states
            await trio.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
async def test_commands_are_sent_once_across_kills_of_both(kind: str, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    keys: list[str] = []

    def burst() -> list[tuple[str | None, bytes]]:
        fresh = [f"key-{len(keys) + number}" for number in range(BURST)]
        keys.extend(fresh)
        # Half of them are known by the id that the broker keeps; Redis keeps only its own.
        return [
            command(key, to=str(rng.randint(1, 9)), text=key, **({} if named else {"idempotency_key": key}))
            for key in fresh
            for named in [kind != "redis" and rng.random() < 0.5]
        ]

    async with open_broker(kind, tmp_path) as broker, open_bot_api_simulator() as simulator:
        bot = simulator.new_bot()
        simulator.faults.add(Fault(kind="delay", method="sendMessage", seconds=0.02))
        environment = settings_for(simulator)
        data = tmp_path / "data"
        async with open_server_process(data, environment=environment) as server:
            await server.listening()
            async with server.client() as client:
                session = {"id": "bot", "platform": "telegram", "credentials": {"token": bot.token}}
                assert (await client.post("/v1/sessions", json=session)).status_code == 201
                sink = {"id": "k", "url": broker.url, "events": ["poll"], "session": "bot", "commands": NAME}
                made = await client.post("/v1/sinks", json=sink)
                assert made.status_code == 201, made.text
        for life in range(KILLS):
            await put(broker, burst())
            async with open_server_process(data, environment=environment) as server:
                await server.listening()
                await put(broker, burst())
                before = len(bot.sent)
                with trio.move_on_after(10):  # not before it is at work
                    await simulator.wait_until(lambda before=before: len(bot.sent) > before)  # type: ignore[misc]
                if life % 3 == 1:
                    await broker.restart()
                    await put(broker, burst())
                await trio.sleep(rng.uniform(0.0, 0.3))
                server.process.kill()
                await server.process.wait()
        async with open_server_process(data, environment=environment) as server:
            await server.listening()
            with trio.fail_after(120):
                states = await finished(server, len(keys))
        delivered = Counter(sent.text for sent in bot.sent)
    by_key = {key.removeprefix("k:"): state for key, state in states.items()}
    assert by_key.keys() == set(keys)
    for key in keys:
        assert delivered[key] <= 1, f"{key} was sent {delivered[key]} times"
        assert delivered[key] == 1 or by_key[key] == "unknown", f"{key} is {by_key[key]} and was not sent"
    print(f"\n{kind}: {len(keys)} commands, {KILLS} kills: {dict(Counter(by_key.values()))}, none twice")
