"""What one update, one send and one idle session cost as their number grows: `python bench/database/costs.py [--save]`.

For each number of sessions a process with `open_engine` on SQLite, on an empty log and on a long one:

- update: 20 texts to every session at once, again and again; microseconds of CPU for each, until all are stored;
- send: 16 at a time, spread over the sessions, each until its receipt is stored; microseconds of CPU for each;
- idle: KiB of memory of its own for each session, and microseconds of CPU a second for each, while all of them poll.

And with one session, while 0 and 100,000 sends wait for their time: microseconds of CPU for a send, and for a send that is
stored for later. CPU time is the measured process's own: a busy machine changes it little.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab.long_log import Clock, fill, open_store, sessions, settle
from lab.processes import RunningClient, Simulator, cpu_seconds, raise_file_limit, unique_kib
from lab.report import save, table

EACH = 20  # texts to each session at once
UPDATES, SENDS = 4_000, 2_000  # at least so many in all
QUEUED = 100_000
FIGURES = {
    "update": "CPU µs an update",
    "send": "CPU µs a send",
    "kib": "KiB an idle session",
    "idle": "CPU µs a second, an idle session",
}


@contextmanager
def running(log: Path | None, bots: int, data: Path | None) -> Iterator[tuple[Simulator, RunningClient]]:
    """A simulator and a process with so many connected sessions, on a copy of `log`."""
    with tempfile.TemporaryDirectory(dir=data) as directory, Simulator() as simulator:
        if log is not None:
            shutil.copy(log / "rookery.db", directory)
        client = RunningClient(sys.executable, "rookery_costs.py", [simulator.url, directory])
        try:
            client.tell(json.dumps(simulator.new_bots(bots) if bots else []))
            client.read()
            while simulator.control("/stats")["polls_in_flight"] != bots:
                time.sleep(0.1)
            time.sleep(2)
            yield simulator, client
        finally:
            client.process.terminate()
            client.process.wait()


def ask(client: RunningClient, command: str) -> float:
    client.tell(command)
    found: dict[str, float] = client.read()
    return next(iter(found.values()))


def updates(simulator: Simulator, client: RunningClient, bots: int) -> float:
    """Microseconds of CPU for each update."""
    rounds = max(2, UPDATES // (EACH * bots))
    before, cpu = ask(client, "events"), 0.0
    for number in range(rounds):
        started = cpu_seconds(client.pid)
        simulator.control("/updates", {"count": EACH, "chats": 5})
        while ask(client, "events") - before < EACH * bots * (number + 1):
            time.sleep(0.02)
        cpu += cpu_seconds(client.pid) - started
    return 1e6 * cpu / (EACH * bots * rounds)


def cell(log: Path | None, bots: int, options: argparse.Namespace) -> dict[str, float]:
    """The figures of one number of sessions on one log."""
    with running(log, 0, options.data) as (_, client):
        bare_kib, bare_cpu = unique_kib(client.pid), cpu_seconds(client.pid)
        time.sleep(options.idle)
        bare_cpu = cpu_seconds(client.pid) - bare_cpu
    with running(log, bots, options.data) as (simulator, client):
        found = {"kib": (unique_kib(client.pid) - bare_kib) / bots}
        cpu, began = cpu_seconds(client.pid), time.monotonic()
        time.sleep(options.idle)
        seconds = time.monotonic() - began
        found["idle"] = 1e6 * max(0.0, cpu_seconds(client.pid) - cpu - bare_cpu) / seconds / bots
        found["update"] = updates(simulator, client, bots)
        found["send"] = ask(client, f"send {max(SENDS, bots)}")
    print(bots, "sessions:", {name: round(value, 1) for name, value in found.items()}, flush=True)
    return found


def queued(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """What sends cost beside many that wait."""
    with running(None, 1, options.data) as (_, client):
        found = {}
        for count in (0, QUEUED):
            if count:
                ask(client, f"fill {count}")
            ask(client, "send 500")
            found[str(count)] = {"send": ask(client, f"send {SENDS}"), "schedule": ask(client, f"schedule {SENDS}")}
    return found


async def long_log(directory: Path, events: int) -> None:
    store = open_store(directory, Clock())
    async with store.open():
        await fill(store, await sessions(store), events, 10)
    settle(directory)


def main() -> None:
    options = parse()
    raise_file_limit()
    results: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(dir=options.data) as directory:
        logs: dict[int, Path | None] = {0: None}
        if options.events:
            logs[options.events] = options.log or Path(directory)
            if options.log is None:
                trio.run(long_log, Path(directory), options.events)
        for events, log in logs.items():
            print(f"{events:,} events in the log", flush=True)
            results[str(events)] = {str(bots): cell(log, bots, options) for bots in options.sessions}
    waiting = queued(options)
    for name, label in FIGURES.items():
        rows = [
            [f"{int(events):,}", *[f"{found[name]:,.1f}" for found in cells.values()]]
            for events, cells in results.items()
        ]
        table(f"{label}, by number of sessions", ["events in the log", *map("{:,}".format, options.sessions)], rows)
    table(
        "One session: CPU µs",
        ["sends that wait", "a send", "a send stored for later"],
        [[f"{int(count):,}", f"{found['send']:,.0f}", f"{found['schedule']:,.0f}"] for count, found in waiting.items()],
    )
    if options.save:
        saved: dict[str, Any] = {"title": "Cost by number of sessions", "figures": FIGURES, "cells": results}
        save("costs", saved | {"queued": waiting})


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sessions", type=int, nargs="*", default=[1, 10, 100, 1000, 5000])
    parser.add_argument("--events", type=int, default=2_000_000, help="in the long log; 0: only the empty one")
    parser.add_argument("--log", type=Path, help="the directory of a long log that `growth.py --keep` has made")
    parser.add_argument("--idle", type=float, default=20, help="seconds of the idle measurement")
    parser.add_argument("--data", type=Path, help="where the databases are made")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    options = parser.parse_args()
    if options.data:
        options.data = options.data.absolute()
    return options


if __name__ == "__main__":
    main()
