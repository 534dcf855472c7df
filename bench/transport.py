"""What one request to the Bot API costs: `python bench/transport.py`.

The same sendMessage over httpx's client, an httpcore connection, and Rookery's own transport, which the Telegram provider
uses. CPU time is this process's; the server runs in another one. With several requests at once each chat sends one after
another, as bots do.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpcore
import httpx
import trio
from lab.processes import Simulator
from lab.report import save, spread, table

from rookery.runtime.http_client import HttpClient

Post = Callable[[bytes], Awaitable[bytes]]


@asynccontextmanager
async def httpx_client(url: str) -> AsyncIterator[Post]:
    """As most programs use httpx."""
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=100, max_keepalive_connections=100)) as client:

        async def post(body: bytes) -> bytes:
            answer = await client.post(url, content=body, headers={"content-type": "application/json"})
            return answer.content

        yield post


@asynccontextmanager
async def httpcore_pool(url: str) -> AsyncIterator[Post]:
    """The layer below httpx."""
    async with httpcore.AsyncConnectionPool(max_connections=100, max_keepalive_connections=100) as pool:

        async def post(body: bytes) -> bytes:
            answer = await pool.request("POST", url, content=body, headers={"content-type": "application/json"})
            return bytes(answer.content)

        yield post


@asynccontextmanager
async def httpcore_connection(url: str) -> AsyncIterator[Post]:
    """One connection without a pool: it takes one request at a time."""
    target = httpcore.URL(url)
    async with httpcore.AsyncHTTPConnection(origin=target.origin) as connection:

        async def post(body: bytes) -> bytes:
            answer = await connection.request(
                "POST", target, content=body, headers={"content-type": "application/json"}
            )
            return bytes(answer.content)

        yield post


@asynccontextmanager
async def http_client(url: str) -> AsyncIterator[Post]:
    """What Rookery's bots send with."""
    target = httpx.URL(url)
    transport = HttpClient(target.host, target.port or 80, None, max_answer=1_000_000)
    head = b"POST %b HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\nContent-Length: " % (
        target.raw_path,
        target.netloc,
    )

    async def post(body: bytes) -> bytes:
        request = b"%b%d\r\n\r\n%b" % (head, len(body), body)
        answer = await transport.exchange(request, connect_seconds=10, read_seconds=25)
        return answer.body

    try:
        yield post
    finally:
        await transport.aclose()


KINDS = {
    "httpx.AsyncClient": httpx_client,
    "httpcore pool": httpcore_pool,
    "httpcore connection": httpcore_connection,
    "rookery HttpClient": http_client,
}


async def measure(url: str, kind: str, at_once: int, seconds: float) -> dict[str, float]:
    """Requests for some seconds."""
    done = 0
    async with KINDS[kind](url) as post:

        async def one_chat(chat: int) -> None:
            nonlocal done
            body = json.dumps({"chat_id": chat, "text": "hello"}).encode()
            while trio.current_time() < until:
                answer = await post(body)
                assert b'"ok":true' in answer, answer
                done += 1

        await post(b'{"chat_id":1,"text":"connect"}')
        cpu, began = time.process_time(), trio.current_time()
        until = began + seconds
        async with trio.open_nursery() as nursery:
            for chat in range(1, at_once + 1):
                nursery.start_soon(one_chat, chat)
        return {
            "cpu_us": 1e6 * (time.process_time() - cpu) / done,
            "rate": done / (trio.current_time() - began),
        }


def main() -> None:
    options = parse()
    runs: dict[str, list[dict[str, float]]] = {}
    with Simulator() as simulator:
        [token] = simulator.new_bots(1)
        url = f"{simulator.url}/bot{token}/sendMessage"
        for _ in range(options.repeat):
            for kind in KINDS:
                for at_once in options.at_once:
                    if at_once == 1 or kind != "httpcore connection":
                        found = trio.run(measure, url, kind, at_once, options.seconds)
                        runs.setdefault(f"{kind}, {at_once} at once", []).append(found)
    rows = [
        [name, spread([run["cpu_us"] for run in found]), spread([run["rate"] for run in found])]
        for name, found in runs.items()
    ]
    title = "One sendMessage over plain HTTP: CPU µs and requests/s"
    table(title, ["client", "CPU µs: median (range)", "requests/s: median (range)"], rows)
    if options.save:
        middle = {name: statistics.median(run["cpu_us"] for run in found) for name, found in runs.items()}
        result: dict[str, Any] = {"title": title, "cpu_us": middle, "runs": runs}
        save("transport", result)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--at-once", type=int, nargs="*", default=[1, 16, 100])
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
