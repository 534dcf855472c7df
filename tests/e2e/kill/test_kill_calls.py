"""kill -9 while calls of methods are queued: each is made once, or reported `unknown`; never twice, never in silence."""

from __future__ import annotations

import json
from collections import Counter

import trio

from rookery_simulator.bot_api import Fault, open_bot_api_simulator
from support.server_process import open_server_process
from support.storage import Storage
from support.traffic import settings_for

CALLS = 24
FINAL = ("sent", "unknown", "failed")


async def test_queued_calls_are_made_once_or_unknown(storage: Storage) -> None:
    """The bot's calls are slow, so that the kill finds some under way and many in the queue."""
    async with open_bot_api_simulator() as simulator:
        bot = simulator.new_bot()
        simulator.faults.add(Fault(kind="delay", method="sendDice", seconds=0.2))
        environment = settings_for(simulator) | storage.environment
        ids: dict[str, str] = {}
        async with open_server_process(storage.data_dir, environment=environment) as server:
            await server.listening()
            async with server.client() as client:
                body = {"id": "bot", "platform": "telegram", "credentials": {"token": bot.token}}
                assert (await client.post("/v1/sessions", json=body)).status_code == 201
                with trio.fail_after(60):
                    while (await client.get("/v1/sessions/bot")).json()["status"] != "CONNECTED":
                        await trio.sleep(0.05)
                for number in range(CALLS):  # eight chats with three calls each, which wait for one another
                    params = {"emoji": "🎲", "message_effect_id": str(number)}
                    call = {"to": str(1 + number % 8), "type": "telegram", "method": "sendDice", "params": params}
                    answer = await client.post(
                        "/v1/sessions/bot/messages?wait=0", json=call, headers={"Idempotency-Key": f"call-{number}"}
                    )
                    assert answer.status_code == 202, answer.text
                    ids[str(number)] = answer.json()["id"]
                with trio.fail_after(30):
                    await simulator.wait_until(lambda: bool(bot.sent))
                server.process.kill()
                await server.process.wait()
        before = len(bot.sent)
        assert before < CALLS, "some were still queued"
        simulator.faults.clear()
        states: dict[str, str] = {}
        async with open_server_process(storage.data_dir, environment=environment) as server:
            await server.listening()
            async with server.client() as client:
                with trio.fail_after(90):
                    while len(states) < CALLS:
                        for name, id in ids.items():
                            state = (await client.get(f"/v1/messages/{id}")).json()["state"]
                            if state in FINAL:
                                states[name] = state
                        await trio.sleep(0.1)
        made = Counter(str(sent.parameters["message_effect_id"]) for sent in bot.sent)
        for name in ids:
            assert made[name] <= 1, f"call {name} was made {made[name]} times"
            assert made[name] == 1 or states[name] == "unknown", f"call {name} is {states[name]} and was not made"
        assert set(states.values()) <= {"sent", "unknown"}, json.dumps(states)
        assert len(bot.sent) > before, "the queue went on after the kill"
