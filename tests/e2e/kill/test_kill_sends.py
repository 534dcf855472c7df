"""kill -9 while a send is repeated with one key: delivered once, or reported `unknown`; never twice, and never in silence."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio

from rookery.runtime.http_client import ExchangeError, HttpClient
from rookery_simulator.bot_api import Fault, open_bot_api_simulator
from support.server_process import ServerProcess, open_server_process
from support.storage import Storage
from support.traffic import settings_for

REPETITIONS = 100
LIVES, FEWER_LIVES = 9, 3
NEW_KEYS = 4
"""Keys that are used for the first time in each life of the server."""

SEED = 40_417
FINAL = ("sent", "unknown", "failed")


class Sends:
    """One text for each key. `answers` has every state and id that a request was answered with."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.requests: Counter[str] = Counter()
        self.ids: dict[str, set[str]] = {}
        self.states: dict[str, str] = {}

    async def repeat(self, client: HttpClient, key: str, wait: float = 0.0) -> None:
        self.requests[key] += 1
        body = json.dumps({"to": str(100 + self.keys.index(key)), "text": f"once {key}"})
        head = (
            f"POST /v1/sessions/bot/messages?wait={wait:g} HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        answer = await client.exchange((head + body).encode(), connect_seconds=10, read_seconds=20)
        if answer.status in (200, 202):
            document: dict[str, Any] = json.loads(answer.body)
            self.ids.setdefault(key, set()).add(document["id"])
            self.states[key] = document["state"]
        else:
            assert answer.status in (409, 429, 503, 504), answer.body  # starting, busy, or the store is not ready


@asynccontextmanager
async def calling(server: ServerProcess) -> AsyncIterator[HttpClient]:
    """Not httpx: a connection that is killed leaves its generators to the garbage collector, which complains."""
    address = urlsplit(server.url)
    client = HttpClient(str(address.hostname), address.port or 80, None, max_answer=1_000_000)
    try:
        yield client
    finally:
        await client.aclose()


async def bother(server: ServerProcess, sends: Sends, rng: random.Random) -> None:
    """Repeat what there is, the newest most of the time, until the server is gone."""
    async with calling(server) as client:
        try:
            while True:
                key = rng.choice(sends.keys[-NEW_KEYS:] if rng.random() < 0.8 else sends.keys)
                if sends.requests[key] < REPETITIONS:
                    await sends.repeat(client, key)
                else:
                    await trio.sleep(0.005)
        except ExchangeError:
            return


@pytest.mark.slow
async def test_a_send_is_never_repeated_in_silence(storage: Storage) -> None:
    rng = random.Random(SEED)
    sends = Sends()
    async with open_bot_api_simulator() as simulator:
        bot = simulator.new_bot()
        # The answer takes a moment, so that some kills come while a message is on its way: most, where there are few.
        moment = 0.15 if storage.shared else 0.03
        simulator.faults.add(Fault(kind="delay", method="sendMessage", seconds=moment))
        environment = settings_for(simulator) | storage.environment
        async with open_server_process(storage.data_dir, environment=environment) as server:
            await server.listening()
            async with server.client() as client:
                body = {"id": "bot", "platform": "telegram", "credentials": {"token": bot.token}}
                assert (await client.post("/v1/sessions", json=body)).status_code == 201
        for life in range(storage.repetitions(LIVES, FEWER_LIVES)):
            sends.keys += [f"{life}-{number}" for number in range(NEW_KEYS)]
            async with open_server_process(storage.data_dir, environment=environment) as server:
                await server.listening()
                async with trio.open_nursery() as nursery:
                    for _ in range(NEW_KEYS):
                        nursery.start_soon(bother, server, sends, rng)
                    before = len(bot.sent)
                    with trio.move_on_after(10):  # not before it is at work
                        await simulator.wait_until(lambda before=before: len(bot.sent) > before)  # type: ignore[misc]
                    await trio.sleep(rng.uniform(0.0, 0.2))
                    server.process.kill()
                    await server.process.wait()
                    nursery.cancel_scope.deadline = trio.current_time() + 5
        simulator.faults.clear()
        async with open_server_process(storage.data_dir, environment=environment) as server, trio.open_nursery() as all:
            await server.listening()
            with trio.fail_after(120):
                async with calling(server) as client:  # type: ignore[assignment]
                    limit = trio.CapacityLimiter(8)

                    async def finish(key: str) -> None:
                        while sends.requests[key] < REPETITIONS or sends.states.get(key) not in FINAL:
                            async with limit:
                                await sends.repeat(client, key, wait=5.0)  # type: ignore[arg-type]

                    async with trio.open_nursery() as nursery:
                        for key in sends.keys:
                            nursery.start_soon(finish, key)
            all.cancel_scope.cancel()
        delivered = Counter(sent.text for sent in bot.sent)
    states = Counter(sends.states[key] for key in sends.keys)
    for key in sends.keys:
        assert len(sends.ids[key]) == 1, f"{key} became several messages"
        count = delivered[f"once {key}"]
        assert count <= 1, f"{key} was delivered {count} times"
        assert count == 1 or sends.states[key] == "unknown", f"{key} is {sends.states[key]} and was not delivered"
    assert set(states) <= {"sent", "unknown"}
    total = sum(sends.requests.values())
    print(f"\n{total} requests with {len(sends.keys)} keys: {dict(states)}, none twice")
