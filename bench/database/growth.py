"""What grows with the log: `python bench/database/growth.py [--events 2000000] [--save]`.

The log and everything beside it (sends, deliveries, dead letters, files, audit, chats) is written by `lab.bulk_log`: about 25
seconds and 0.7 GB for each million events. Four parts, each on SQLite:

- receiving: microseconds of CPU for each event on a log of 2,000 events and on the full one, in turn;
- start: seconds until `rookery serve` listens, on both;
- pages: the first page of every paged call of the API, with each of its filters, and calls that count, on both, in turn, by
  two `rookery serve`; the ratio of pages may be 1.5;
- retention, of sends, audit entries, events and chats, for `--seconds` each, while a session goes on storing one event after
  another; then a chat, a webhook and a session with very much behind them are deleted: how long a write waits at most, beside
  its waits while nothing is deleted (which are the machine's), rows deleted a second, and for each transaction that deletes,
  the time for which it held the writer and the CPU time of that: the rest is waiting for a core or the disk.

`--data DIRECTORY` keeps the logs there, and another run with as many events goes on with them; retention changes them.
"""

from __future__ import annotations

import argparse
import gc
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab.bulk_log import DAY, Amounts, furnish
from lab.long_log import BATCH, BODY, SECRET_KEY, Clock, new_events, open_store
from lab.pages import CALLS, COUNTS, forgotten, places, time_calls
from lab.report import percentile, save, table
from lab.served import Served, open_served

from rookery.model.event import NewEvent
from rookery.model.session import Lease
from rookery.store.background_work import Job
from rookery.store.pieces import in_pieces
from rookery.store.sqlite.database import writer
from rookery.store.sqlite.database.connection import Database
from rookery.store.sqlite.store import SqliteStore

SMALL = 2_000
LIMIT_MS, LIMIT_RATIO = 50.0, 1.5
ALONE = 10.0  # seconds in which the writer writes alone
ROUNDS, RECEIVED = 10, 20_000
ENVIRONMENT = {
    "ROOKERY_SECRET_KEY": SECRET_KEY,
    "ROOKERY_PRUNE_INTERVAL": "86400",
    "ROOKERY_AUDIT_RETENTION": "31536000",
}


@contextmanager
def watched(held: list[float], worked: list[float]) -> Iterator[None]:
    """Note for each transaction that deletes how many ms it holds the writer, and its CPU time."""
    together = writer._together

    def timed(database: Database, group: list[Job]) -> None:
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


async def claimed(store: SqliteStore) -> Lease:
    """The lease of session-0, which is enabled for it."""
    assert store.path is not None
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("UPDATE sessions SET enabled = 1 WHERE id = 'session-0'")
    [row] = await store.claim("bench", limit=1, now=time.time(), ttl=1e6, only=["session-0"])
    return Lease(row.id, row.uid, "bench", row.fence)


async def receive(directories: list[Path]) -> list[float]:
    """The least CPU microseconds of an event on each log."""
    clock = Clock()
    clock.now = time.time()
    rng = random.Random(7)
    least = [float("inf")] * len(directories)
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_store(each, clock).open()) for each in directories]
        leases = [await claimed(store) for store in stores]
        first = int(time.time()) * 1000  # no run repeats the keys of another
        for _ in range(ROUNDS):
            for number, (store, lease) in enumerate(zip(stores, leases, strict=True)):
                cpu = time.process_time()
                for begin in range(first, first + RECEIVED // ROUNDS, BATCH):
                    await store.append(lease, new_events(begin, BATCH, rng), None)
                used = time.process_time() - cpu
                least[number] = min(least[number], 1e6 * used / (RECEIVED // ROUNDS))
            first += RECEIVED
    for each in directories:
        with closing(sqlite3.connect(each / "rookery.db")) as connection, connection:
            connection.execute("UPDATE sessions SET enabled = 0")
    return least


async def pages(directories: dict[int, Path], runs: int) -> tuple[list[float], dict[str, Any], dict[str, Any]]:
    """Seconds until each server listens; median milliseconds of each paged call and of each call that counts."""
    starts: list[float] = []
    servers: list[tuple[Served, dict[str, object]]] = []
    async with AsyncExitStack() as stack:
        for events, directory in directories.items():
            began = time.perf_counter()
            served = await stack.enter_async_context(open_served(directory, ENVIRONMENT))
            starts.append(time.perf_counter() - began)
            amounts = Amounts.of(events)
            made = float((directory / "made").read_text())
            words = places(events, amounts.finished, amounts.letters, amounts.media, made)
            servers.append((served, words))
        return starts, await time_calls(CALLS, servers, runs), await time_calls(COUNTS, servers, runs)


async def retain(directory: Path, seconds: float) -> dict[str, dict[str, Any]]:
    """Delete what is old, kind by kind, beside a writer."""
    gc.freeze()  # as `rookery serve` does: a collection of everything that was imported stops this process for 60 ms
    clock = Clock()
    clock.now = now = time.time()
    store = open_store(directory, clock)
    found: dict[str, dict[str, Any]] = {}
    waits: list[float] = []
    held: list[float] = []
    worked: list[float] = []

    def note(name: str, rates: list[float], took: float) -> None:
        lists = {"waits": waits, "held": held, "worked": worked}
        found[name] = {key: distribution(values) for key, values in lists.items() if values}
        found[name] |= {"rates": rates, "seconds": took}
        for values in lists.values():
            values.clear()

    async with store.open(), trio.open_nursery() as nursery:
        lease = await claimed(store)

        async def write() -> None:
            number = int(now * 1000)
            while True:
                number += 1
                began = time.perf_counter()
                await store.append(
                    lease, [NewEvent(f"w{number}", "message", now, "1", "9", BODY % number, b"{}")], None
                )
                waits.append(1000 * (time.perf_counter() - began))
                await trio.sleep(0.002)

        nursery.start_soon(write)
        await trio.sleep(ALONE)
        with watched(held, worked):
            note("nothing", [], ALONE)
            kinds: dict[str, Callable[[int], Awaitable[int]]] = {
                "sends": lambda limit: store.prune_messages(before=now - 4 * DAY, limit=limit),
                "audit entries": lambda limit: store.prune_audit(before=now - 5 * DAY, keep=10**9, limit=limit),
                "events": lambda limit: store.prune_events(before=now - 3600, limit=limit),
                "chats": lambda limit: store.tidy_chats(now=now, before=now, limit=limit),
            }
            for name, kind in kinds.items():
                began = time.perf_counter()
                rates = await steady(kind, seconds)
                note(name, rates, time.perf_counter() - began)
            for name, call in (
                ("a chat", store.erase_chat("session-1", "big")),
                ("a webhook", store.delete_webhook("slow")),
                ("a session", store.delete_session("session-4")),
            ):
                began = time.perf_counter()
                await call
                note(name, [], time.perf_counter() - began)
        nursery.cancel_scope.cancel()
    return found


async def steady(kind: Callable[[int], Awaitable[int]], seconds: float) -> list[float]:
    """Delete for so many seconds; rows a second in each fifth."""
    rates: list[float] = []
    part, began = 0, time.perf_counter()

    async def delete(limit: int) -> int:
        nonlocal part, began
        count = await kind(limit)
        part += count
        if (took := time.perf_counter() - began) >= seconds / 5:
            rates.append(part / took)
            part, began = 0, time.perf_counter()
        return count

    with trio.move_on_after(seconds):
        await in_pieces(delete)
    return rates


async def measure(directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    directories = {count: directory / str(count) for count in (SMALL, options.events)}
    for count, place in directories.items():
        if (place / "made").exists():
            continue
        place.mkdir()
        now = time.time()
        await furnish(place, Amounts.of(count), now=now)
        (place / "made").write_text(str(now))
    size = (directory / str(options.events) / "rookery.db").stat().st_size
    starts, called, counted = await pages(directories, options.runs)
    return {
        "events": options.events,
        "mib": size / 2**20,
        "starts": starts,
        "pages": called,
        "counts": counted,
        "received": await receive(list(directories.values())),
        "retention": await retain(directories[options.events], options.seconds) if options.seconds else {},
    }


def distribution(milliseconds: list[float]) -> dict[str, float]:
    """Median, high percentiles, the highest value, and how many are above the limit."""
    return {
        "p50": statistics.median(milliseconds),
        "p99": percentile(milliseconds, 0.99),
        "max": max(milliseconds),
        f"above {LIMIT_MS:.0f}": sum(each > LIMIT_MS for each in milliseconds),
        "count": len(milliseconds),
    }


def show(found: dict[str, Any]) -> None:
    events = found["events"]
    table(
        f"SQLite, {SMALL:,} events in the log and {events:,}",
        ["", f"{SMALL:,}", f"{events:,}"],
        [
            [f"receiving, batches of {BATCH}: CPU µs an event", *[f"{each:.1f}" for each in found["received"]]],
            ["seconds until the server listens", *[f"{each:.2f}" for each in found["starts"]]],
        ],
        f"{found['mib']:,.0f} MiB on disk",
    )
    for title, calls in (
        (f"First pages, ms: median and least (ratio at most {LIMIT_RATIO})", found["pages"]),
        ("Calls that count, ms: median and least", found["counts"]),
    ):
        table(
            title,
            ["call", "short", "long", "ratio", "least, short", "least, long", "ratio"],
            [
                [name, f"{a:.2f}", f"{b:.2f}", f"{b / a:.2f}", f"{c:.2f}", f"{d:.2f}", f"{d / c:.2f}"]
                for name, ((a, c), (b, d)) in calls.items()
            ],
        )
    rows = []
    for name, one in found["retention"].items():
        label = f"{name} ({one['seconds']:.0f} s)"
        for key, what in (("waits", "a write waits"), ("held", "a deletion holds"), ("worked", "its CPU time")):
            if key in one:
                rows.append([label, what, *[f"{value:,.4g}" for value in one[key].values()]])
                label = ""
        if one["rates"]:
            rows.append(["", "rows/s", ", ".join(f"{rate:,.0f}" for rate in one["rates"])])
    if rows:
        columns = ["deleted", "ms", "p50", "p99", "max", f"above {LIMIT_MS:.0f}", "count"]
        table(
            f"Retention of {events:,} events beside a writer, ms (at most {LIMIT_MS:.0f})",
            columns,
            [[*row, *[""] * (len(columns) - len(row))] for row in rows],
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=15, help="readings of each page")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each kind of retention; 0: none")
    parser.add_argument("--data", type=Path, default=None, help="keeps the logs here")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    options = parser.parse_args()
    if missing := forgotten(CALLS.values()):
        raise SystemExit(f"these calls are paged and not measured: {', '.join(missing)}")
    if options.data is not None:
        options.data.mkdir(exist_ok=True)
        found = trio.run(measure, options.data, options)
    else:
        with tempfile.TemporaryDirectory() as directory:
            found = trio.run(measure, Path(directory), options)
    show(found)
    if options.save:
        save("growth", found)


if __name__ == "__main__":
    main()
