"""How long things take on their way, idle and under load: `python bench/bots/latency.py [--seconds 8] [--save]`.

Two ways through `rookery serve` on SQLite, one bot, 100 chats:

- update to webhook: from the moment at which the update is given to the Bot API's server to the whole delivery;
- POST to platform: from the call of the API to the arrival of sendMessage at the server.

First the most that each way carries is measured, then latencies at 1, 50 and 90 % of it. Server, simulator and this program
share the machine, so the load's own cost is in the figures.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httptools
import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab.processes import Simulator
from lab.report import percentile, save, table
from lab.served import Served, open_served

from rookery.runtime.http_client import HttpClient

SHARES = (0.01, 0.5, 0.9)
CHATS = 100
TICK = 0.02  # seconds between two handfuls of load
CONNECTIONS = 16
RATES = ("sends_per_second", "sends_per_second_per_chat", "sends_per_second_per_group")


class Receiver:
    """A webhook endpoint that notes when each event's text came first."""

    def __init__(self) -> None:
        self.url = ""
        self.arrived: dict[str, float] = {}

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection."""
        parts: list[bytes] = []
        answers = 0

        class Protocol:
            def on_body(_, data: bytes) -> None:
                parts.append(data)

            def on_message_complete(_) -> None:
                nonlocal answers
                answers += 1
                body = json.loads(b"".join(parts))
                parts.clear()
                self.arrived.setdefault(str(body["data"]["body"].get("text")), time.time())

        parser = httptools.HttpRequestParser(Protocol())
        try:
            async for data in stream:
                parser.feed_data(data)
                if answers:
                    await stream.send_all(b"HTTP/1.1 204 No Content\r\n\r\n" * answers)
                    answers = 0
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return


@asynccontextmanager
async def open_receiver() -> AsyncIterator[Receiver]:
    """Listening in the block."""
    receiver = Receiver()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), receiver.serve, 0)
        receiver.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/hook"
        yield receiver
        nursery.cancel_scope.cancel()


class Ways:
    """Both ways of one server. Each load gives every item a text of its own."""

    def __init__(self, served: Served, simulator: Simulator, token: str, receiver: Receiver) -> None:
        self.served, self.simulator, self.token, self.receiver = served, simulator, token, receiver
        self.given: dict[str, float] = {}
        self._number = 0
        address = served.api.base_url
        self._client = HttpClient(address.host, address.port or 80, None, max_answer=1_000_000)
        self._places = trio.CapacityLimiter(CONNECTIONS)

    def _texts(self, count: int) -> list[str]:
        self._number += count
        return [f"text {number}" for number in range(self._number - count, self._number)]

    async def push(self, count: int) -> None:
        """So many updates at once."""
        texts = self._texts(count)
        updates = [{"text": text, "chat_id": 1 + random.randrange(CHATS)} for text in texts]
        now = time.time()
        self.given.update(dict.fromkeys(texts, now))
        await trio.to_thread.run_sync(self.simulator.control, f"/bots/{self.token}/updates", updates)

    async def post(self, count: int) -> None:
        """So many calls at once."""
        async with trio.open_nursery() as nursery:
            for text in self._texts(count):
                nursery.start_soon(self._post_one, text)

    async def _post_one(self, text: str) -> None:
        body = json.dumps({"to": str(1 + random.randrange(CHATS)), "type": "text", "text": text}).encode()
        head = (
            b"POST /v1/sessions/bot/messages?wait=0 HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        )
        request = head + b"content-length: %d\r\n\r\n" % len(body) + body
        async with self._places:
            self.given[text] = time.time()
            answer = await self._client.exchange(request, connect_seconds=10, read_seconds=30, repeatable=True)
        if answer.status != 202:
            raise SystemExit(f"POST: {answer.status} {answer.body.decode()}")

    async def delivered(self) -> dict[str, float]:
        """When each text came to the webhook."""
        await trio.lowlevel.checkpoint()
        return self.receiver.arrived

    async def sent(self) -> dict[str, float]:
        """When each text came to the platform."""
        rows = await trio.to_thread.run_sync(self.simulator.sent, self.token)
        return {row["text"]: row["at"] for row in rows}


async def measure(ways: Ways, name: str, seconds: float, burst: int) -> dict[str, Any]:
    """The most that a way carries, and its latencies in ms at each share of that."""
    give, arrived = (ways.push, ways.delivered) if name == "update to webhook" else (ways.post, ways.sent)

    async def all_there(wait: float = 60) -> dict[str, float]:
        with trio.fail_after(wait):
            while not ways.given.keys() <= (found := await arrived()).keys():
                await trio.sleep(0.05)
        return found

    ways.given.clear()
    began = time.time()
    for first in range(0, burst, 100):
        await give(min(100, burst - first))
    found = await all_there()
    most = burst / (max(found[text] for text in ways.given) - began)
    result: dict[str, Any] = {"most": most, "latencies": {}}
    for share in SHARES:
        ways.given.clear()
        due = 0.0
        started = trio.current_time()
        async with trio.open_nursery() as nursery:
            while (now := trio.current_time()) < started + seconds:
                wanted = (now - started) * most * share + 1
                if count := int(wanted - due):
                    due += count
                    nursery.start_soon(give, count)
                await trio.sleep(TICK)
        found = await all_there()
        taken = [1000 * (found[text] - at) for text, at in ways.given.items()]
        result["latencies"][str(share)] = {
            "count": len(taken),
            "p50": percentile(taken, 0.5),
            "p99": percentile(taken, 0.99),
        }
    return result


async def run(options: argparse.Namespace) -> dict[str, Any]:
    with Simulator() as simulator, TemporaryDirectory() as directory:
        [token] = simulator.new_bots(1)
        environment = {
            "ROOKERY_TELEGRAM_API_URL": simulator.url,
            "ROOKERY_MAX_PENDING_SENDS": "1000000",
            "ROOKERY_WEBHOOK_ALLOW_PRIVATE": "true",
        }
        async with open_receiver() as receiver, open_served(Path(directory), environment) as served:
            settings = dict.fromkeys(RATES, 0)
            document = {"id": "bot", "platform": "telegram", "credentials": {"token": token}, "settings": settings}
            await served.call("POST", "/v1/sessions", document)
            while (await served.call("GET", "/v1/sessions/bot"))["status"] != "CONNECTED":
                await trio.sleep(0.05)
            hook = {"url": receiver.url, "events": ["message"]}
            await served.call("POST", "/v1/webhooks", hook)
            ways = Ways(served, simulator, token, receiver)
            return {
                name: await measure(ways, name, options.seconds, options.burst)
                for name in ("update to webhook", "POST to platform")
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=8, help="of each load")
    parser.add_argument("--burst", type=int, default=3000, help="items from which the most of a way is measured")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    options = parser.parse_args()
    found = trio.run(run, options)
    rows = [
        [
            f"{name}, {float(share):.0%} of {one['most']:,.0f}/s",
            f"{each['count']:,}",
            f"{each['p50']:.1f}",
            f"{each['p99']:.1f}",
        ]
        for name, one in found.items()
        for share, each in one["latencies"].items()
    ]
    table("Latency, one bot, SQLite", ["way and load", "measured", "p50 ms", "p99 ms"], rows)
    if options.save:
        save("latency", {"title": "Latency, one bot, SQLite"} | found)


if __name__ == "__main__":
    main()
