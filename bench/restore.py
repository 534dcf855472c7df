"""How long 1,000 bots take to come back and to leave: `python bench/restore.py`.

A host program with `open_engine` and default settings, in a process of its own, on a database that holds the sessions:
from its start until every session is stored as CONNECTED and the server holds a poll of each; then SIGTERM until the
process has ended. After each shutdown the exit code, `enabled` and the stored statuses are checked.
"""

from __future__ import annotations

import argparse
import json
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lab.processes import RunningClient, Simulator, cpu_seconds, raise_file_limit
from lab.report import save, spread, table


def connected(log: sqlite3.Connection) -> int:
    """Sessions that are stored as CONNECTED."""
    try:
        return int(log.execute("SELECT count(*) FROM sessions WHERE status = 'CONNECTED'").fetchone()[0])
    except sqlite3.OperationalError:  # the tables are not there yet
        return 0


def await_all(simulator: Simulator, client: RunningClient, directory: str, bots: int) -> tuple[float, float]:
    """When all were stored as CONNECTED, and when all polled (unix times)."""
    while not Path(directory, "rookery.db").exists():
        time.sleep(0.01)
    log = sqlite3.connect(f"file:{directory}/rookery.db?mode=ro", uri=True)
    stored = polling = 0.0
    until = time.monotonic() + 120
    while not (stored and polling):
        if time.monotonic() > until or client.process.poll() is not None:
            raise SystemExit("the sessions did not connect")
        if not stored and connected(log) == bots:
            stored = time.time()
        if stored and simulator.control("/stats")["polls_in_flight"] == bots:
            polling = time.time()
        time.sleep(0.02)
    log.close()
    return stored, polling


def stop(client: RunningClient) -> tuple[float, int]:
    """Seconds from SIGTERM to the end of the process, and its exit code."""
    started = time.monotonic()
    client.process.send_signal(signal.SIGTERM)
    code = client.process.wait(60)
    return time.monotonic() - started, code


def once(simulator: Simulator, directory: str, bots: int, tokens: list[str]) -> dict[str, float]:
    """Start, wait for all, stop, check."""
    client = RunningClient(sys.executable, "rookery_host.py", [simulator.url, directory])
    client.tell(json.dumps(tokens))
    opened = client.read()["opened"]
    stored, polling = await_all(simulator, client, directory, bots)
    cpu = cpu_seconds(client.pid)
    time.sleep(1)
    seconds, code = stop(client)
    with sqlite3.connect(f"file:{directory}/rookery.db?mode=ro", uri=True) as log:
        rows = log.execute("SELECT enabled, status, reason, owner FROM sessions").fetchall()
    left = {(status, reason, owner) for _, status, reason, owner in rows}
    if code != 0 or len(rows) != bots or not all(row[0] for row in rows):
        raise SystemExit(f"exit code {code}, {sum(bool(row[0]) for row in rows)} of {bots} are enabled")
    if left != {("DISCONNECTED", "SHUTDOWN", None)}:
        raise SystemExit(f"statuses after the end: {left}")
    return {
        "open_s": opened - client.started_at,
        "connected_s": stored - client.started_at,
        "from_open_s": stored - opened,
        "polling_s": polling - client.started_at,
        "cpu_s": cpu,
        "shutdown_s": seconds,
    }


def main() -> None:
    options = parse()
    raise_file_limit()
    with Simulator() as simulator, tempfile.TemporaryDirectory(dir=options.data) as directory:
        created = once(simulator, directory, options.bots, simulator.new_bots(options.bots))
        runs = [once(simulator, directory, options.bots, []) for _ in range(options.repeat)]
        # The server also counts a conflict with a poll whose client has left; only an answer is seen by anybody.
        conflicts = sum(bot["errors"].get("409", 0) for bot in simulator.control("/bots"))
    names = {
        "open_s": "process start to engine open",
        "from_open_s": "engine open to all CONNECTED (stored)",
        "connected_s": "process start to all CONNECTED (stored)",
        "polling_s": "process start to all polling",
        "cpu_s": "CPU of it",
        "shutdown_s": "SIGTERM to the end of the process",
    }
    rows = [[label, spread([run[key] for run in runs], ".2f"), f"{created[key]:.2f}"] for key, label in names.items()]
    title = f"{options.bots:,} bots: restore and shutdown, seconds"
    note = f"{len(runs)} restores; each exit code 0, all still enabled, all DISCONNECTED/SHUTDOWN; 409 answers: {conflicts}"
    table(title, ["", "restored: median (range)", "first start, creating them"], rows, note)
    if options.save:
        result: dict[str, Any] = {"title": title, "bots": options.bots, "runs": runs, "created": created}
        result["median"] = {key: statistics.median(run[key] for run in runs) for key in names}
        save("restore", result | {"conflicts": conflicts})


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bots", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--data", type=Path, help="where the database is put (default: the temporary directory)")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    options = parser.parse_args()
    if options.data:
        options.data = options.data.absolute()
    return options


if __name__ == "__main__":
    main()
