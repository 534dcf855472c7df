"""What one update, one send and one idle session cost as their number grows: `python bench/database/costs.py [--save]`.

For each number of sessions a process with `open_engine` on SQLite, on an empty log and on a long one:

- update: 20 texts to every session at once, again and again; microseconds of CPU for each, until all are stored;
- send: 16 at a time, spread over the sessions, each until its receipt is stored; microseconds of CPU for each;
- idle: KiB of memory of its own for each session, and microseconds of CPU a second for each, while all of them poll.

And with one session, while 0 and 100,000 sends wait for their time: microseconds of CPU for a send, and for a send that is
stored for later. CPU time is the measured process's own: a busy machine changes it little.

About ten minutes on a quiet machine. Every figure is kept in `--state` as soon as it is known: a run that was stopped goes on
there, and `--again` begins anew. The long log is made once, in `--data`, and copied for each cell; for 10 million events
(`--events 10000000`) give a directory with 20 GB of free space.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab.long_log import Clock, fill, open_store, sessions, settle
from lab.processes import RunningClient, Simulator, cpu_seconds, raise_file_limit, unique_kib
from lab.report import save, table

EACH = 20  # texts to each session at once
UPDATES, SENDS = 4_000, 2_000  # at least so many in all
CONNECT_SECONDS = 300.0  # for all sessions to poll
STORE_SECONDS = 120.0  # for a round of updates to be stored
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
            wait_for(
                lambda: simulator.control("/stats")["polls_in_flight"] >= bots,
                CONNECT_SECONDS,
                f"{bots} sessions polling",
            )
            time.sleep(2)
            yield simulator, client
        finally:
            client.process.terminate()
            client.process.wait()


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Ask again and again until the condition holds; give up with a sentence after so many seconds."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"gave up after {seconds:g} s without {what}; run the same command again to go on")
        time.sleep(0.05)


def ask(client: RunningClient, command: str) -> float:
    client.tell(command)
    found: dict[str, float] = client.read()
    return next(iter(found.values()))


def updates(simulator: Simulator, client: RunningClient, bots: int) -> float:
    """Microseconds of CPU for each update."""
    rounds = max(2, UPDATES // (EACH * bots))
    before, cpu = ask(client, "events"), 0.0

    def stored(wanted: float) -> bool:
        return ask(client, "events") >= wanted

    for number in range(rounds):
        started, wanted = cpu_seconds(client.pid), before + EACH * bots * (number + 1)
        simulator.control("/updates", {"count": EACH, "chats": 5})
        wait_for(partial(stored, wanted), STORE_SECONDS, "all updates stored")
        cpu += cpu_seconds(client.pid) - started
    return 1e6 * cpu / (EACH * bots * rounds)


def bare(log: Path | None, options: argparse.Namespace) -> dict[str, float]:
    """What the process has and uses without a session."""
    with running(log, 0, options.data) as (_, client):
        kib, cpu, began = unique_kib(client.pid), cpu_seconds(client.pid), time.monotonic()
        time.sleep(options.idle)
        return {"kib": kib, "share": (cpu_seconds(client.pid) - cpu) / (time.monotonic() - began)}


def cell(log: Path | None, bots: int, without: dict[str, float], options: argparse.Namespace) -> dict[str, float]:
    """The figures of one number of sessions on one log; `without` is what `bare` found."""
    with running(log, bots, options.data) as (simulator, client):
        found = {"kib": (unique_kib(client.pid) - without["kib"]) / bots}
        cpu, began = cpu_seconds(client.pid), time.monotonic()
        time.sleep(options.idle)
        share = (cpu_seconds(client.pid) - cpu) / (time.monotonic() - began)
        found["idle"] = 1e6 * max(0.0, share - without["share"]) / bots
        found["update"] = updates(simulator, client, bots)
        found["send"] = ask(client, f"send {max(SENDS, bots)}")
    print(bots, "sessions:", {name: round(value, 1) for name, value in found.items()}, flush=True)
    return found


def queued(options: argparse.Namespace) -> dict[str, Any]:
    """What sends cost beside many that wait."""
    with running(None, 1, options.data) as (_, client):
        found = {}
        for count in (0, options.queued):
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
    state = State(options.state, again=options.again)
    results: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(dir=options.data) as directory:
        for events in dict.fromkeys((0, options.events)):
            print(f"{events:,} events in the log", flush=True)
            names = {str(bots): f"{events} events, {bots} sessions" for bots in options.sessions}
            log = None
            if events and not state.has(*names.values()):
                log = options.log or Path(directory)
                if options.log is None:
                    trio.run(long_log, log, events)
            without = state.kept(f"{events} events", partial(bare, log, options)) if log or not events else {}
            results[str(events)] = {
                bots: state.kept(name, partial(cell, log, int(bots), without, options)) for bots, name in names.items()
            }
    waiting = state.kept(f"{options.queued} queued", partial(queued, options))
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


class State:
    """The figures that are known so far, in a file, so that a run that was stopped can go on."""

    def __init__(self, path: Path, *, again: bool) -> None:
        self._path = path
        self._found: dict[str, Any] = {} if again or not path.exists() else json.loads(path.read_text())

    def has(self, *names: str) -> bool:
        """True when all of these are known."""
        return all(name in self._found for name in names)

    def kept(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The figures of this name, measured now unless they are known."""
        if name not in self._found:
            self._found[name] = measure()
            self._path.write_text(json.dumps(self._found, indent=1) + "\n")
        found: dict[str, Any] = self._found[name]
        return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sessions", type=int, nargs="*", default=[1, 10, 100, 1000, 5000])
    parser.add_argument("--events", type=int, default=500_000, help="in the long log; 0: only the empty one")
    parser.add_argument("--queued", type=int, default=100_000, help="sends that wait for their time")
    parser.add_argument("--log", type=Path, help="the directory of a long log, such as `growth.py --data` makes")
    parser.add_argument("--idle", type=float, default=10, help="seconds of the idle measurement")
    parser.add_argument(
        "--state", type=Path, default=Path("costs.state.json"), help="file that keeps the figures known so far"
    )
    parser.add_argument("--again", action="store_true", help="measure everything, whatever the file of --state holds")
    parser.add_argument("--data", type=Path, help="where the databases are made")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    options = parser.parse_args()
    if options.data:
        options.data = options.data.absolute()
    return options


if __name__ == "__main__":
    main()
