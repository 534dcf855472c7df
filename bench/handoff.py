"""The gap of a handover between two real processes, under traffic: `python bench/handoff.py`.

One process serves all bots. A second one is started on the same data directory and waits; then the first one gets SIGTERM.
The server saw every getUpdates: a bot's gap is the longest time around that moment in which it had none in flight. People
go on writing all the while; at the end every text must be in the event log exactly once and in order.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from lab.processes import CLIENTS, Simulator, raise_file_limit
from lab.report import percentile, save, table


class Traffic(threading.Thread):
    """People who write numbered texts to every bot in turn, `rate` a second in all."""

    def __init__(self, simulator: Simulator, tokens: list[str], rate: float) -> None:
        super().__init__(daemon=True)
        self.simulator, self.tokens, self.rate = simulator, tokens, rate
        self.ended = threading.Event()
        self.sent: Counter[str] = Counter()

    def run(self) -> None:
        started, total = time.monotonic(), 0
        while not self.ended.is_set():
            while total < (time.monotonic() - started) * self.rate:
                token = self.tokens[total % len(self.tokens)]
                self.sent[token] += 1
                self.simulator.control(f"/bots/{token}/updates", {"text": str(self.sent[token]), "chat_id": 7})
                total += 1
            time.sleep(0.005)


class Server:
    """One serving process: `rookery serve`, or the host program of these benchmarks."""

    def __init__(self, simulator: Simulator, directory: str, options: argparse.Namespace) -> None:
        if options.embedded:
            command = [sys.executable, str(CLIENTS / "rookery_host.py"), simulator.url, directory, "--wait", "60"]
        else:
            program = "import sys; from rookery_http.cli import main; sys.exit(main())"
            command = [sys.executable, "-c", program, "serve", "--wait", "60", "--data-dir", directory, "--port", "0"]
        environment = os.environ | {"ROOKERY_TELEGRAM_API_URL": simulator.url}
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdin is not None
        if options.embedded:
            self.process.stdin.write("[]\n")
            self.process.stdin.flush()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def create(simulator: Simulator, directory: str, tokens: list[str]) -> None:
    """Store the sessions before the first server starts."""
    program = [sys.executable, str(CLIENTS / "rookery_host.py"), simulator.url, directory]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(tokens) + "\n")
        process.stdin.flush()
        while "created" not in (line := process.stdout.readline()):
            if not line:
                raise SystemExit("the program that stores the sessions ended early")
        process.terminate()
        process.communicate()


def await_polls(simulator: Simulator, tokens: list[str], server: Server) -> None:
    """Until every bot polls."""
    until = time.monotonic() + 60
    while simulator.control("/stats")["polls_in_flight"] < len(tokens):
        if time.monotonic() > until or server.process.poll() is not None:
            raise SystemExit("not every bot polls")
        time.sleep(0.02)


def longest_gap(polls: list[dict[str, Any]], began: float, ended: float) -> float:
    """The longest time without a poll in flight between `began` and `ended`."""
    longest, free_since = 0.0, began
    for poll in polls:
        if poll["arrived_at"] > ended:
            break
        if poll["arrived_at"] > free_since:
            longest = max(longest, poll["arrived_at"] - free_since)
        free_since = max(free_since, poll["ended_at"] if poll["ended_at"] is not None else ended)
    return longest


def check(simulator: Simulator, directory: str, tokens: list[str], sent: Counter[str]) -> dict[str, int]:
    """Compare the event log with what was written."""
    found = {"sent": sum(sent.values()), "lost": 0, "stored_twice": 0, "out_of_order": 0, "handed_out_twice": 0}
    found |= {"conflict_answers": 0, "most_polls_at_once": 0}
    with sqlite3.connect(f"file:{directory}/rookery.db?mode=ro", uri=True) as log:
        for number, token in enumerate(tokens):
            query = "SELECT body FROM events WHERE session = ? AND type = 'message' ORDER BY id"
            bodies = log.execute(query, (f"bot{number}",)).fetchall()
            texts = [int(json.loads(body)["text"]) for (body,) in bodies]
            found["lost"] += len(set(range(1, sent[token] + 1)) - set(texts))
            found["stored_twice"] += len(texts) - len(set(texts))
            found["out_of_order"] += texts != sorted(texts)
            state = simulator.control(f"/bots/{token}")
            found["handed_out_twice"] += state["repeated"]
            found["conflict_answers"] += state["errors"].get("409", 0)
            found["most_polls_at_once"] = max(found["most_polls_at_once"], state["max_simultaneous_polls"])
    return found


def main() -> None:
    options = parse()
    raise_file_limit()
    gaps: list[float] = []
    with Simulator() as simulator, tempfile.TemporaryDirectory(dir=options.data) as directory:
        tokens = simulator.new_bots(options.bots)
        create(simulator, directory, tokens)
        server = Server(simulator, directory, options)
        await_polls(simulator, tokens, server)
        traffic = Traffic(simulator, tokens, options.rate)
        traffic.start()
        for handoff in range(options.handoffs):
            time.sleep(options.pause)
            seen = {token: simulator.control(f"/bots/{token}")["polls"] for token in tokens}
            successor = Server(simulator, directory, options)
            time.sleep(options.overlap)
            began = time.time()
            if code := server.stop():
                raise SystemExit(f"a server ended with {code}")
            await_polls(simulator, tokens, successor)
            time.sleep(0.2)
            ended = time.time()
            server = successor
            # From a little before the signal, when one poll was in flight, until each bot polls again.
            each = [longest_gap(simulator.polls(t, after=max(0, seen[t] - 1)), began, ended) for t in tokens]
            gaps += each
            print(
                f"handoff {handoff + 1}: p50 {percentile(each, 0.5) * 1000:.0f} ms, max {max(each) * 1000:.0f} ms",
                flush=True,
            )
        traffic.ended.set()
        traffic.join()
        until = time.monotonic() + 30
        while simulator.control("/stats")["queued"] and time.monotonic() < until:
            time.sleep(0.1)
        if code := server.stop():
            raise SystemExit(f"the last server ended with {code}")
        found = check(simulator, directory, tokens, traffic.sent)
    figures = {f"p{share}": 1000 * percentile(gaps, share / 100) for share in (50, 95, 99)} | {"max": 1000 * max(gaps)}
    what = "open_engine" if options.embedded else "rookery serve"
    title = (
        f"{options.handoffs} handoffs of {options.bots} bots between two processes ({what}), {options.rate:g} updates/s"
    )
    table(
        title,
        ["ms without a poll, per bot and handoff", *figures],
        [["", *[f"{value:.0f}" for value in figures.values()]]],
        f"Written {found['sent']:,}; lost {found['lost']}, stored twice {found['stored_twice']}, bots with events out of "
        f"order {found['out_of_order']}; handed out twice by the server {found['handed_out_twice']}; 409 answers "
        f"{found['conflict_answers']}; polls of one bot at once at most {found['most_polls_at_once']}; exit codes 0.",
    )
    if options.save:
        gaps_ms = [round(1000 * gap, 1) for gap in gaps]
        save("handoff", {"title": title, "figures": figures, "counts": found, "gaps_ms": gaps_ms})
    if found["lost"] or found["stored_twice"] or found["out_of_order"] or found["conflict_answers"]:
        raise SystemExit(1)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bots", type=int, default=20)
    parser.add_argument("--handoffs", type=int, default=20)
    parser.add_argument("--rate", type=float, default=200, help="updates a second, over all bots")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between handoffs")
    parser.add_argument(
        "--overlap", type=float, default=2.0, help="seconds that the successor has to start up and wait"
    )
    parser.add_argument(
        "--embedded", action="store_true", help="a host program with `open_engine`, not `rookery serve`"
    )
    parser.add_argument("--data", type=Path, help="where the database is put (default: the temporary directory)")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    options = parser.parse_args()
    if options.data:
        options.data = options.data.absolute()
    return options


if __name__ == "__main__":
    main()
