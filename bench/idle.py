"""What an idle bot costs, and a message to all bots at once: `python bench/idle.py`.

Every client holds all its bots in one process. Memory is what only this process has (USS), less that of the same process
with one bot: modules that are imported when they are first used are loaded in both. CPU is measured over a whole long poll
(50 s) and a little, so that every bot polls anew once. Then a message goes to every bot at the same moment; the time runs
until the last one is stored (Rookery) or handled (the others).
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from lab.processes import DEFAULT_PEERS, RunningClient, Simulator, cpu_seconds, raise_file_limit, unique_kib
from lab.report import RESULTS, save, table


class Variant(NamedTuple):
    """A client as it is run."""

    name: str
    family: str
    script: str
    options: tuple[str, ...] = ()


VARIANTS = [
    Variant("Rookery", "rookery", "rookery_idle.py"),
    Variant("aiogram, session per bot", "aiogram", "aiogram_idle.py", ("own",)),
    Variant("aiogram, shared session", "aiogram", "aiogram_idle.py", ("shared",)),
    Variant("PTB", "ptb", "ptb_idle.py"),
]


def wait_for(condition: Callable[[], bool], seconds: float, interval: float = 0.1) -> None:
    """Return as soon as the condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"gave up after {seconds:g} s")
        time.sleep(interval)


def measure(simulator: Simulator, variant: Variant, bots: int, options: argparse.Namespace) -> dict[str, float]:
    """Start one process with so many bots; with a single one only its memory is measured."""
    simulator.control("/reset", {})
    tokens = simulator.new_bots(bots)
    python = sys.executable if variant.family == "rookery" else options.peers
    with tempfile.TemporaryDirectory(dir=options.data) as directory:
        extra = (directory,) if variant.family == "rookery" else variant.options
        client = RunningClient(python, variant.script, [simulator.url, *extra])
        try:
            client.tell(json.dumps(tokens))
            client.read()
            wait_for(lambda: simulator.control("/stats")["polls_in_flight"] >= bots, 300)
            connected = time.time() - client.started_at
            time.sleep(options.settle)
            found = {"uss_kib": float(unique_kib(client.pid)), "connected_s": connected}
            if bots > 1:
                cpu, server, started = cpu_seconds(client.pid), simulator.cpu, time.monotonic()
                time.sleep(options.window)
                seconds = time.monotonic() - started
                found["cpu_percent"] = 100 * (cpu_seconds(client.pid) - cpu) / seconds
                found["server_cpu_percent"] = 100 * (simulator.cpu - server) / seconds
                found["uss_kib_after"] = float(unique_kib(client.pid))
                cpu = cpu_seconds(client.pid)
                found["burst_s"] = burst(simulator, client, variant, bots, Path(directory))
                found["burst_cpu_s"] = cpu_seconds(client.pid) - cpu
                found["uss_kib_after_burst"] = float(unique_kib(client.pid))
            return found
        finally:
            client.process.terminate()
            client.process.wait()


def burst(simulator: Simulator, client: RunningClient, variant: Variant, bots: int, directory: Path) -> float:
    """Seconds from a message to every bot until all of them are stored or handled."""
    started = time.time()
    simulator.control("/updates", {"text": "to everyone"})
    if variant.family != "rookery":
        received: float = client.read()["received"]
        return received - started
    # From outside, so that the measured process has nothing else to do; what is seen here is committed.
    log = sqlite3.connect(f"file:{directory}/rookery.db?mode=ro", uri=True)
    try:
        wait_for(
            lambda: log.execute("SELECT count(*) FROM events WHERE type = 'message'").fetchone()[0] == bots, 60, 0.005
        )
        return time.time() - started
    finally:
        log.close()


def main() -> None:
    options = parse()
    raise_file_limit()
    results: dict[str, Any] = {}
    rows = []
    for variant in VARIANTS:
        if variant.family not in options.clients:
            continue
        counts = options.bots if variant.family == "rookery" else [n for n in options.bots if n <= options.peers_up_to]
        with Simulator() as simulator:
            baseline = measure(simulator, variant, 1, options)["uss_kib"]
        results[variant.name] = {"baseline_kib": baseline}
        for bots in counts:
            with Simulator() as simulator:
                found = measure(simulator, variant, bots, options)
            found["kib_per_bot"] = (found["uss_kib_after"] - baseline) / (bots - 1)
            found["kib_per_bot_after_burst"] = (found["uss_kib_after_burst"] - baseline) / (bots - 1)
            results[variant.name][str(bots)] = found
            rows.append(
                [
                    variant.name,
                    f"{bots:,}",
                    f"{found['kib_per_bot']:,.0f}",
                    f"{found['kib_per_bot_after_burst']:,.0f}",
                    f"{baseline / 1024:.1f}",
                    f"{found['uss_kib_after'] / 1024:.1f}",
                    f"{found['cpu_percent']:.2f}",
                    f"{found['connected_s']:.1f}",
                    f"{found['burst_s']:.2f}",
                    f"{found['burst_cpu_s']:.2f}",
                ]
            )
            print(f"{variant.name}, {bots} bots: {json.dumps({k: round(v, 3) for k, v in found.items()})}", flush=True)
    table(
        "Idle bots in one process (50 s poll)",
        [
            "client",
            "bots",
            "KiB per bot",
            "after a message each",
            "MiB with one bot",
            "MiB with",
            "CPU % of a core",
            "s until all poll",
            "s message to all",
            "its CPU s",
        ],
        rows,
    )
    if options.save:
        path = RESULTS / "idle.json"
        kept = json.loads(path.read_text())["clients"] if path.exists() else {}
        save("idle", {"title": "Idle bots in one process", "clients": kept | results})


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bots", type=int, nargs="*", default=[200, 1000])
    parser.add_argument("--peers-up-to", type=int, default=1000, help="do not run the peers with more bots than this")
    parser.add_argument("--settle", type=float, default=5, help="seconds before the measurement begins")
    parser.add_argument("--window", type=float, default=55, help="seconds of the CPU measurement")
    parser.add_argument("--clients", nargs="*", default=["rookery", "aiogram", "ptb"])
    parser.add_argument("--peers", type=Path, default=DEFAULT_PEERS, help="the Python that has the peers")
    parser.add_argument("--data", type=Path, help="where Rookery's database is put (default: the temporary directory)")
    parser.add_argument(
        "--save", action="store_true", help="keep the figures in bench/results, with those of other clients"
    )
    options = parser.parse_args()
    if options.data:
        options.data = options.data.absolute()
    return options


if __name__ == "__main__":
    main()
