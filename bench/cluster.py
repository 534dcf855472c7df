"""Several `rookery serve` on one PostgreSQL under chaos: `python bench/cluster.py --minutes 5`.

Real processes share the bots of a simulator while people write and programs send. At random moments one process gets
kill -9 or SIGTERM and is started again; in the middle PostgreSQL is restarted; with `--skew` the clock of the first process
is wrong. The server saw every getUpdates, so it knows how long each bot was without one, and whether two ever overlapped. At
the end every text must be in the event log once and in order, and no message may have left twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from lab.postgres import DURABLE, private_server
from lab.processes import Simulator, raise_file_limit
from lab.report import percentile, save, table

START_TIMEOUT = 60.0
BACK_TIMEOUT = 90.0
DATABASE_DOWN = 3.0
CRASH_LIMIT, STOP_LIMIT = 30.0, 2.0
"""Seconds after which every session has to be back."""

QUICK = {
    "ROOKERY_LEASE_TTL": "4",
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


def wrong_clock(skew: float) -> dict[str, str]:
    """What makes a program's wall clock wrong. Not the command `faketime`: that would get its signals."""
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        raise SystemExit("--skew needs libfaketime (Debian: faketime)")
    return {"LD_PRELOAD": str(libraries[0]), "FAKETIME": f"{skew:+g}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


class Server:
    """One `rookery serve`."""

    def __init__(
        self, url: str, simulator: Simulator, directory: Path, number: int, more: dict[str, str], skew: float
    ) -> None:
        self._environment = os.environ | more
        self._environment |= {
            "DATABASE_URL": url,
            "ROOKERY_SECRET_KEY": "a key for a benchmark",
            "ROOKERY_TELEGRAM_API_URL": simulator.url,
            "ROOKERY_DATA_DIR": str(directory / f"data{number}"),
            "ROOKERY_PORT": "0",
            "LOG_LEVEL": "WARNING",
        }
        if skew:
            self._environment |= wrong_clock(skew)
        self._log = (directory / f"log{number}").open("ab")
        self.start()

    def start(self) -> None:
        """Returns at once."""
        self.url = ""
        program = "import sys; from rookery_http.cli import main; sys.exit(main())"
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, "serve"],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if "listens on" in line:
                self.url = line.split()[-1]

    def wait_until_up(self) -> None:
        until = time.monotonic() + START_TIMEOUT
        while not self.url:
            if self.process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"a server did not start ({self.process.returncode}): see {self._log.name}")
            time.sleep(0.02)

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """One request of its API. Raises OSError."""
        data = None if body is None else json.dumps(body).encode()
        names = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        request = urllib.request.Request(self.url + path, data, names, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


class People(threading.Thread):
    """Write numbered texts to every bot in turn, `rate` a second in all."""

    def __init__(self, simulator: Simulator, tokens: dict[str, str], rate: float) -> None:
        super().__init__(daemon=True)
        self._simulator, self._tokens, self._rate = simulator, tokens, rate
        self.ended = threading.Event()
        self.written: Counter[str] = Counter()

    def run(self) -> None:
        started, total, ids = time.monotonic(), 0, list(self._tokens)
        while not self.ended.is_set():
            while total < (time.monotonic() - started) * self._rate:
                id = ids[total % len(ids)]
                self.written[id] += 1
                text = {"text": str(self.written[id]), "chat_id": 7}
                self._simulator.control(f"/bots/{self._tokens[id]}/updates", text)
                total += 1
            time.sleep(0.01)


class Programs(threading.Thread):
    """Send numbered texts through a random server, `rate` a second, each until one accepts it, under one key."""

    def __init__(self, servers: list[Server], ids: list[str], rate: float) -> None:
        super().__init__(daemon=True)
        self._servers, self._ids, self._rate = servers, ids, rate
        self.ended = threading.Event()
        self.accepted: dict[str, str] = {}  # text: message id

    def run(self) -> None:
        rng, number, started = random.Random(7), 0, time.monotonic()
        while not self.ended.is_set():
            if number >= (time.monotonic() - started) * self._rate:
                time.sleep(0.02)
                continue
            number += 1
            body = {"to": "8", "text": f"n{number}"}
            path = f"/v1/sessions/{rng.choice(self._ids)}/messages"
            while not self.ended.is_set():
                server = rng.choice(self._servers)
                try:
                    message = server.call("POST", path, body, Idempotency_Key=f"k{number}")
                except (OSError, ValueError):
                    time.sleep(0.05)
                else:
                    self.accepted[body["text"]] = message["id"]
                    break


def rows(url: str, sql: str) -> list[Any]:
    """Ask the database itself."""

    async def ask() -> list[Any]:
        connection = await asyncpg.connect(url)
        try:
            found: list[Any] = await connection.fetch(sql)
            return found
        finally:
            await connection.close()

    return asyncio.run(ask())


def bots_of(url: str, process: subprocess.Popen[str]) -> list[str]:
    """The sessions of a process, whose number is in its instance's name."""
    sql = f"SELECT id FROM rookery.sessions WHERE owner LIKE '%:{process.pid}:%'"
    return [row[0] for row in rows(url, sql)]


def wait_until_back(simulator: Simulator, tokens: dict[str, str], bots: list[str]) -> float:
    """Until each of these has begun a new poll since now and holds it or has been answered; returns the time."""
    before = {id: simulator.control(f"/bots/{tokens[id]}")["polls"] for id in bots}
    until, left = time.monotonic() + BACK_TIMEOUT, list(bots)
    while left:
        if time.monotonic() > until:
            raise SystemExit(f"{len(left)} bots did not come back: {left[:5]}")
        time.sleep(0.2)
        left = [id for id in left if simulator.control(f"/bots/{tokens[id]}")["polls"] <= before[id]]
    return time.time()


class Chaos:
    """Strikes until the time is over."""

    def __init__(self, options: argparse.Namespace, simulator: Simulator, database: Any) -> None:
        self._options = options
        self._simulator = simulator
        self._database = database
        self._rng = random.Random(options.seed)
        self.blows: list[Blow] = []
        self.exit_codes: Counter[int] = Counter()

    def run(self, servers: list[Server], tokens: dict[str, str]) -> None:
        started = time.monotonic()
        ends = started + self._options.minutes * 60
        restart_at = started + self._options.minutes * 30
        kinds = ["kill -9", "SIGTERM"]
        while time.monotonic() < ends:
            time.sleep(self._rng.uniform(*self._options.pause))
            if restart_at is not None and time.monotonic() >= restart_at:
                restart_at = float("inf")
                self._restart_database(tokens)
                continue
            kinds = kinds or ["kill -9", "SIGTERM"]
            kind = kinds.pop(self._rng.randrange(len(kinds)))
            self._strike(kind, self._rng.choice(servers), tokens)
            print(f"[{time.monotonic() - started:4.0f} s] {self._told()}", flush=True)

    def _told(self) -> str:
        blow = self.blows[-1]
        return f"{blow.kind} of a process with {len(blow.bots)} bots; back after {blow.until - blow.at:.1f} s or less"

    def _strike(self, kind: str, server: Server, tokens: dict[str, str]) -> None:
        bots = bots_of(self._database.url, server.process)
        at = time.time()
        server.process.send_signal(signal.SIGKILL if kind == "kill -9" else signal.SIGTERM)
        until = wait_until_back(self._simulator, tokens, bots)
        code = server.process.wait(30)
        if kind == "SIGTERM":
            self.exit_codes[code] += 1
        self.blows.append(Blow(kind, at, bots, until))
        server.start()
        server.wait_until_up()

    def _restart_database(self, tokens: dict[str, str]) -> None:
        at = time.time()
        self._database.stop()
        time.sleep(DATABASE_DOWN)
        self._database.start()
        up = time.time()
        until = wait_until_back(self._simulator, tokens, list(tokens))
        self.blows.append(Blow("PostgreSQL", at, list(tokens), until))
        print(f"PostgreSQL was away for {up - at:.1f} s; every bot was asked for after {until - up:.1f} s", flush=True)


def gaps(simulator: Simulator, tokens: dict[str, str], blow: Blow) -> list[float]:
    """For each bot the longest time without a poll from the blow until it was back."""
    found = []
    for id in blow.bots:
        longest, free_since = 0.0, None
        for poll in simulator.polls(tokens[id]):
            ended = poll["ended_at"] if poll["ended_at"] is not None else float("inf")
            if poll["arrived_at"] > blow.until + 1.0:
                break
            if ended >= blow.at and free_since is not None and poll["arrived_at"] > max(free_since, blow.at):
                longest = max(longest, poll["arrived_at"] - max(free_since, blow.at))
            free_since = max(free_since or 0.0, ended)
        found.append(longest)
    return found


def overlaps(simulator: Simulator, tokens: dict[str, str]) -> int:
    """Polls that began while another one of the same bot was in flight."""
    count = 0
    for token in tokens.values():
        busy_until = 0.0
        for poll in simulator.polls(token):
            count += poll["arrived_at"] < busy_until
            busy_until = max(busy_until, poll["ended_at"] if poll["ended_at"] is not None else float("inf"))
    return count


def check(url: str, simulator: Simulator, tokens: dict[str, str], people: People, programs: Programs) -> dict[str, int]:
    """Compare the event log with what was written, and what the platform got with what was accepted."""
    logged: dict[str, list[int]] = {id: [] for id in tokens}
    for row in rows(url, "SELECT session, body FROM rookery.events WHERE type = 'message' ORDER BY id"):
        logged[row[0]].append(int(json.loads(row[1])["text"]))
    found: dict[str, int] = Counter({"pushed": sum(people.written.values())})
    sent: Counter[str] = Counter()
    for id, token in tokens.items():
        numbers = logged[id]
        found["stored"] += len(numbers)
        found["lost"] += len(set(range(1, people.written[id] + 1)) - set(numbers))
        found["twice"] += len(numbers) - len(set(numbers))
        found["out_of_order"] += numbers != sorted(numbers)
        found["conflicts"] += simulator.control(f"/bots/{token}")["errors"].get("409", 0)
        sent.update(message["text"] for message in simulator.sent(token))
    states = Counter(row[0] for row in rows(url, "SELECT state FROM rookery.messages"))
    known = {row[0]: row[1] for row in rows(url, "SELECT id, state FROM rookery.messages")}
    found["accepted"] = len(programs.accepted)
    found["sent_twice"] = sum(count > 1 for count in sent.values())
    found["sent_unknown"] = states["unknown"]
    found["sent_lost"] = sum(known.get(id) == "sent" and not sent[text] for text, id in programs.accepted.items())
    found["sent_unfinished"] = states["queued"] + states["sending"]
    found["overlaps"] = overlaps(simulator, tokens)
    return dict(found)


def settle(url: str, simulator: Simulator) -> None:
    """Until nothing waits any more, on either side."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        waiting = rows(url, "SELECT count(*) FROM rookery.messages WHERE state IN ('queued', 'sending')")[0][0]
        if not waiting and not simulator.control("/stats")["queued"]:
            return
        time.sleep(0.2)


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
        servers = [
            Server(database.url, simulator, Path(directory), n, more, options.skew if n == 0 else 0.0)
            for n in range(options.processes)
        ]
        chaos = Chaos(options, simulator, database)
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
            found = check(database.url, simulator, tokens, people, programs)
            times: dict[str, list[float]] = {kind: [] for kind in ("kill -9", "SIGTERM", "PostgreSQL")}
            for blow in chaos.blows:
                each = gaps(simulator, tokens, blow)
                times[blow.kind] += each
                if each:
                    print(f"{blow.kind}, {len(each)} bots: p50 {percentile(each, 0.5):.2f} s, max {max(each):.2f} s")
        finally:
            for server in servers:
                server.process.terminate()
            for server in servers:
                server.process.wait(30)
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
    table(
        title,
        ["updates pushed", "stored", "lost", "twice", "bots out of order", "409 answers", "overlapping polls"],
        [[found[n] for n in ("pushed", "stored", "lost", "twice", "out_of_order", "conflicts", "overlaps")]],
        f"Sends accepted {found['accepted']}; left twice {found['sent_twice']}, sent but not seen {found['sent_lost']}, "
        f"told as unknown {found['sent_unknown']}, unfinished {found['sent_unfinished']}. "
        f"Exit codes after SIGTERM: {dict(chaos.exit_codes)}.",
    )
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
    wrong = [
        name
        for name in (
            "lost",
            "twice",
            "out_of_order",
            "conflicts",
            "overlaps",
            "sent_twice",
            "sent_lost",
            "sent_unfinished",
        )
        if found[name]
    ]
    if any(gap > CRASH_LIMIT for gap in times["kill -9"]):
        wrong.append(f"a crash took longer than {CRASH_LIMIT:g} s")
    if any(gap > STOP_LIMIT for gap in times["SIGTERM"]):
        wrong.append(f"a planned stop took longer than {STOP_LIMIT:g} s")
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
        "--skew", type=float, default=0.0, help="seconds that the first process's clock is ahead (needs faketime)"
    )
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--quick", action="store_true", help="short leases, for a short run")
    parser.add_argument("--logs", action="store_true", help="show what the servers logged")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
