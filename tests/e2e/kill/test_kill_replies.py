"""kill -9 while an endpoint answers deliveries with messages: each reply is sent once, or its message is `unknown`."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest
import trio

from rookery_simulator.bot_api import Fault, open_bot_api_simulator
from support.server_process import ServerProcess, open_server_process
from support.storage import LONG, Storage
from support.traffic import Traffic, add_sessions, read_logs, settings_for
from support.webhook_receiver import Delivery, open_webhook_receiver

KILLS, FEWER_KILLS = 30 if LONG else 5, 2
BURST = 12
SEED = 90_210
FINAL = {"sent", "unknown"}


def answer(delivery: Delivery) -> bytes:
    """Two replies, whose texts name the event."""
    event = delivery.event
    return json.dumps({"messages": [{"text": f"{event['session']} {event['key']} {n}"} for n in range(2)]}).encode()


async def replies_of(server: ServerProcess, session: str, count: int) -> dict[str, tuple[str, str]]:
    """Text and state of each reply by its key, once there are so many and all have ended."""
    async with server.client() as client:
        while True:
            found: dict[str, tuple[str, str]] = {}
            before: int | None = None
            while True:
                params = {"limit": 500} | ({} if before is None else {"before": before})
                page = (await client.get(f"/v1/sessions/{session}/messages", params=params)).json()
                for message in page["messages"]:
                    assert message["idempotency_key"] not in found, "one key, one message"
                    found[message["idempotency_key"]] = (message["content"]["text"], message["state"])
                before = page["next"]
                if before is None:
                    break
            if len(found) >= count and {state for _, state in found.values()} <= FINAL:
                return found
            await trio.sleep(0.1)


@pytest.mark.slow
async def test_each_reply_is_sent_once_across_kills(storage: Storage) -> None:
    rng = random.Random(SEED)
    kills = storage.repetitions(KILLS, FEWER_KILLS)
    async with open_bot_api_simulator() as simulator, open_webhook_receiver() as receiver:
        receiver.status, receiver.answer = lambda _: 200, answer
        tokens = {f"bot-{n}": simulator.new_bot().token for n in range(2)}
        simulator.faults.add(Fault(kind="delay", method="sendMessage", seconds=0.02))
        traffic = Traffic(simulator, tokens, rng)
        environment = settings_for(simulator) | storage.environment
        async with open_server_process(storage.data_dir, environment=environment) as server:
            await server.listening()
            async with server.client() as client:
                hook = {"url": receiver.url, "events": ["message"], "replies": True}
                assert (await client.post("/v1/webhooks", json=hook)).status_code == 201
            await add_sessions(server, tokens)
        for _ in range(kills):
            async with open_server_process(storage.data_dir, environment=environment) as server:
                await server.listening()
                traffic.burst(BURST)
                before = len(receiver.deliveries)
                with trio.move_on_after(
                    20
                ):  # not before it is at work; on PostgreSQL the duties of the last one come first
                    await receiver.wait_until(lambda before=before: len(receiver.deliveries) > before)  # type: ignore[misc]
                await trio.sleep(rng.uniform(0.0, 0.15))
                server.process.kill()
                await server.process.wait()
        async with open_server_process(storage.data_dir, environment=environment) as server:
            await server.listening()
            with trio.fail_after(180):
                stored = await read_logs(server, tokens, traffic.total)
                found = {id: await replies_of(server, id, 2 * len(stored[id])) for id in tokens}
        delivered = Counter(sent.text for token in tokens.values() for sent in simulator.bot(token).sent)
    states: Counter[str] = Counter()
    for id, events in stored.items():
        assert [event["key"] for event in events] == traffic.pushed[id]
        expected = {f"evt_{event['id']}:{n}": f"{id} {event['key']} {n}" for event in events for n in range(2)}
        assert {key: text for key, (text, _) in found[id].items()} == expected
        for text, state in found[id].values():
            assert delivered[text] <= 1, f"{text} was sent {delivered[text]} times"
            assert delivered[text] == 1 or state == "unknown", f"{text} is {state} and was not sent"
            states[state] += 1
    repeats = len(receiver.deliveries) - traffic.total
    print(f"\n{kills} kills: {sum(states.values())} replies, {dict(states)}, none twice; {repeats} deliveries repeated")
