"""Several `rookery serve` on one PostgreSQL under chaos: `python bench/cluster.py --minutes 5`.

Real processes share the bots of a simulator while people write and programs send. At random moments one process

- gets kill -9 or SIGTERM and is started again,
- has its way to PostgreSQL stalled, in both directions, for longer or for less than its leases last,
- is frozen with SIGSTOP for longer than its leases last, and goes on.

In the middle PostgreSQL is restarted, and the clock of the first process is wrong all the time. The server saw every
getUpdates, so it knows how long each bot was without one, and whether two ever overlapped. At the end every text must be in
the event log once and in order, no message may have left twice, and no send may be on its way for ever.
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
from typing import Any, NamedTuple

from lab.cluster import (
    ZEROS,
    Freeze,
    People,
    Programs,
    Server,
    bots_of,
    check,
    longest_gap,
    settle,
    wait_until_back,
)
from lab.postgres import DURABLE, private_server
from lab.processes import Simulator, raise_file_limit
from lab.report import percentile, save, table
from lab.tcp_proxy import TcpProxy

DATABASE_DOWN = 3.0
CRASH_LIMIT, STOP_LIMIT = 30.0, 2.0
"""Seconds after which every session has to be back."""

KILL, STOP, STALL, SHORT_STALL, FREEZE, DATABASE = "kill -9", "SIGTERM", "stall", "short stall", "freeze", "PostgreSQL"
KINDS = (KILL, STOP, STALL, SHORT_STALL, FREEZE)
LEASE = 15.0
"""Seconds that a lease lasts by default."""

LASTS = {STALL: (1.6, 1.6), SHORT_STALL: (0.05, 0.8), FREEZE: (1.2, 1.8)}
"""From how long to how long, in leases: a stall of 24 s outlasts the leases of 15 s."""

QUICK_LEASE = 4.0
QUICK = {
    "ROOKERY_LEASE_TTL": f"{QUICK_LEASE:g}",
    "ROOKERY_LEASE_RENEW_INTERVAL": "0.8",
    "ROOKERY_LEASE_MARGIN": "1",
    "ROOKERY_CLUSTER_POLL_INTERVAL": "0.5",
    "ROOKERY_REBALANCE_INTERVAL": "1",
}


class Blow(NamedTuple):
    """Something that happened to a process, and the bots that it ran. `until`: when all of them were back, about."""

    kind: str
    at: float
    bots: list[str]
    until: float


class Chaos:
    """Strikes until the time is over and each kind has struck; one proxy for each server."""

    def __init__(
        self, options: argparse.Namespace, simulator: Simulator, database: Any, proxies: list[TcpProxy]
    ) -> None:
        self._options = options
        self._simulator = simulator
        self._database = database
        self._proxies = proxies
        self._rng = random.Random(options.seed)
        self.blows: list[Blow] = []
        self.exit_codes: Counter[int] = Counter()

    @property
    def freezes(self) -> list[Freeze]:
        """Those so far."""
        return [Freeze(blow.at, blow.bots) for blow in self.blows if blow.kind == FREEZE]

    def run(self, servers: list[Server], tokens: dict[str, str]) -> None:
        started = time.monotonic()
        ends = started + self._options.minutes * 60
        restart_at = started + self._options.minutes * 30
        kinds: list[str] = []
        while time.monotonic() < ends or {*KINDS, DATABASE} - {blow.kind for blow in self.blows}:
            time.sleep(self._rng.uniform(*self._options.pause))
            if time.monotonic() >= restart_at:
                restart_at = float("inf")
                self._restart_database(tokens)
                continue
            kinds = kinds or self._rng.sample(KINDS, len(KINDS))
            busy = [n for n, server in enumerate(servers) if bots_of(self._database.url, server.process)]
            told = self._strike(kinds.pop(), self._rng.choice(busy), servers, tokens)
            print(f"[{time.monotonic() - started:4.0f} s] {told}", flush=True)

    def _strike(self, kind: str, number: int, servers: list[Server], tokens: dict[str, str]) -> str:
        """Strike one process, wait until its bots are back and it works again; returns a line about it."""
        server, seconds = servers[number], self._seconds(kind)
        if kind == FREEZE:
            blow = self._freeze(server, seconds, tokens)
        elif kind in (STALL, SHORT_STALL):
            blow = self._stall(kind, server, self._proxies[number], seconds, tokens)
        else:
            blow = self._end(kind, server, tokens)
        self.blows.append(blow)
        lasted = f" for {seconds:.1f} s" if seconds else ""
        back = f"back after {blow.until - blow.at:.1f} s or less"
        return f"{kind}{lasted} of process {number} with {len(blow.bots)} bots; {back}"

    def _seconds(self, kind: str) -> float:
        if kind not in LASTS:
            return 0.0
        return self._rng.uniform(*LASTS[kind]) * (QUICK_LEASE if self._options.quick else LEASE)

    def _end(self, kind: str, server: Server, tokens: dict[str, str]) -> Blow:
        bots = bots_of(self._database.url, server.process)
        at = time.time()
        server.process.send_signal(signal.SIGKILL if kind == KILL else signal.SIGTERM)
        until = wait_until_back(self._simulator, tokens, bots)
        code = server.process.wait(30)
        if kind == STOP:
            self.exit_codes[code] += 1
        server.start()
        server.wait_until_up()
        return Blow(kind, at, bots, until)

    def _stall(self, kind: str, server: Server, proxy: TcpProxy, seconds: float, tokens: dict[str, str]) -> Blow:
        at = time.time()
        proxy.set("stall")
        bots = bots_of(self._database.url, server.process)
        time.sleep(seconds)
        proxy.set("up")
        return Blow(kind, at, bots, wait_until_back(self._simulator, tokens, bots))

    def _freeze(self, server: Server, seconds: float, tokens: dict[str, str]) -> Blow:
        """The others have to take over while it is frozen."""
        server.process.send_signal(signal.SIGSTOP)
        at = time.time()
        try:
            bots = bots_of(self._database.url, server.process)
            until = wait_until_back(self._simulator, tokens, bots)
            time.sleep(max(0.0, at + seconds - time.time()))
        finally:
            server.process.send_signal(signal.SIGCONT)
        return Blow(FREEZE, at, bots, until)

    def _restart_database(self, tokens: dict[str, str]) -> None:
        at = time.time()
        self._database.stop()
        time.sleep(DATABASE_DOWN)
        self._database.start()
        up = time.time()
        until = wait_until_back(self._simulator, tokens, list(tokens))
        self.blows.append(Blow(DATABASE, at, list(tokens), until))
        print(f"PostgreSQL was away for {up - at:.1f} s; every bot was asked for after {until - up:.1f} s", flush=True)


def main() -> None:
    options = parse()
    raise_file_limit()
    more = QUICK if options.quick else {}
    with (
        Simulator() as simulator,
        private_server(*DURABLE) as database,
        tempfile.TemporaryDirectory() as directory,
    ):
        tokens = {f"bot{n:04}": token for n, token in enumerate(simulator.new_bots(options.bots))}
        proxies = [TcpProxy(database.port) for _ in range(options.processes)]
        ways = [f"postgresql://rookery@127.0.0.1:{proxy.port}/postgres" for proxy in proxies]
        servers = [
            Server(ways[n], simulator, Path(directory), n, more, options.skew if n == 0 else 0.0)
            for n in range(options.processes)
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
            times: dict[str, list[float]] = {kind: [] for kind in (*KINDS, DATABASE)}
            polls = {id: simulator.polls(token) for id, token in tokens.items()}
            for blow in chaos.blows:
                frozen = blow.kind == FREEZE
                each = [longest_gap(polls[id], blow.at, blow.until, frozen=frozen) for id in blow.bots]
                times[blow.kind] += each
                if each:
                    print(f"{blow.kind}, {len(each)} bots: p50 {percentile(each, 0.5):.2f} s, max {max(each):.2f} s")
        finally:
            for server in servers:
                server.process.terminate()
            for server in servers:
                server.process.wait(30)
            for proxy in proxies:
                proxy.close()
            if options.logs:
                for log in sorted(Path(directory).glob("log*")):
                    print(f"--- {log.name}\n{log.read_text()[-6000:]}")
    sys.exit(report(options, chaos, found, times))


def report(options: argparse.Namespace, chaos: Chaos, found: dict[str, int], times: dict[str, list[float]]) -> int:
    """Print, save, and judge."""
    title = (
        f"{options.processes} processes, {options.bots} bots, {options.rate:g} updates/s, {options.sends:g} sends/s, "
        f"{options.minutes:g} minutes" + (f", one clock {options.skew:+g} s" if options.skew else "")
    )
    found["clocks_wrong"] = int(bool(options.skew))
    names = {
        "pushed": "updates",
        "stored": "stored",
        "lost": "lost",
        "twice": "twice",
        "out_of_order": "bots out of order",
        "overlaps": "polls that met",
        "conflicts": "409 answers",
        "clocks_wrong": "clocks wrong",
    }
    table(
        title,
        list(names.values()),
        [[found[name] for name in names]],
        "Besides, others began to poll while a frozen process still held its poll: "
        f"{found['overlaps_of_frozen']} met, {found['conflicts_of_frozen']} ended with a 409. "
        f"Exit codes after SIGTERM: {dict(chaos.exit_codes)}.",
    )
    names = {
        "accepted": "sends",
        "sent_twice": "twice",
        "sent_lost": "sent, not seen",
        "sent_queued": "still queued",
        "sent_sending": "still sending",
        "sent_unknown": "told as unknown",
        "sent_failed": "told as failed",
    }
    table("Sends", list(names.values()), [[found[name] for name in names]])
    lines, figures = [], {}
    for kind, each in times.items():
        blows = sum(blow.kind == kind for blow in chaos.blows)
        if each:
            figures[kind] = {
                "blows": blows,
                "bots": len(each),
                **{f"p{share}": percentile(each, share / 100) for share in (50, 95)},
                "max": max(each),
            }
            lines.append([kind, blows, len(each), *[f"{figures[kind][name]:.2f}" for name in ("p50", "p95", "max")]])
    table(
        "Seconds that a bot of the struck process was without a poll", ["", "times", "bots", "p50", "p95", "max"], lines
    )
    if options.save:
        save("cluster", {"title": title, "counts": found, "takeover": figures})
    if options.json:
        options.json.write_text(json.dumps({"counts": found, "takeover": figures, "exits": dict(chaos.exit_codes)}))
    wrong = [name for name in ZEROS if found[name]]
    for kind, gaps in times.items():
        limit = STOP_LIMIT if kind == STOP else CRASH_LIMIT
        if any(gap > limit for gap in gaps):
            wrong.append(f"{kind}: a bot was without a poll for longer than {limit:g} s")
    if set(chaos.exit_codes) - {0}:
        wrong.append("a planned stop ended with an error")
    print("Wrong: " + ", ".join(wrong) if wrong else "All as it should be.")
    return 1 if wrong else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--bots", type=int, default=300)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--rate", type=float, default=100, help="updates a second, over all bots")
    parser.add_argument("--sends", type=float, default=10, help="sends a second, over all bots")
    parser.add_argument("--pause", type=float, nargs=2, default=(2.0, 8.0), help="seconds between two blows, at random")
    parser.add_argument(
        "--skew",
        type=float,
        default=60.0,
        help="seconds that the first process's clock is ahead; 0: none (else libfaketime is needed)",
    )
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--quick", action="store_true", help="short leases, for a short run")
    parser.add_argument("--logs", action="store_true", help="show what the servers logged")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
