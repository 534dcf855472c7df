"""What storing costs: `python bench/store.py`.

Two ways to write: 50 sessions at once that each commit one event after another, and one session that commits batches of 100.
Each commit is one transaction with the session's cursor, fenced by its lease; it is measured from the call to its return.
Beside the stores stands plain asyncpg with a pool of the same size that inserts the same rows into one table with the same
unique key, without cursor, lease or order of ids. PostgreSQL has its usual settings (fsync on), SQLite those of Rookery.

With `--chats` each store also runs while the view of chats follows the log, as it does in an engine: receiving may be 5 %
slower then. Give it seconds: `--commits 40000`.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import trio
from lab.postgres import DURABLE, private_server
from lab.report import percentile, save, spread, table

from rookery.background.chat_view import ChatView
from rookery.model.event import NewEvent
from rookery.model.event_type import ChatRole, EventType
from rookery.model.session import Health, Lease, Reason, Session, SessionStatus
from rookery.runtime.signals import Signals
from rookery.store.contract import Store
from rookery.store.open import SqliteStore
from rookery.store.postgres.store import PostgresStore
from rookery.store.secrets import SecretBox

SESSIONS = 50
BATCH = 100
POOL = 10
BODY = b'{"message_id":"1","text":"hello world, this is a message of the usual length"}'
RAW = b'{"update_id":1,"message":{"text":"' + b"x" * 500 + b'"}}'
PARTS = {"single": f"{SESSIONS} sessions, one event a commit", "batch": f"one session, {BATCH} events a commit"}

TYPES = [EventType(name="message", summary="", platform="bench", role=ChatRole.MESSAGE)]

PLAIN_TABLE = """
    CREATE TABLE plain (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, uid bigint NOT NULL, key text NOT NULL, session text NOT NULL,
        type text NOT NULL, time double precision NOT NULL, chat text, sender text, body bytea NOT NULL, raw bytea NOT NULL,
        UNIQUE (uid, key))"""
PLAIN_INSERT = """
    INSERT INTO plain (uid, key, session, type, time, chat, sender, body, raw)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING"""


class Measured:
    """One run: how long each commit took, and all of them together."""

    def __init__(self) -> None:
        self.commits: list[float] = []
        self.events = 0
        self.signals = Signals()
        self.begin()

    def begin(self) -> None:
        """The clocks start anew."""
        self._began = time.perf_counter()
        self._cpu = time.process_time()

    async def commit(self, events: int, work: Awaitable[object]) -> None:
        """Await one commit."""
        began = time.perf_counter()
        await work
        self.commits.append(time.perf_counter() - began)
        self.events += events
        self.signals.events_stored(None)

    def figures(self) -> dict[str, float]:
        """Events a second, microseconds of this process' CPU for each, and milliseconds of a commit."""
        rate = self.events / (time.perf_counter() - self._began)
        cpu = 1e6 * (time.process_time() - self._cpu) / self.events
        return {"rate": rate, "cpu": cpu, **{f"p{n}": 1000 * percentile(self.commits, n / 100) for n in (50, 99)}}


def events(prefix: str, count: int) -> list[NewEvent]:
    return [NewEvent(f"{prefix}-{n}", "message", 1.0, str(n % 20), "5", BODY, RAW) for n in range(count)]


async def lease(store: Store, id: str) -> Lease:
    """A new session of our own."""
    health = Health(status=SessionStatus.INITIALIZING, reason=Reason.CREATED, detail="", since=1.0)
    await store.create_session(
        Session(id=id, platform="bench", name=id, enabled=True, health=health, updated_at=time.time())
    )
    [session] = await store.claim("bench", limit=1, now=time.time(), ttl=600.0, only=[id])
    return Lease(session.id, session.uid, "bench", session.fence)


async def measure_store(make: Callable[[], Store], part: str, commits: int, *, chats: bool = False) -> dict[str, float]:
    run = secrets.token_hex(4)
    store = make()
    async with store.open(), trio.open_nursery() as following:
        measured = Measured()
        if chats:
            view = ChatView(run, store, measured.signals, TYPES, time.time)
            while await view._follow():
                pass  # what the run before has left
            following.start_soon(view.run)
        figures = await measure(store, run, part, commits, measured)
        following.cancel_scope.cancel()
    return figures


async def measure(store: Store, run: str, part: str, commits: int, measured: Measured) -> dict[str, float]:
    if part == "batch":
        only = await lease(store, run)
        measured.begin()
        for n in range(commits // SESSIONS):
            await measured.commit(BATCH, store.append(only, events(str(n), BATCH), str(n)))
        return measured.figures()
    leases = [await lease(store, f"{run}-{n}") for n in range(SESSIONS)]
    measured.begin()

    async def session(lease: Lease) -> None:
        for n in range(commits // SESSIONS):
            await measured.commit(1, store.append(lease, events(str(n), 1), str(n)))

    async with trio.open_nursery() as nursery:
        for each in leases:
            nursery.start_soon(session, each)
    return measured.figures()


async def measure_plain(url: str, part: str, commits: int) -> dict[str, float]:
    run = secrets.randbits(40)
    pool = await asyncpg.create_pool(url, min_size=POOL, max_size=POOL)

    def values(uid: int, event: NewEvent) -> tuple[Any, ...]:
        e = event
        return uid, e.key, f"s{uid}", e.type, e.time, e.chat, e.sender, e.body, e.raw

    async def insert(uid: int, prefix: str, count: int) -> None:
        rows = [values(uid, event) for event in events(prefix, count)]
        if count == 1:
            await pool.execute(PLAIN_INSERT, *rows[0])
        else:
            await pool.executemany(PLAIN_INSERT, rows)

    async with pool:
        measured = Measured()
        if part == "batch":
            for n in range(commits // SESSIONS):
                await measured.commit(BATCH, insert(run, str(n), BATCH))
            return measured.figures()

        async def session(uid: int) -> None:
            for n in range(commits // SESSIONS):
                await measured.commit(1, insert(uid, str(n), 1))

        await asyncio.gather(*(session(run + n) for n in range(SESSIONS)))
        return measured.figures()


def main() -> None:
    options = parse()
    box = SecretBox.generated()
    results: dict[str, Any] = {}
    with private_server(*DURABLE) as server, tempfile.TemporaryDirectory(dir=options.data) as directory:
        file = Path(directory) / "bench.db"
        asyncio.run(execute(server.url, PLAIN_TABLE))
        stores: dict[str, Callable[[], Store]] = {
            "Rookery on SQLite": lambda: SqliteStore(file, box),
            "Rookery on PostgreSQL": lambda: PostgresStore(server.url, box, pool_size=POOL),
        }
        variants: dict[str, Callable[[str], dict[str, float]]] = {}
        for name, make in stores.items():
            variants[name] = lambda part, make=make: trio.run(measure_store, make, part, options.commits)  # type: ignore[misc]
            if options.chats:
                variants[f"{name}, chats followed"] = lambda part, make=make: trio.run(  # type: ignore[misc]
                    partial(measure_store, make, part, options.commits, chats=True)
                )
        variants["plain asyncpg"] = lambda part: asyncio.run(measure_plain(server.url, part, options.commits))
        for part, title in PARTS.items():
            runs: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
            for repetition in range(options.runs):
                for name, variant in variants.items():  # interleaved, because the machine's mood changes
                    figures = variant(part)
                    runs[name].append(figures)
                    print(f"{part} {repetition + 1} {name}: {figures['rate']:,.0f} events/s", flush=True)
            results[part] = {"title": title, "runs": runs}
    for part, result in results.items():
        show(part, result, options)
    if options.save:
        save("store", results)


async def execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()


def show(part: str, result: dict[str, Any], options: argparse.Namespace) -> None:
    runs: dict[str, list[dict[str, float]]] = result["runs"]
    plain = statistics.median(run["rate"] for run in runs["plain asyncpg"])
    rows = [
        [
            name,
            spread([run["rate"] for run in found]),
            f"{statistics.median(run['rate'] for run in found) / plain:.2f}",
            spread([run["cpu"] for run in found], ".1f"),
            spread([run["p50"] for run in found], ".2f"),
            spread([run["p99"] for run in found], ".2f"),
        ]
        for name, found in runs.items()
    ]
    table(
        result["title"],
        ["", "events/s (median, range)", "× plain asyncpg", "CPU µs each", "commit p50 ms", "commit p99 ms"],
        rows,
        f"{options.runs} interleaved runs of {options.commits if part == 'single' else options.commits // SESSIONS} commits.",
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--commits", type=int, default=10_000, help="of single events; batches are a fiftieth of it")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--chats", action="store_true", help="each store with the view of chats as well")
    parser.add_argument("--data", type=Path, help="where SQLite's file is put (default: the temporary directory)")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
