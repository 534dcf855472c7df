"""What chats cost receiving: `python bench/database/receiving.py`.

Batches of 100 messages in 200 chats are stored by the store's own calls, on SQLite and on a private PostgreSQL server, in
two forms that take turns, each on a database of its own: "without" any task that follows the log, and "with" the task that
fills the view of chats, as in an engine. No index serves chats alone, so receiving itself is the same in both; the task
rests 24 times as long as it works while events keep coming. "catching up" is what the task does for each event in full:
it follows the log without rests, after the last batch.

CPU is that of this process and of PostgreSQL's processes; the time is the wall clock until the last batch is stored. Each
figure is the least of the runs of one form, since other programs only add to it; the goal is a ratio of 1.05 in time.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab.postgres import DURABLE, private_server
from lab.processes import TICKS
from lab.report import table

from rookery.background.chat_view import ChatView
from rookery.model.event import NewEvent
from rookery.model.event_type import ChatRole, EventType
from rookery.model.session import Health, Lease, Reason, Session, SessionStatus
from rookery.runtime.signals import Signals
from rookery.store.open import SqliteStore
from rookery.store.postgres.store import PostgresStore
from rookery.store.secrets import SecretBox

FORMS = ("without", "with")
BATCH, CHATS = 100, 200
TYPES = [EventType(name="message", summary="", platform="telegram", role=ChatRole.MESSAGE)]

StoreOf = SqliteStore | PostgresStore


def event(number: int) -> NewEvent:
    body = b'{"message_id":"%d","kind":"text","text":"hello world","chat_type":"private","sender_name":"Ann"}' % number
    chat = str(number % CHATS)
    return NewEvent(str(number), "message", time.time(), chat, chat, body, b'{"message":"' + b"x" * 500 + b'"}')


async def store_all(make: Callable[[], StoreOf], form: str, events: int, cpu: Callable[[], float]) -> dict[str, float]:
    """Microseconds for each event."""
    store = make()
    async with store.open(), trio.open_nursery() as nursery:
        health = Health(status=SessionStatus.INITIALIZING, reason=Reason.STARTING, detail="", since=0.0)
        await store.create_session(Session(id="s", platform="telegram", name="s", enabled=True, health=health))
        [session] = await store.claim("bench", limit=1, now=time.time(), ttl=3600)
        lease = Lease(session.id, session.uid, "bench", session.fence)
        signals = Signals()
        view = ChatView("bench", store, signals, TYPES, time.time)
        if form == "with":
            nursery.start_soon(view.run)
            await trio.sleep(0.1)  # until it waits for events
        batches = [[event(number) for number in range(first, first + BATCH)] for first in range(0, events, BATCH)]
        spent, began = cpu(), time.perf_counter()
        for batch in batches:
            await store.append(lease, batch, None)
            signals.events_stored("s")
        found = {"CPU": (cpu() - spent) / events * 1e6, "time": (time.perf_counter() - began) / events * 1e6}
        if form == "without":
            spent, began = cpu(), time.perf_counter()
            while await view._follow():
                pass
            found["view CPU"] = (cpu() - spent) / events * 1e6
            found["view time"] = (time.perf_counter() - began) / events * 1e6
        nursery.cancel_scope.cancel()
    return found


def server_cpu(port: int) -> float:
    """Seconds of CPU of PostgreSQL's processes, also of those that have ended."""
    processes = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            processes[int(stat.parent.name)] = (
                int(fields[1]),
                sum(map(int, fields[11:13])),
                sum(map(int, fields[13:15])),
            )
    first = next(
        pid
        for pid in processes
        if b"postgres" in (words := Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))[0]
        and str(port).encode() in words
    )
    _, own, ended = processes[first]
    return (own + ended + sum(used for parent, used, _ in processes.values() if parent == first)) / TICKS


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    rows = []
    with private_server(*DURABLE) as server:
        for name in ("SQLite", "PostgreSQL"):
            found: dict[str, list[dict[str, float]]] = {form: [] for form in FORMS}
            for number in range(options.runs):
                for form in FORMS[:: -1 if number % 2 else 1]:
                    with tempfile.TemporaryDirectory() as data:

                        def make(data: str = data, name: str = name) -> StoreOf:
                            if name == "SQLite":
                                return SqliteStore(Path(data) / "bench.db", SecretBox.generated())
                            schema = f"bench_{secrets.token_hex(4)}"
                            return PostgresStore(server.url, SecretBox.generated(), schema=schema)

                        def cpu(name: str = name) -> float:
                            return time.process_time() + (server_cpu(server.port) if name == "PostgreSQL" else 0.0)

                        found[form].append(trio.run(store_all, make, form, options.events, cpu))
            base = {key: min(run[key] for run in found["without"]) for key in ("CPU", "time")}
            for form in FORMS:
                least = {key: min(run[key] for run in found[form]) for key in base}
                rows.append(
                    [name, form]
                    + [text for key in base for text in (f"{least[key]:.1f}", f"{least[key] / base[key]:.2f}")]
                )
            least = {key: min(run[f"view {key}"] for run in found["without"]) for key in base}
            rows.append([name, "catching up", f"{least['CPU']:.1f}", "", f"{least['time']:.1f}", ""])
    titles = ["store", "chats", "CPU µs", "ratio", "time µs", "ratio"]
    table(f"{options.events:,} events in batches of {BATCH}, least of {options.runs} runs", titles, rows)


if __name__ == "__main__":
    main()
