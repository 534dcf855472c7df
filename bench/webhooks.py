"""Deliveries a second to one fast local endpoint, beside a plain httpx loop of the same concurrency and bodies.

    python bench/webhooks.py [--events 5000] [--concurrency 16] [--save]

The endpoint is a process of its own. What Rookery does beyond the loop: it reads each event from the store, signs it, and
records the outcome durably before the next one of the same chat leaves.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httptools
import httpx
import trio
from lab.report import save, spread, table

from rookery import EngineSettings, Session, open_engine
from rookery.delivery.post import request_body
from rookery.delivery.signature import Signer
from rookery.model.event import Event, NewEvent
from rookery.model.webhook import Delivery, Webhook
from rookery.provider.contract import Inbox

CHATS = 200


class _Endpoint(asyncio.Protocol):
    """Answers 204 to every request."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def endpoint() -> None:
    server = await asyncio.get_running_loop().create_server(_Endpoint, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Source:
    """A platform that delivers the events given to it."""

    platform = "bench"

    def __init__(self) -> None:
        self.inbox: Inbox | None = None
        self.connected = trio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield

    def check(self, credentials: Any, settings: Any) -> None:
        pass

    @asynccontextmanager
    async def open_link(self, session: Session, inbox: Inbox) -> AsyncIterator[Source]:
        self.inbox = inbox
        self.connected.set()
        yield self

    async def run(self) -> None:
        await trio.sleep_forever()

    async def send(self, message: Any) -> Any:
        raise NotImplementedError


def new_events(count: int) -> list[NewEvent]:
    body = json.dumps({"text": "a message of ordinary length, as people write them all day"}).encode()
    raw = json.dumps({"update_id": 1, "message": {"text": "x" * 60, "chat": {"id": 7, "type": "private"}}}).encode()
    return [NewEvent(str(n), "message", 1.7e9, str(n % CHATS), "9", body, raw) for n in range(count)]


async def loop_rate(url: str, count: int, concurrency: int) -> float:
    """httpx as a person would write it, with signing."""
    webhook = Webhook(id="w", url=url, secret="whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
    event = Event(1, "s", "bench", "message", "1", 1.7e9, "7", "9", {"text": "x" * 60}, {"update_id": 1})
    signer = Signer(webhook)
    left = iter(range(count))
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx.AsyncClient(trust_env=False, limits=limits) as client:

        async def work() -> None:
            for _ in left:
                delivery = Delivery("w", event, "lane")
                body = request_body(delivery)
                answer = await client.post(url, content=body, headers=signer.headers(delivery, body, 1.7e9))
                assert answer.status_code == 204

        started = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for _ in range(concurrency):
                nursery.start_soon(work)
    return count / (time.perf_counter() - started)


async def engine_rate(url: str, store: str, count: int, concurrency: int) -> float:
    source = Source()
    settings = EngineSettings(webhook_concurrency=concurrency)
    async with open_engine(providers=[source], store=store, settings=settings) as engine:
        await engine.create_session(id="s", platform="bench")
        await source.connected.wait()
        assert source.inbox is not None
        hook = await engine.create_webhook(url=url, enabled=True)
        started = time.perf_counter()
        events = new_events(count)
        for first in range(0, count, 500):
            await source.inbox.commit(events[first : first + 500], None)
        delivered = 0.0
        while delivered < count:
            await trio.sleep(0.02)
            delivered = engine.telemetry.counters["deliveries"].get(("delivered",), 0)
        took = time.perf_counter() - started
        with trio.fail_after(10):
            while (await engine.webhook_facts())[hook.id].pending:
                await trio.sleep(0.02)
    return count / took


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    options = parser.parse_args()
    program = [sys.executable, "-c", "import asyncio, webhooks; asyncio.run(webhooks.endpoint())"]
    with (
        subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent) as server,
        tempfile.TemporaryDirectory() as directory,
    ):
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}/hook"
            count, most = options.events, options.concurrency
            variants: dict[str, Callable[[str], float]] = {
                f"httpx, {most} at once": lambda _: trio.run(loop_rate, url, count, most),
                "httpx, one at a time": lambda _: trio.run(loop_rate, url, count // 2, 1),
                "Rookery, in memory": lambda _: trio.run(engine_rate, url, "memory:", count, most),
                "Rookery, SQLite": lambda path: trio.run(engine_rate, url, f"sqlite:///{path}", count, most),
            }
            runs: dict[str, list[float]] = {name: [] for name in variants}
            for number in range(options.runs):
                for name, variant in variants.items():  # interleaved, because the machine's mood changes
                    runs[name].append(variant(f"{directory}/{number}.db"))
        finally:
            server.terminate()
    peer = max(statistics.median(found) for name, found in runs.items() if name.startswith("httpx"))
    rows = [[name, spread(found), f"{statistics.median(found) / peer:.2f}"] for name, found in runs.items()]
    title = f"{count:,} deliveries to one endpoint, {CHATS} chats"
    table(title, ["", "deliveries/s (median, range)", "× faster loop"], rows)
    if options.save:
        save("webhooks", {"title": title, "runs": runs})


if __name__ == "__main__":
    main()
