"""Events a second into each broker, beside a webhook, in one run.

    python bench/sinks.py [--events 5000] [--runs 3] [--kinds nats,amqp,redis] [--save]

Each broker is a real server of its own with its data on disk; an event counts when the broker has confirmed it. The
webhook's endpoint is the one of `webhooks.py`. All of them are delivered to from SQLite, by the same delivery engine.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import trio
from lab.report import save, spread, table
from webhooks import CHATS, Source, new_events

from rookery import EngineSettings, open_engine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.brokers.readers import prepare
from support.brokers.servers import KINDS, open_broker


async def rate(url: str, store: str, count: int, concurrency: int) -> tuple[float, float]:
    """Deliveries a second to this address, a webhook's or a broker's, and microseconds of this process' CPU for each."""
    source = Source()
    async with open_engine(
        providers=[source], store=store, settings=EngineSettings(webhook_concurrency=concurrency)
    ) as engine:
        await engine.create_session(id="s", platform="bench")
        await source.connected.wait()
        assert source.inbox is not None
        if url.startswith("http"):
            made = await engine.create_webhook(url=url, events=["message"])
        else:
            made = await engine.create_sink(url=url, events=["message"])
        events = new_events(count)
        started, cpu = time.perf_counter(), time.process_time()
        for first in range(0, count, 500):
            await source.inbox.commit(events[first : first + 500], None)
        while engine.telemetry.counters["deliveries"].get(("delivered",), 0) < count:
            await trio.sleep(0.02)
        took, spent = time.perf_counter() - started, time.process_time() - cpu
        facts = (await engine.webhook_facts())[made.id]
        assert not facts.dead, facts.last_error
    return count / took, spent / count * 1e6


async def broker_rate(kind: str, directory: Path, count: int, concurrency: int) -> tuple[float, float]:
    """The same into a broker that is started for it."""
    await trio.Path(directory).mkdir()
    async with open_broker(kind, directory) as broker:
        await prepare(broker)
        return await rate(broker.url, f"sqlite:///{directory}/rookery.db", count, concurrency)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    options = parser.parse_args()
    count, most = options.events, options.concurrency
    program = [sys.executable, "-c", "import asyncio, webhooks; asyncio.run(webhooks.endpoint())"]
    with (
        subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent) as server,
        tempfile.TemporaryDirectory() as directory,
    ):
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}/hook"
            variants: dict[str, Callable[[Path], tuple[float, float]]] = {
                "webhook": lambda place: trio.run(rate, url, f"sqlite:///{place}.db", count, most)
            }
            for kind in options.kinds.split(","):
                variants[kind] = lambda place, kind=kind: trio.run(broker_rate, kind, place, count, most)  # type: ignore[misc]
            runs: dict[str, list[float]] = {name: [] for name in variants}
            cpu: dict[str, list[float]] = {name: [] for name in variants}
            for number in range(options.runs):
                for name, variant in variants.items():  # interleaved, because other work comes and goes on the machine
                    found, spent = variant(Path(directory) / f"{name}-{number}")
                    runs[name].append(found)
                    cpu[name].append(spent)
        finally:
            server.terminate()
    base = statistics.median(runs["webhook"])
    rows = [
        [name, spread(rates), f"{statistics.median(rates) / base:.2f}", spread(cpu[name])]
        for name, rates in runs.items()
    ]
    title = f"{count:,} events out of SQLite, {CHATS} chats, {most} at once"
    table(title, ["", "events/s (median, range)", "× webhook", "CPU µs each"], rows)
    if options.save:
        save("sinks", {"title": title, "runs": runs, "cpu": cpu})


if __name__ == "__main__":
    main()
