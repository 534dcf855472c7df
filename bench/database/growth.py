"""What grows with the log: `python bench/database/growth.py [--events 2000000] [--save]`.

Three parts, each on SQLite with the store's own calls:

- receiving: microseconds of CPU for each event, in steps from the empty log to the full one;
- pages: the first page of every paged call of the API, from a log of 2,000 events and from the full one, in turn, by two
  `rookery serve`; the ratio may be 1.5;
- retention: old events are deleted while a session goes on storing one event after another; how long it waits at most,
  beside its waits while nothing is deleted (which are the machine's), and rows deleted a second in each tenth of the way.
  For each transaction that deletes, the time for which it held the writer and the CPU time of that: the rest is waiting for
  a core or the disk.
"""

from __future__ import annotations

import argparse
import re
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab.long_log import BATCH, BODY, SECRET_KEY, Clock, fill, open_store, sessions, settle
from lab.report import percentile, save, table
from lab.served import Served, open_served

from rookery.model.event import NewEvent
from rookery.model.session import Lease
from rookery.model.webhook import DeliveryOutcome, Webhook
from rookery.store.contract import Store
from rookery.store.pieces import in_pieces
from rookery.store.sqlite.database import writer
from rookery.store.sqlite.database.connection import Database
from rookery_http.description.openapi import describe

SMALL = 2_000
LIMIT_MS, LIMIT_RATIO = 50.0, 1.5
ALONE = 20.0  # seconds in which the writer writes alone
RECENT = 10  # rare events, at the end of the log


async def furnish(store: Store, lease: Lease) -> None:
    """What every log has beside its bulk: rare events, a webhook with dead letters."""
    rare = [NewEvent(f"rare-{n}", "poll.answer", 1.7e9, "rare", "9", b"{}", b"{}") for n in range(RECENT)]
    await store.append(lease, rare, None)
    hook = Webhook(id="hook", url="http://127.0.0.1:9/", secret="whsec_MDEyMzQ1Njc4OWFiY2RlZg==", events=("letter",))
    await store.create_webhook(hook)
    letters = [NewEvent(f"letter-{n}", "letter", 1.7e9, "1", "9", b"{}", b"{}") for n in range(100)]
    await store.append(lease, letters, None)
    rows = await store.pending_deliveries("hook", now=time.time(), busy=(), limit=200)
    await store.record_deliveries(
        [DeliveryOutcome(webhook="hook", event_id=row.event.id, delivered=False, at=1.7e9, error="no") for row in rows]
    )


PAGES = {
    "sessions": "/v1/sessions",
    "sessions, by status": "/v1/sessions?status=CONNECTED",
    "history of a session": "/v1/sessions/session-3/history",
    "events": "/v1/events",
    "events, the newest": "/v1/events?before=9007199254740991",
    "events, since a moment": "/v1/events?since=2026-01-01T00:00:00Z",
    "events, one session": "/v1/events?session=session-3",
    "events, a common type": "/v1/events?type=message",
    "events, a rare type": "/v1/events?type=poll.answer",
    "events, a type that never was": "/v1/events?type=absent",
    "events, session and rare type": "/v1/events?session=session-0&type=poll.answer",
    "events, session and absent type": "/v1/events?session=session-5&type=absent",
    "events, session and pattern": "/v1/events?session=session-0&type=poll.*",
    "events, a common chat": "/v1/events?chat=7&limit=5",
    "events, a rare chat": "/v1/events?chat=rare",
    "events, session and absent chat": "/v1/events?session=session-5&chat=absent",
    "events, session, chat and rare type": "/v1/events?session=session-0&chat=1&type=poll.answer",
    "messages of a session": "/v1/sessions/session-3/messages",
    "messages of a session, by state": "/v1/sessions/session-3/messages?state=failed",
    "messages of a session, by chat": "/v1/sessions/session-3/messages?chat=7",
    "chats of a session": "/v1/sessions/session-3/chats",
    "chats of a session, by name": "/v1/sessions/session-3/chats?q=nobody",
    "messages of a chat": "/v1/sessions/session-3/chats/7/messages",
    "dead letters": "/v1/webhooks/hook/dead-letters",
    "attempts": "/v1/webhooks/hook/attempts",
    "media": "/v1/media",
    "media, by session and state": "/v1/media?session=session-3&state=failed",
    "keys": "/v1/keys",
    "audit": "/v1/audit",
    "audit, by session": "/v1/audit?session=session-3",
    "logs": "/v1/logs",
    "overview": "/v1/overview",
}
NOT_PAGES = {"/v1/events/stream", "/v1/events/ws"}  # they are followed
SAME = {"/v1/sinks/{id}/dead-letters": "/v1/webhooks/{id}/dead-letters"}
"""Calls that read the same rows by the same statement as another one."""


def forgotten() -> list[str]:
    """Calls of the API that are paged and not measured."""
    paged = {
        SAME.get(path, path)
        for path, calls in describe()["paths"].items()
        for parameter in calls.get("get", {}).get("parameters", [])
        if parameter.get("name") == "limit"
    }
    measured = [page.partition("?")[0] for page in PAGES.values()]
    patterns = {path: re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in paged - NOT_PAGES}
    return sorted(path for path, pattern in patterns.items() if not any(map(pattern.fullmatch, measured)))


async def time_pages(small: Served, large: Served, runs: int) -> dict[str, tuple[float, float]]:
    """Median milliseconds of each call on the short and on the long log."""
    taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in PAGES}
    for run in range(runs + 1):
        for name, path in PAGES.items():
            for served, times in zip((small, large), taken[name], strict=True):
                began = time.perf_counter()
                answer = await served.api.get(path)
                if answer.status_code != 200:
                    raise SystemExit(f"{path}: {answer.status_code} {answer.text}")
                if run:  # the first one reads the disk
                    times.append(1000 * (time.perf_counter() - began))
    return {name: (statistics.median(one), statistics.median(other)) for name, (one, other) in taken.items()}


@contextmanager
def watched(held: list[float], worked: list[float]) -> Iterator[None]:
    """Note for each transaction that deletes how many ms it holds the writer, and its CPU time."""
    together = writer._together

    def timed(database: Database, group: list[writer._Job]) -> None:
        began, cpu = time.perf_counter(), time.thread_time()
        together(database, group)
        if group[0].background:
            held.append(1000 * (time.perf_counter() - began))
            worked.append(1000 * (time.thread_time() - cpu))

    writer._together = timed
    try:
        yield
    finally:
        writer._together = together


async def prune(store: Store, lease: Lease, clock: Clock, events: int) -> tuple[list[float], list[float], list[float]]:
    """Delete everything that is old beside a writer; returns its waits in ms before and meanwhile, and rows a second in each
    tenth."""
    clock.now = time.time()
    waits: list[float] = []
    rates: list[float] = []

    async def write() -> None:
        number = 0
        while True:
            number += 1
            began = time.perf_counter()
            await store.append(lease, [NewEvent(f"w{number}", "message", 1.7e9, "1", "9", BODY % number, b"{}")], None)
            waits.append(1000 * (time.perf_counter() - began))
            await trio.sleep(0.002)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        await trio.sleep(ALONE)
        alone = waits[50:]
        waits.clear()
        part, began, before = 0, time.perf_counter(), clock.now - 3600

        async def delete(limit: int) -> int:
            nonlocal part, began
            count = await store.prune_events(before=before, limit=limit)
            part += count
            if part >= events / 10:
                rates.append(part / (time.perf_counter() - began))
                part, began = 0, time.perf_counter()
            return count

        await in_pieces(delete)
        nursery.cancel_scope.cancel()
    return alone, waits, rates


async def measure(directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    directories = {count: directory / str(count) for count in (SMALL, options.events)}
    received: list[tuple[int, float]] = []
    leases: list[Lease] = []
    for count, place in directories.items():
        place.mkdir()
        store = open_store(place, Clock())
        async with store.open():
            leases = await sessions(store)
            received = await fill(store, leases, count, 10)
            await furnish(store, leases[0])
        settle(place)
    size = (directory / str(options.events) / "rookery.db").stat().st_size
    async with AsyncExitStack() as stack:
        environment = {"ROOKERY_SECRET_KEY": SECRET_KEY, "ROOKERY_PRUNE_INTERVAL": "86400"}
        small, large = [
            await stack.enter_async_context(open_served(each, environment)) for each in directories.values()
        ]
        pages = await time_pages(small, large, options.runs)
    clock = Clock()
    store = open_store(directories[options.events], clock)
    async with store.open():
        with sqlite3.connect(directories[options.events] / "rookery.db") as connection:
            connection.execute("UPDATE sessions SET enabled = 1 WHERE id = 'session-0'")
        connection.close()
        [row] = await store.claim("bench", limit=1, now=time.time(), ttl=1e6, only=["session-0"])
        held: list[float] = []
        worked: list[float] = []
        with watched(held, worked):
            alone, waits, rates = await prune(store, Lease(row.id, row.uid, "bench", row.fence), clock, options.events)
    return {
        "events": options.events,
        "mib": size / 2**20,
        "received": received,
        "pages": pages,
        "alone": distribution(alone),
        "waits": distribution(waits),
        "held": distribution(held),
        "worked": distribution(worked),
        "rates": rates,
    }


def distribution(milliseconds: list[float]) -> dict[str, float]:
    """Median, high percentiles, the highest value, and how many are above the limit."""
    return {
        "p50": statistics.median(milliseconds),
        "p99": percentile(milliseconds, 0.99),
        "p99.9": percentile(milliseconds, 0.999),
        "max": max(milliseconds),
        f"above {LIMIT_MS:.0f}": sum(each > LIMIT_MS for each in milliseconds),
        "count": len(milliseconds),
    }


def show(found: dict[str, Any]) -> None:
    events = found["events"]
    table(
        f"Receiving, SQLite, batches of {BATCH}: CPU µs an event",
        ["events in the log", "µs"],
        [[f"{count:,}", f"{each:.1f}"] for count, each in found["received"]],
        f"{found['mib']:,.0f} MiB on disk",
    )
    table(
        f"First page: {SMALL:,} events in the log and {events:,}",
        ["call", "ms", "ms, long log", f"ratio (at most {LIMIT_RATIO})"],
        [[name, f"{one:.2f}", f"{other:.2f}", f"{other / one:.2f}"] for name, (one, other) in found["pages"].items()],
    )
    labels = {
        "alone": "a write waits, nothing is deleted",
        "waits": "a write waits meanwhile",
        "held": "a deletion holds the writer",
        "worked": "its own CPU time",
    }
    table(
        f"Retention of {events:,} events beside a writer, ms (at most {LIMIT_MS:.0f})",
        ["", *found["alone"]],
        [[label, *[f"{value:,.4g}" for value in found[name].values()]] for name, label in labels.items()],
        "rows deleted a second in each tenth: " + ", ".join(f"{rate:,.0f}" for rate in found["rates"]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=15, help="readings of each page")
    parser.add_argument("--data", type=Path, default=None, help="where the databases are made; about 0.7 KiB an event")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    options = parser.parse_args()
    if missing := forgotten():
        raise SystemExit(f"these calls are paged and not measured: {', '.join(missing)}")
    with tempfile.TemporaryDirectory(dir=options.data) as directory:
        found = trio.run(measure, Path(directory), options)
    show(found)
    if options.save:
        save("growth", found)


if __name__ == "__main__":
    main()
