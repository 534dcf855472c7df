"""Rookery as `database/costs.py` measures it: `rookery_costs.py URL DIRECTORY`, the tokens as a JSON list on standard input.

Connects a session for each token. Then each line on standard input is a command, answered with one JSON line:
`events` (the number of events received), `send COUNT` (microseconds of CPU for each send, spread over the sessions),
`schedule COUNT` (the same for each send that is stored for later, one by one) and `fill COUNT` (store so many for later).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from itertools import cycle

import trio

from rookery import Engine, SessionStatus, open_engine
from rookery.settings import EngineSettings
from rookery_telegram import Rates, Telegram

SENDERS = 16
SECRET_KEY = "a-key-for-the-benchmark-0123456789abcdef"  # of the long log, too
BATCH = 1000
SETTINGS = EngineSettings(max_pending_sends=10_000_000, start_stagger=0.0, prune_interval=86_400.0)


async def send(engine: Engine, sessions: Iterator[str], count: int) -> None:
    """Send and wait for each receipt, some at once."""

    async def sender(number: int) -> None:
        for _ in range(number, count, SENDERS):
            await engine.send(next(sessions), to=1 + number, text="hello")

    async with trio.open_nursery() as nursery:
        for number in range(SENDERS):
            nursery.start_soon(sender, number)


async def schedule(engine: Engine, session: str, count: int) -> None:
    for number in range(count):
        await engine.submit(session, to=number % 200, text="hello", send_at=time.time() + 86_400)


async def fill(engine: Engine, session: str, count: int) -> None:
    for first in range(0, count, BATCH):
        later = [{"to": n % 200, "text": "hello", "send_at": time.time() + 86_400} for n in range(first, first + BATCH)]
        await engine.submit_batch(session, later)


async def main(url: str, directory: str, tokens: list[str]) -> None:
    provider = Telegram(api_url=url, poll_timeout=50, rates=Rates(overall=0, per_chat=0, per_group=0))
    store = f"sqlite:///{directory}/rookery.db"
    async with open_engine(providers=[provider], store=store, settings=SETTINGS, secret_key=SECRET_KEY) as engine:
        ids = [f"bot{number}" for number in range(len(tokens))]
        for id, token in zip(ids, tokens, strict=True):
            await engine.create_session(platform="telegram", id=id, credentials={"token": token})
        for id in ids:
            await engine.wait_status(id, SessionStatus.CONNECTED)
        sessions = cycle(ids)
        first = await engine.last_event_id()
        print(json.dumps({"ready": True}), flush=True)
        while line := await trio.to_thread.run_sync(sys.stdin.readline):
            command, _, number = line.strip().partition(" ")
            count, cpu = int(number or 0), time.process_time()
            match command:
                case "events":
                    print(json.dumps({"events": await engine.last_event_id() - first}), flush=True)
                    continue
                case "send":
                    await send(engine, sessions, count)
                case "schedule":
                    await schedule(engine, ids[0], count)
                case "fill":
                    await fill(engine, ids[0], count)
            print(json.dumps({command: 1e6 * (time.process_time() - cpu) / count}), flush=True)


if __name__ == "__main__":
    trio.run(main, sys.argv[1], sys.argv[2], json.loads(sys.stdin.readline()))
