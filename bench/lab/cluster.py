"""Several `rookery serve` on one PostgreSQL: the processes, the traffic, and what has to be true at the end."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from .processes import Simulator

START_TIMEOUT = 60.0
BACK_TIMEOUT = 90.0
SEND_TIMEOUT = 3.0
"""Seconds after which a program asks another server."""

ARRIVAL = 0.5
"""Seconds within which a request that a process had sent before it was frozen reaches the simulator."""

ZEROS = (
    "lost",
    "twice",
    "out_of_order",
    "conflicts",
    "overlaps",
    "sent_twice",
    "sent_lost",
    "sent_queued",
    "sent_sending",
)
"""What `check` counts and nothing excuses."""


def wrong_clock(skew: float) -> dict[str, str]:
    """What makes a program's wall clock wrong. Not the command `faketime`: that would get its signals."""
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        raise SystemExit("--skew needs libfaketime (Debian: faketime); do without it with --skew 0")
    return {
        "LD_PRELOAD": str(libraries[0]),
        "FAKETIME": f"{skew:+g}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # Else the library spoils timed waits on the monotonic clock, and threads that wait for the GIL spin.
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    }


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

    def call(self, method: str, path: str, body: object = None, *, timeout: float = 10, **headers: str) -> Any:
        """One request of its API; `timeout` in seconds. Raises OSError."""
        data = None if body is None else json.dumps(body).encode()
        names = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        request = urllib.request.Request(self.url + path, data, names, method=method)
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.load(answer)


class Freeze(NamedTuple):
    """A process was stopped with SIGSTOP at this unix time while it ran these bots."""

    at: float
    bots: list[str]


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
                    message = server.call("POST", path, body, timeout=SEND_TIMEOUT, Idempotency_Key=f"k{number}")
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


def settle(url: str, simulator: Simulator) -> None:
    """Until nothing waits any more, on either side."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        waiting = rows(url, "SELECT count(*) FROM rookery.messages WHERE state IN ('queued', 'sending')")[0][0]
        if not waiting and not simulator.control("/stats")["queued"]:
            return
        time.sleep(0.2)


def longest_gap(polls: list[dict[str, Any]], since: float, until: float, *, frozen: bool) -> float:
    """The longest time of a bot, given its polls, without one from `since` until `until`, seconds. A poll that a process
    holds while it is frozen does not count."""
    longest, free_since = 0.0, None
    left = frozen_polls(polls, [since]) if frozen else set()
    for poll in polls:
        ended = poll["ended_at"] if poll["ended_at"] is not None else float("inf")
        if poll["number"] in left:
            ended = since
        if poll["arrived_at"] > until + 1.0:
            break
        if ended >= since and free_since is not None and poll["arrived_at"] > max(free_since, since):
            longest = max(longest, poll["arrived_at"] - max(free_since, since))
        free_since = max(free_since or 0.0, ended)
    return longest


def frozen_polls(polls: list[dict[str, Any]], frozen_at: list[float]) -> set[int]:
    """Numbers of the polls that were in flight when the process that held them was frozen.

    A frozen process cannot hang up: the server keeps its poll until somebody else polls, and ends it with a 409 that only
    the frozen process could read.
    """
    return {
        poll["number"]
        for poll in polls
        for at in frozen_at
        if poll["arrived_at"] <= at + ARRIVAL and (poll["ended_at"] is None or poll["ended_at"] >= at)
    }


def _count_polls(simulator: Simulator, token: str, frozen_at: list[float], found: Counter[str]) -> None:
    """Polls that began while another one of the same bot was in flight, and 409s: those of frozen processes apart."""
    report = simulator.control(f"/bots/{token}/polls?after=0&limit=1000000")
    frozen = frozen_polls(report["polls"], frozen_at)
    for conflict in report["conflicts"]:
        if conflict["was_heard"]:
            found["conflicts_of_frozen" if conflict["poll"] in frozen else "conflicts"] += 1
    busy_until, busy_with = 0.0, -1
    for poll in report["polls"]:
        if poll["arrived_at"] < busy_until:
            found["overlaps_of_frozen" if busy_with in frozen else "overlaps"] += 1
        ended = poll["ended_at"] if poll["ended_at"] is not None else float("inf")
        if ended > busy_until:
            busy_until, busy_with = ended, poll["number"]


def check(
    url: str,
    simulator: Simulator,
    tokens: dict[str, str],
    people: People,
    programs: Programs,
    freezes: Sequence[Freeze] = (),
) -> dict[str, int]:
    """Compare the event log with what was written, and what the platform got with what was accepted.

    Sends that ended as `unknown` or `failed` are counted and no fault: the API says so of each.
    """
    logged: dict[str, list[int]] = {id: [] for id in tokens}
    for row in rows(url, "SELECT session, body FROM rookery.events WHERE type = 'message' ORDER BY id"):
        logged[row[0]].append(int(json.loads(row[1])["text"]))
    found: Counter[str] = Counter(dict.fromkeys((*ZEROS, "conflicts_of_frozen", "overlaps_of_frozen"), 0))
    found["pushed"] = sum(people.written.values())
    sent: Counter[str] = Counter()
    for id, token in tokens.items():
        numbers = logged[id]
        found["stored"] += len(numbers)
        found["lost"] += len(set(range(1, people.written[id] + 1)) - set(numbers))
        found["twice"] += len(numbers) - len(set(numbers))
        found["out_of_order"] += numbers != sorted(numbers)
        _count_polls(simulator, token, [freeze.at for freeze in freezes if id in freeze.bots], found)
        sent.update(message["text"] for message in simulator.sent(token))
    known = {row[0]: row[1] for row in rows(url, "SELECT id, state FROM rookery.messages")}
    states = Counter(known.values())
    found["accepted"] = len(programs.accepted)
    found["sent_twice"] = sum(count > 1 for count in sent.values())
    found["sent_lost"] = sum(known.get(id) == "sent" and not sent[text] for text, id in programs.accepted.items())
    for state in ("queued", "sending", "unknown", "failed"):
        found[f"sent_{state}"] = states[state]
    return dict(found)
