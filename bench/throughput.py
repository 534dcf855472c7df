"""How many updates a second one bot takes, beside aiogram and python-telegram-bot: `python bench/throughput.py`.

Three parts: `receive` (from the first getUpdates until the last update is handled; for Rookery: until it is in the event
log on disk), `echo` (until the server has the last answer; Rookery stores each send before it leaves and its receipt after)
and `send` (100 chats at once, one message after another in each, 50 ms latency in the server).

Every client is a process of its own against the same server process; the repetitions of the clients are interleaved. Rookery
stores in SQLite, and in "Rookery, PostgreSQL" in a private server of the usual settings (fsync on), which runs wherever there
is room; that variant is left out where no PostgreSQL is installed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from lab.postgres import DURABLE, private_server
from lab.processes import DEFAULT_PEERS, Simulator, run_client
from lab.report import save, spread, table


class Variant(NamedTuple):
    """A client as it is run."""

    name: str
    family: str
    script: str
    options: tuple[str, ...] = ()
    in_postgres: bool = False


ROOKERY = Variant("Rookery", "rookery", "rookery_bot.py")
IN_POSTGRES = Variant("Rookery, PostgreSQL", "rookery", "rookery_bot.py", in_postgres=True)
VARIANTS = {
    "receive": [
        ROOKERY,
        IN_POSTGRES,
        Variant("aiogram, tasks", "aiogram", "aiogram_bot.py"),
        Variant("aiogram, sequential", "aiogram", "aiogram_bot.py", ("--no-tasks",)),
        Variant("aiogram, sequential, uvloop", "aiogram", "aiogram_bot.py", ("--no-tasks", "--uvloop")),
        Variant("grammY, bot.start", "grammy", "grammy_bot.mjs"),
        Variant("grammY, runner", "grammy", "grammy_bot.mjs", ("--runner",)),
        Variant("PTB, sequential", "ptb", "ptb_bot.py"),
        Variant("PTB, concurrent", "ptb", "ptb_bot.py", ("--in-flight", "256")),
    ],
    "echo": [
        ROOKERY,
        IN_POSTGRES,
        Variant("Rookery, one by one", "rookery", "rookery_bot.py", ("--one-by-one",)),
        Variant("aiogram, tasks", "aiogram", "aiogram_bot.py"),
        Variant("aiogram, tasks, 16 at once", "aiogram", "aiogram_bot.py", ("--in-flight", "16")),
        Variant("aiogram, 16 at once, uvloop", "aiogram", "aiogram_bot.py", ("--in-flight", "16", "--uvloop")),
        Variant("aiogram, sequential", "aiogram", "aiogram_bot.py", ("--no-tasks",)),
        Variant("grammY, bot.start", "grammy", "grammy_bot.mjs"),
        Variant("grammY, runner", "grammy", "grammy_bot.mjs", ("--runner",)),
        Variant("grammY, runner, in order", "grammy", "grammy_bot.mjs", ("--runner", "--in-order")),
        Variant("PTB, sequential", "ptb", "ptb_bot.py"),
        Variant("PTB, 16 at once", "ptb", "ptb_bot.py", ("--in-flight", "16")),
    ],
    "send": [
        ROOKERY,
        Variant("aiogram", "aiogram", "aiogram_bot.py"),
        Variant("aiogram, uvloop", "aiogram", "aiogram_bot.py", ("--uvloop",)),
        Variant("grammY", "grammy", "grammy_bot.mjs"),
        Variant("PTB", "ptb", "ptb_bot.py"),
    ],
}
TITLES = {
    "receive": "Receive: updates/s",
    "echo": "Echo: answers/s",
    "send": "Send with {latency:g} ms latency, {chats} chats: messages/s",
}


def measure(
    simulator: Simulator, part: str, variant: Variant, options: argparse.Namespace, database: str | None
) -> dict[str, float]:
    """One run: its rate, and the CPU microseconds of client and server for each update."""
    simulator.control("/reset", {})
    count = options.sends if part == "send" else options.updates
    [token] = simulator.new_bots(1)
    if part == "send":
        simulator.control("/latency", {"method": "sendMessage", "seconds": options.latency / 1000})
    else:
        simulator.control(f"/bots/{token}/updates", {"count": count, "chats": options.chats})
    program = {"rookery": sys.executable, "grammy": "node"}.get(variant.family, options.peers)
    server = simulator.cpu
    arguments = [part, simulator.url, token, count, *variant.options, "--chats", options.chats]
    if variant.family == "rookery":
        arguments += ["--in-flight", options.in_flight]
        if variant.in_postgres:
            arguments += ["--postgres", database]
        if options.data:
            arguments += ["--data", options.data.absolute()]
    report = run_client(program, variant.script, arguments, core=options.core)
    server = simulator.cpu - server
    if part == "receive":
        began, ended = simulator.polls(token, limit=1)[0]["arrived_at"], report["done"]
    else:
        sent = simulator.sent(token)
        if part == "echo":
            wanted = {str(number) for number in range(1, count + 1)}
            if len(sent) != count or {each["text"] for each in sent} != wanted:
                raise SystemExit(f"{variant.name} sent {len(sent)} answers instead of {count} different ones")
            began = simulator.polls(token, limit=1)[0]["arrived_at"]
        else:
            began = sent[0]["at"] - options.latency / 1000
        ended = max(each["at"] for each in sent)
    return {
        "rate": count / (ended - began),
        "client_us": 1e6 * report["cpu"] / count,
        "server_us": 1e6 * server / count,
    }


def show(part: str, runs: dict[str, list[dict[str, float]]], options: argparse.Namespace) -> dict[str, Any]:
    """Print one table; returns what is worth keeping."""
    middle = {name: statistics.median(run["rate"] for run in found) for name, found in runs.items()}
    families = {variant.name: variant.family for variant in VARIANTS[part]}
    peers = {name: rate for name, rate in middle.items() if families[name] != "rookery"}
    best = max(peers, key=peers.__getitem__) if peers else None
    rows = []
    for name, found in runs.items():
        rows.append(
            [
                name,
                spread([run["rate"] for run in found]),
                f"{middle[name] / middle[best]:.2f}" if best else "",
                f"{statistics.median(run['client_us'] for run in found):,.0f}",
                f"{statistics.median(run['server_us'] for run in found):,.0f}",
            ]
        )
    title = TITLES[part].format(latency=options.latency, chats=options.chats)
    table(
        title,
        ["client", "rate (median, range)", "× best peer", "client CPU µs each", "server CPU µs each"],
        rows,
        f"{len(next(iter(runs.values())))} interleaved runs of {options.sends if part == 'send' else options.updates:,}; "
        "CPU times are medians.",
    )
    return {"title": title, "unit": "/s", "best_peer": best, "median": middle, "runs": runs}


def main() -> None:
    options = parse()
    results: dict[str, Any] = {}
    with ExitStack() as stack:
        database = open_database(stack, options)
        simulator = stack.enter_context(Simulator(core=0 if options.pin else None))
        for part in options.parts:
            runs: dict[str, list[dict[str, float]]] = {}
            for repetition in range(options.repeat):
                for variant in VARIANTS[part]:
                    if variant.in_postgres and database is None:
                        continue
                    if variant.family in options.clients:
                        found = measure(simulator, part, variant, options, database)
                        runs.setdefault(variant.name, []).append(found)
                        print(
                            f"{part} {repetition + 1}: {variant.name} {runs[variant.name][-1]['rate']:,.0f}/s",
                            flush=True,
                        )
            results[part] = show(part, runs, options)
    if options.save:
        for part, result in results.items():
            save(f"throughput-{part}", result)


def open_database(stack: ExitStack, options: argparse.Namespace) -> str | None:
    """The URL of a private PostgreSQL server; None, with a word about it, where none is installed or needed."""
    wanted = any(variant.in_postgres for part in options.parts for variant in VARIANTS[part])
    if not wanted or IN_POSTGRES.family not in options.clients:
        return None
    try:
        server = stack.enter_context(private_server(*DURABLE))
    except RuntimeError as error:
        print(f"left out: {IN_POSTGRES.name} ({error})")
        return None
    url: str = server.url
    return url


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", help="receive, echo, send (default: all)")
    parser.add_argument("--updates", type=int, default=20_000)
    parser.add_argument("--sends", type=int, default=10_000)
    parser.add_argument("--chats", type=int, default=100)
    parser.add_argument("--latency", type=float, default=50, help="milliseconds, for `send`")
    parser.add_argument("--in-flight", type=int, default=200, help="sends that Rookery's echo has under way")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--clients", nargs="*", default=["rookery", "aiogram", "grammy", "ptb"])
    parser.add_argument("--pin", action="store_true", help="the server on the first core, the clients on the second")
    parser.add_argument("--peers", type=Path, default=DEFAULT_PEERS, help="the Python that has the peers")
    parser.add_argument("--data", type=Path, help="where Rookery's database is put (default: the temporary directory)")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    options = parser.parse_args()
    options.parts = options.parts or list(VARIANTS)
    if unknown := set(options.parts) - VARIANTS.keys():
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    options.core = 1 if options.pin else None
    if not options.peers.exists() and set(options.clients) - {"rookery", "grammy"}:
        parser.error(f"{options.peers} does not exist: see bench/README.md, or use --clients rookery")
    return options


if __name__ == "__main__":
    main()
