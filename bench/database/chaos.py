"""The way to the database under chaos: `python bench/database/chaos.py --minutes 20`.

Several `rookery serve` share the bots of a simulator, each with a TCP proxy between itself and PostgreSQL. One after the
other the way of one instance or of all is cut, stalled or delayed, a process is stopped with SIGSTOP, every backend is
ended with `pg_terminate_backend`, and half-way the primary is gone and its standby takes over. At the end every text must
be in the event log once and in order, no message may have left twice, and no two polls of a bot may have met.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab.cluster import (
    BACK_TIMEOUT,
    ZEROS,
    Freeze,
    People,
    Programs,
    Server,
    bots_of,
    check,
    rows,
    settle,
    wait_until_back,
)
from lab.processes import Simulator, raise_file_limit
from lab.report import save, table
from lab.standby import Pair, primary_and_standby
from lab.tcp_proxy import TcpProxy

KINDS = (
    "cut, one instance",
    "cut, all instances",
    "stall, one instance",
    "stall, all instances",
    "delay, one instance",
    "delay, all instances",
    "SIGSTOP",
    "pg_terminate_backend",
)
FAILOVER = "failover to the standby"
SECONDS = (2.0, 8.0, 20.0)
"""How long a fault lasts; a lease is good for 15."""


class Chaos:
    """Strikes until the time is over; each time every bot has to come back."""

    def __init__(
        self, options: argparse.Namespace, simulator: Simulator, database: Pair, proxies: list[TcpProxy]
    ) -> None:
        self._options = options
        self._simulator = simulator
        self._database = database
        self._proxies = proxies
        self._rng = random.Random(options.seed)
        self.recoveries: dict[str, list[float]] = {kind: [] for kind in (*KINDS, FAILOVER)}
        self.freezes: list[Freeze] = []

    def run(self, servers: list[Server], tokens: dict[str, str]) -> None:
        started = time.monotonic()
        ends, failover_at = started + 60 * self._options.minutes, started + 30 * self._options.minutes
        kinds: list[str] = []
        while time.monotonic() < ends:
            time.sleep(self._rng.uniform(1.0, 4.0))
            if time.monotonic() >= failover_at:
                failover_at, kind = float("inf"), FAILOVER
            else:
                kinds = kinds or self._rng.sample(KINDS, len(KINDS))
                kind = kinds.pop()
            seconds = self._strike(kind, servers)
            healed = time.time()
            until = wait_until_back(self._simulator, tokens, list(tokens))
            self.recoveries[kind].append(until - healed)
            print(
                f"[{time.monotonic() - started:4.0f} s] {kind} for {seconds:.0f} s; every bot was back after "
                f"{until - healed:.1f} s",
                flush=True,
            )

    def _strike(self, kind: str, servers: list[Server]) -> float:
        seconds = self._rng.choice(SECONDS)
        one = self._rng.randrange(len(servers))
        if kind == FAILOVER:
            return self._fail_over()
        if kind == "pg_terminate_backend":
            self._database.terminate_backends()
            return 0.0
        if kind == "SIGSTOP":
            servers[one].process.send_signal(signal.SIGSTOP)
            at = time.time()
            self.freezes.append(Freeze(at, bots_of(self._database.url, servers[one].process)))
            time.sleep(max(0.0, at + seconds - time.time()))
            servers[one].process.send_signal(signal.SIGCONT)
            return seconds
        mode, _, whom = kind.partition(", ")
        hit = self._proxies if whom == "all instances" else [self._proxies[one]]
        for proxy in hit:
            proxy.set(mode)
        time.sleep(seconds)
        for proxy in hit:
            proxy.set("up")
        return seconds

    def _fail_over(self) -> float:
        began = time.monotonic()
        self._database.fail_over()
        for proxy in self._proxies:
            proxy.target = self._database.current.port
            proxy.set("cut")
            proxy.set("up")
        return time.monotonic() - began


def main() -> None:
    options = parse()
    raise_file_limit()
    with (
        Simulator() as simulator,
        primary_and_standby() as database,
        tempfile.TemporaryDirectory() as directory,
    ):
        tokens = {f"bot{n:04}": token for n, token in enumerate(simulator.new_bots(options.bots))}
        proxies = [TcpProxy(database.current.port) for _ in range(options.processes)]
        servers = [
            Server(f"postgresql://rookery@127.0.0.1:{proxy.port}/postgres", simulator, Path(directory), n, {}, skew=0.0)
            for n, proxy in enumerate(proxies)
        ]
        chaos = Chaos(options, simulator, database, proxies)
        try:
            for server in servers:
                server.wait_until_up()
            for n, (id, token) in enumerate(tokens.items()):
                body = {"id": id, "platform": "telegram", "credentials": {"token": token}}
                servers[n % len(servers)].call("POST", "/v1/sessions", body)
            wait_until_back(simulator, tokens, list(tokens))
            people = People(simulator, tokens, options.rate)
            programs = Programs(servers, list(tokens), options.sends)
            people.start()
            programs.start()
            chaos.run(servers, tokens)
            for thread in (programs, people):
                thread.ended.set()
                thread.join()
            settle(database.url, simulator)
            found = check(database.url, simulator, tokens, people, programs, chaos.freezes)
            found["disabled"] = rows(database.url, "SELECT count(*) FROM rookery.sessions WHERE NOT enabled")[0][0]
            states = Counter(row[0] for row in rows(database.url, "SELECT status FROM rookery.sessions"))
        finally:
            for server in servers:
                server.process.send_signal(signal.SIGCONT)
                server.process.terminate()
            for server in servers:
                server.process.wait(30)
            for proxy in proxies:
                proxy.close()
            if options.logs:
                for log in sorted(Path(directory).glob("log*")):
                    print(f"--- {log.name}\n{log.read_text()[-6000:]}")
    sys.exit(report(options, chaos, found, states))


def report(options: argparse.Namespace, chaos: Chaos, found: dict[str, Any], states: Counter[str]) -> int:
    """Print, save, and judge."""
    title = (
        f"{options.processes} processes, {options.bots} bots, {options.rate:g} updates/s, {options.sends:g} sends/s, "
        f"{options.minutes:g} minutes of faults between them and PostgreSQL"
    )
    table(
        title,
        ["updates", "stored", "lost", "twice", "bots out of order", "polls that met", "disabled"],
        [[found[n] for n in ("pushed", "stored", "lost", "twice", "out_of_order", "overlaps", "disabled")]],
        f"Sends accepted {found['accepted']}; left twice {found['sent_twice']}, sent but not seen {found['sent_lost']}, "
        f"still queued or sending {found['sent_queued'] + found['sent_sending']}, told as unknown {found['sent_unknown']}. "
        f"Polls of frozen processes that "
        f"others met: {found['overlaps_of_frozen']}. Sessions at the end: {dict(states)}.",
    )
    lines = [
        [kind, len(each), f"{sorted(each)[len(each) // 2]:.1f}", f"{max(each):.1f}"]
        for kind, each in chaos.recoveries.items()
        if each
    ]
    table("Seconds from the end of a fault until every bot had polled again", ["", "times", "median", "longest"], lines)
    figures = {"title": title, "counts": found, "recoveries": chaos.recoveries, "states": states}
    if options.save:
        save("chaos", figures)
    if options.json:
        options.json.write_text(json.dumps(figures))
    wrong = [name for name in (*ZEROS, "disabled") if found[name]]
    if set(states) != {"CONNECTED"}:
        wrong.append("not every session is connected")
    print("Wrong: " + ", ".join(wrong) if wrong else "All as it should be.")
    return 1 if wrong else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--bots", type=int, default=30)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--rate", type=float, default=20, help="updates a second, over all bots")
    parser.add_argument("--sends", type=float, default=5, help="sends a second, over all bots")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--logs", action="store_true", help="show what the servers logged")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    return parser.parse_args()


if __name__ == "__main__":
    assert BACK_TIMEOUT > 60.0, "a bot may wait for a lease and for a backoff"
    main()
