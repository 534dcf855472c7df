"""A storm of faults against a real server: `python bench/storm.py --minutes 10`.

`rookery serve` runs 100 bots and 10 WhatsApp accounts (the real library in its worker processes) against both simulators.
People write and programs send while every kind of fault of both simulators strikes at random, again and again. Waits are
compressed by settings, about twenty times. Then: is every session back without help, and within what time? Do CPU, memory,
tasks, descriptors and threads return to the level before? Did attempts to connect stay below the storm guard's bound?
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import trio
from lab import strikes
from lab.accounts import Accounts
from lab.processes import raise_file_limit
from lab.report import save, table
from lab.served import Cost, Served, open_served

from rookery_simulator.bot_api import open_bot_api_simulator
from rookery_simulator.whatsapp import open_whatsapp_simulator

STAGGER = 0.1  # seconds between two attempts to reconnect, of all sessions together
POLL = 5  # seconds
COMPRESSED = {
    "ROOKERY_TELEGRAM_POLL_TIMEOUT": str(POLL),
    "ROOKERY_BACKOFF_NETWORK": "0.25",
    "ROOKERY_BACKOFF_SERVER_ERROR": "0.25",
    "ROOKERY_BACKOFF_RATE_LIMIT": "0.25",
    "ROOKERY_BACKOFF_INTERNAL_ERROR": "0.25",
    "ROOKERY_BACKOFF_CONFLICT": "3",
    "ROOKERY_BACKOFF_MAX": "8",
    "ROOKERY_BACKOFF_JITTER": "0.25",
    "ROOKERY_STABLE_AFTER": "3",
    "ROOKERY_RECONNECT_STAGGER": str(STAGGER),
    "ROOKERY_STARTUP_TIMEOUT": "15",
    "ROOKERY_HEALTH_WARMUP": "1",
    "ROOKERY_HEALTH_INTERVAL": "2",
    "ROOKERY_DEEP_CHECK_INTERVAL": "4",
    "ROOKERY_PROBE_TIMEOUT": "2",
    "ROOKERY_RECOVERY_INTERVAL": "5",
    "ROOKERY_CLEANER_INTERVAL": "20",
    "ROOKERY_MEMORY_INTERVAL": "30",
    "ROOKERY_SEND_TIMEOUT": "5",
}
WINDOW = 60.0  # seconds over which attempts are counted
RECOVERY_LIMIT = 90.0
DETAILS = ("histories", "tasks", "log")  # for whoever looks for a cause
LANES = 2  # strikes at the same time
CPU_TOLERANCE = 2.0  # percent of a core
MEMORY_TOLERANCE = 1.25
MEMORY_SLACK = 12.0  # MiB
LEFT_BEHIND = 40 * 2
"""File descriptors that the library never gives back, in each worker: two for each ended client; after 40 of these a worker
takes no new ones, and is replaced once it is empty."""


class Storm:
    """What is done to the accounts, and what is seen meanwhile."""

    def __init__(self, accounts: Accounts, options: argparse.Namespace) -> None:
        self.accounts = accounts
        self.options = options
        self.rng = random.Random(options.seed)
        self.strikes: Counter[str] = Counter()
        self.hit: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()  # sends, by the error
        self.log: list[tuple[float, str, list[str]]] = []  # when, which fault, whom
        self.costs: list[Cost] = []
        self.lowest = 0  # sessions connected at the worst moment

    async def rage(self) -> None:
        """The storm itself."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            nursery.start_soon(self._traffic)
            queue: list[strikes.Strike] = []
            until = trio.current_time() + 60 * self.options.minutes
            async with trio.open_nursery() as lanes:
                for _ in range(LANES):
                    lanes.start_soon(self._lane, queue, until)
            nursery.cancel_scope.cancel()

    async def _lane(self, queue: list[strikes.Strike], until: float) -> None:
        while trio.current_time() < until or strikes.ALL_NAMES - self.strikes.keys():
            if not queue:
                queue += self.rng.sample(strikes.ALL, len(strikes.ALL))
            await self._strike(queue.pop())
            await trio.sleep(self.rng.uniform(0, self.options.calm))

    async def _strike(self, strike: strikes.Strike) -> None:
        everyone = [*(self.accounts.bots if strike.platform == "telegram" else self.accounts.devices)]
        share = 1.0 if strike.everyone else self.rng.uniform(0.1, 0.5)
        chosen = self.rng.sample(everyone, max(1, round(share * len(everyone))))
        self.strikes[strike.name] += 1
        self.hit[strike.name] += len(chosen)
        self.log.append((time.time(), strike.name, chosen))
        undo = strike.begin(self.accounts, chosen)
        try:
            await trio.sleep(self.rng.uniform(0.3, 1) * self.options.longest)
        finally:
            undo()

    async def _traffic(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(1 / self.options.rate)
                self.accounts.write(self.rng.choice(self.accounts.sessions))
                if self.rng.random() < 0.2:
                    nursery.start_soon(self._send, self.rng.choice(self.accounts.sessions))

    async def _send(self, id: str) -> None:
        try:
            await self.accounts.send(id)
        except httpx.HTTPError as error:
            self.refused[type(error).__name__] += 1

    async def _watch(self) -> None:
        self.lowest = len(self.accounts.sessions)
        while True:
            self.costs.append(await self.accounts.server.cost())
            self.lowest = min(self.lowest, len(self.accounts.sessions) - len(await self.accounts.down()))
            await trio.sleep(1)


async def at_rest(server: Served, seconds: float) -> dict[str, float]:
    """The costs of an undisturbed server: medians; CPU in percent of a core."""
    first = await server.cost()
    found = [first]
    until = trio.current_time() + seconds
    while trio.current_time() < until:
        await trio.sleep(min(1.0, seconds / 4))
        found.append(await server.cost())
    figures = {name: median(getattr(cost, name) for cost in found) for name in Cost._fields[2:-1]}
    figures["tasks"] = min(cost.tasks for cost in found)  # a check under way has tasks of its own
    figures["cpu"] = 100 * (found[-1].cpu - first.cpu) / (found[-1].at - first.at)
    return figures


def most_attempts(costs: Sequence[Cost]) -> tuple[float, float]:
    """(the most attempts to connect within a window, what the guard allows in it), where they are closest."""
    worst = (0.0, 1.0)
    for i, earlier in enumerate(costs):
        for later in costs[i + 1 :]:
            if later.at - earlier.at > WINDOW:
                break
            allowed = (later.at - earlier.at + 1) / STAGGER + 1  # a reading is not the work of a moment
            if (made := later.connects - earlier.connects) / allowed > worst[0] / worst[1]:
                worst = (made, allowed)
    return worst


def judge(before: dict[str, float], after: dict[str, float]) -> dict[str, bool]:
    """What is back to the level before."""
    workers = max(before["workers"], 1)
    limits = {
        "cpu": before["cpu"] * 1.5 + CPU_TOLERANCE,
        "server_mib": before["server_mib"] * MEMORY_TOLERANCE + MEMORY_SLACK,
        "workers_mib": before["workers_mib"] * MEMORY_TOLERANCE + MEMORY_SLACK * workers,
        "workers": before["workers"],
        "tasks": before["tasks"],
        "fds": before["fds"],
        "worker_fds": before["worker_fds"] + LEFT_BEHIND * workers,
        "threads": before["threads"],
        "worker_threads": before["worker_threads"] * 1.5 + 4,  # Go never ends a thread
    }
    return {name: after[name] <= limit for name, limit in limits.items()}


async def live(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Everything, from the first session to the figures."""
    async with open_bot_api_simulator(conflict_hold=0) as telegram, open_whatsapp_simulator() as whatsapp:
        environment = COMPRESSED | dict(whatsapp.environment()) | {"ROOKERY_TELEGRAM_API_URL": telegram.url}
        environment |= {"ROOKERY_WHATSAPP_SESSIONS_PER_WORKER": str(options.per_worker)}
        async with open_served(directory, environment) as server:
            accounts = Accounts(server, telegram, whatsapp)
            await accounts.open(options.bots, options.phones)
            storm = Storm(accounts, options)
            for id in accounts.sessions:  # all that is made once is made before the level is taken
                accounts.write(id)
                await accounts.send(id, wait=10)
            await trio.sleep(options.rest)
            before = await at_rest(server, options.rest)
            print(f"{len(accounts.sessions)} sessions connected; the storm begins", flush=True)
            began = trio.current_time()
            await storm.rage()
            lasted = trio.current_time() - began
            began = trio.current_time()
            with trio.move_on_after(RECOVERY_LIMIT):
                await accounts.wait_until_heard()
                await accounts.wait_until_connected()
            recovered = trio.current_time() - began
            down = await accounts.down()
            histories = {id: await server.call("GET", f"/v1/sessions/{id}/history") for id in down}
            tasks = await server.call("GET", "/v1/debug/tasks") if down else None
            storm.costs.append(await server.cost())
            print(f"{len(down)} sessions down {recovered:.1f} s after the end: {down}", flush=True)
            until = trio.current_time() + options.settle
            while True:  # the library and idle connections take a while to let go
                after = await at_rest(server, options.rest)
                verdict = judge(before, after)
                if all(verdict.values()) or trio.current_time() > until:
                    break
            texts = {platform: await accounts.received(platform) for platform in ("telegram", "whatsapp")}
            sends = await accounts.sends()
    made, allowed = most_attempts(storm.costs)
    return {
        "title": f"{options.bots} bots and {options.phones} WhatsApp accounts, {lasted / 60:.1f} min of faults",
        "sessions": options.bots + options.phones,
        "lasted_s": lasted,
        "strikes": storm.strikes,
        "hit": storm.hit,
        "lowest": storm.lowest,
        "down": down,
        "histories": histories,
        "tasks": tasks,
        "log": storm.log,
        "recovered_s": recovered,
        "attempts": {
            "all": storm.costs[-1].connects - storm.costs[0].connects,
            "most": made,
            "allowed": allowed,
            "guard_per_minute": 60 / STAGGER,
        },
        "before": before,
        "after": after,
        "back": verdict,
        "texts": texts,
        "sends": sends,
        "refused": storm.refused,
    }


NAMES = {
    "cpu": "CPU, % of a core",
    "server_mib": "memory of the server, MiB",
    "workers_mib": "memory of the workers, MiB",
    "workers": "workers",
    "tasks": "tasks",
    "fds": "file descriptors of the server",
    "worker_fds": "file descriptors of the workers",
    "threads": "threads of the server",
    "worker_threads": "threads of the workers",
}


def tell(result: dict[str, Any]) -> bool:
    """Print the tables; whether everything holds."""
    rows = [
        [f"{one.platform}: {one.name}", result["strikes"][one.name], result["hit"][one.name]] for one in strikes.ALL
    ]
    table(result["title"], ["fault", "strikes", "sessions hit"], rows)
    before, after, back = result["before"], result["after"], result["back"]
    rows = [
        [label, f"{before[name]:.1f}", f"{after[name]:.1f}", "yes" if back[name] else "NO"]
        for name, label in NAMES.items()
    ]
    table("At rest", ["", "before", "after", "back"], rows)
    attempts, lost = result["attempts"], {platform: found[1:] for platform, found in result["texts"].items()}
    holds = {
        "every session came back without help": not result["down"],
        "attempts to connect stayed below the guard's bound": attempts["most"] <= attempts["allowed"],
        "CPU, memory, tasks, descriptors and threads are back": all(back.values()),
        "no text of a bot was lost or stored twice": lost["telegram"] == (0, 0),
        "no text of an account was stored twice": lost["whatsapp"][1] == 0,
        "every send has come to an end": not {"queued", "sending"} & result["sends"].keys(),
    }
    rows = [
        ["sessions connected at the worst moment", f"{result['lowest']} of {result['sessions']}"],
        ["each connected and has received a text, s after the last fault", f"{result['recovered_s']:.1f}"],
        ["attempts to connect in all", f"{attempts['all']:,}"],
        ["most in a window, of those that the guard allows", f"{attempts['most']:.0f} of {attempts['allowed']:.0f}"],
        *(
            [f"texts of {platform}: written, lost, stored twice", ", ".join(f"{n:,}" for n in found)]
            for platform, found in result["texts"].items()
        ),
        ["sends", ", ".join(f"{n} {state}" for state, n in result["sends"].items())],
    ]
    table("The storm", ["", ""], rows)
    for sentence, is_true in holds.items():
        print(f"{'holds' if is_true else 'DOES NOT HOLD'}: {sentence}")
    return all(holds.values())


def main() -> None:
    options = parse()
    raise_file_limit()
    with tempfile.TemporaryDirectory() as directory:
        result = trio.run(live, options, Path(directory))
        if options.log:
            print(Path(directory, "server.log").read_text()[-options.log :], file=sys.stderr)
    holds = tell(result)
    if options.json:
        options.json.write_text(json.dumps(result))
    if options.save:
        save("storm", {key: value for key, value in result.items() if key not in DETAILS})
    sys.exit(not holds)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="of the storm; every kind strikes once at least")
    parser.add_argument("--bots", type=int, default=100)
    parser.add_argument("--phones", type=int, default=10)
    parser.add_argument("--per-worker", type=int, default=5, help="WhatsApp accounts in one worker process")
    parser.add_argument("--longest", type=float, default=8, help="seconds that a fault lasts at most")
    parser.add_argument("--calm", type=float, default=4, help="seconds between two faults at most")
    parser.add_argument("--rate", type=float, default=20, help="texts a second that people write")
    parser.add_argument("--rest", type=float, default=20, help="seconds over which a level at rest is taken")
    parser.add_argument("--settle", type=float, default=180, help="seconds for everything to be back at its level")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=int, default=0, help="print that many last characters of the server's log")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
