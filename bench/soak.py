"""An hour of ordinary life: `python bench/soak.py --minutes 60`. Does anything grow?

`rookery serve` runs bots and WhatsApp accounts against both simulators while people write, programs send, webhooks are
delivered (and sometimes refused), sessions are restarted, stopped, started, made and deleted, streams are followed, calls are
right and wrong, and old events are pruned. Between spells of work lie moments of rest, at which everything that work needs is
let go; there tasks, file descriptors and threads have to be the same each time, and memory must have no slope.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import trio
from lab.accounts import Accounts
from lab.endpoint import Endpoint, open_endpoint
from lab.processes import raise_file_limit
from lab.report import save, table
from lab.served import Cost, open_served
from lab.trend import trend

from rookery_simulator.bot_api import open_bot_api_simulator
from rookery_simulator.whatsapp import open_whatsapp_simulator

SETTINGS = {
    "ROOKERY_TELEGRAM_POLL_TIMEOUT": "10",
    "ROOKERY_BACKOFF_JITTER": "0.1",
    "ROOKERY_WEBHOOK_BACKOFF": "0.1",
    "ROOKERY_RECOVERY_INTERVAL": "5",
    "ROOKERY_CLEANER_INTERVAL": "10",
    "ROOKERY_MEMORY_INTERVAL": "10",
    "ROOKERY_PRUNE_INTERVAL": "1",
}
RENEW = 6.0  # seconds; a send that waited until after the last renewal has made a connection of its own
REST_LIMIT = 60.0  # seconds for everything to be let go
FLAT = ("tasks", "fds", "threads")
LEAST_RESTS = 3
LEFT_BEHIND = 4  # file descriptors that the library keeps of each client that has ended
SESSIONS_OF_A_WORKER = 10
CLIENTS_OF_A_WORKER = 40  # that have ended; then it takes no new ones, and goes with its last session
SHORT = 300.0  # seconds; a slope over less tells nothing
BOUNDS = {  # growth per hour that can be distinguished from none; in a short run, total growth
    "server_mib": 6.0,
    "workers_mib": 30.0,
    "worker_fds": 80.0,
    "worker_threads": 20.0,
    "data_mib": 10.0,
}
NAMES = {
    "server_mib": "memory of the server, MiB",
    "workers_mib": "memory of the workers, MiB",
    "tasks": "tasks",
    "fds": "file descriptors of the server",
    "threads": "threads of the server",
    "worker_fds": "file descriptors of the workers",
    "worker_threads": "threads of the workers",
    "data_mib": "database on disk, MiB",
}
WORDS = dict.fromkeys(FLAT, "the same at each rest")


class Soak:
    """The life of one server."""

    def __init__(self, accounts: Accounts, endpoint: Endpoint, directory: Path, options: argparse.Namespace) -> None:
        self.accounts = accounts
        self.server = accounts.server
        self.endpoint = endpoint
        self.directory = directory
        self.options = options
        self.rng = random.Random(options.seed)
        self.done: Counter[str] = Counter()
        self.rests: list[dict[str, float]] = []
        self._newcomers = 0
        self._began = trio.current_time()

    async def warm(self, texts: int) -> None:
        """Fill what is bounded by its size and not by time: the newest events are kept in memory, and the forms of those that
        somebody follows."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_for_ever)
            await trio.sleep(1)
            for bot in self._bots():
                bot.push_many(texts // len(self._bots()), chats=5)
            with trio.fail_after(REST_LIMIT):
                while (await self.server.metrics()).get("rookery_events_stored_total", 0) < 0.9 * texts:
                    await trio.sleep(0.5)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()

    async def _follow_for_ever(self) -> None:
        async with self.server.api.stream("GET", "/v1/events/stream?after=0", timeout=None) as stream:
            async for _ in stream.aiter_bytes():
                pass

    async def work(self, seconds: float) -> None:
        """Everything at once, for so long."""
        webhook = await self.server.call("POST", "/v1/webhooks", {"url": self.endpoint.url})
        async with trio.open_nursery() as nursery:
            for doing, pause in (
                (self._write, 1 / self.options.rate),
                (self._send, 3 / self.options.rate),
                (self._restart, 20 / self.options.rate),
                (self._stop_and_start, 20 / self.options.rate),
                (self._come_and_go, 30 / self.options.rate),
                (self._ask, 5 / self.options.rate),
                (self._ask_wrongly, 10 / self.options.rate),
                (self._follow, 20 / self.options.rate),
                (self._check, 60 / self.options.rate),
                (self._restart_phone, 100 / self.options.rate),
            ):
                nursery.start_soon(self._again, doing, pause)
            await trio.sleep(seconds)
            nursery.cancel_scope.cancel()
        with trio.fail_after(REST_LIMIT):
            while (await self.server.call("GET", "/v1/health"))["pending_deliveries"]:
                await trio.sleep(0.05)
        await self.server.call("DELETE", f"/v1/webhooks/{webhook['id']}")

    async def _again(self, doing: Any, pause: float) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(self.rng.uniform(0.5, 1.5) * pause)
                nursery.start_soon(self._once, doing)

    async def _once(self, doing: Any) -> None:
        name = doing.__name__.strip("_").replace("_", " ")
        try:
            await doing()
            self.done[name] += 1
        except httpx.HTTPError as error:
            self.done[f"{name}: {type(error).__name__}"] += 1

    async def _write(self) -> None:
        self.accounts.write(self.rng.choice(self.accounts.sessions))

    async def _send(self) -> None:
        await self.accounts.send(self.rng.choice(self.accounts.sessions), wait=5)

    async def _restart(self) -> None:
        await self.server.call("POST", f"/v1/sessions/{self.rng.choice([*self.accounts.bots])}/restart")

    async def _restart_phone(self) -> None:
        if self.accounts.devices:
            await self.server.call("POST", f"/v1/sessions/{self.rng.choice([*self.accounts.devices])}/restart")

    async def _check(self) -> None:
        await self.server.call("POST", "/v1/health/check")

    async def _stop_and_start(self) -> None:
        id = self.rng.choice([*self.accounts.bots])
        with trio.CancelScope(shield=True), trio.move_on_after(20):  # whoever is stopped is started again
            try:
                await self.server.call("POST", f"/v1/sessions/{id}/stop")
                await trio.sleep(self.rng.random())
            finally:
                await self.server.call("POST", f"/v1/sessions/{id}/start")

    async def _come_and_go(self) -> None:
        self._newcomers += 1
        id = f"guest-{self._newcomers % 50}-{self.rng.randrange(10**6)}"
        token = self.accounts.telegram.new_bot().token
        with trio.CancelScope(shield=True), trio.move_on_after(20):
            document = {"id": id, "platform": "telegram", "credentials": {"token": token}}
            await self.server.call("POST", "/v1/sessions", document)
            await trio.sleep(self.rng.random())
            await self.server.call("DELETE", f"/v1/sessions/{id}")

    async def _ask(self) -> None:
        id = self.rng.choice(self.accounts.sessions)
        paths = (
            "/v1/sessions",
            f"/v1/sessions/{id}/history",
            f"/v1/sessions/{id}/messages",
            "/v1/memory",
            "/openapi.json",
        )
        (await self.server.api.get(self.rng.choice(paths))).raise_for_status()

    async def _ask_wrongly(self) -> None:
        answers = (
            await self.server.api.post("/v1/sessions", content=b"{", headers={"content-type": "application/json"}),
            await self.server.api.get("/v1/sessions/nobody"),
            await self.server.api.get("/v1/events?after=x"),
            await self.server.api.put("/v1/sessions", json={}),
        )
        assert all(400 <= answer.status_code < 500 for answer in answers)

    async def _follow(self) -> None:
        async with self.server.api.stream("GET", "/v1/events/stream") as stream:
            with trio.move_on_after(2 * self.rng.random()):
                async for _ in stream.aiter_bytes():
                    pass

    async def rest(self) -> None:
        """Let go of all that work needed, and read what is left.

        File descriptors are counted without those of the database, whose connections (four at most) open when they are first
        needed, and without the idle connections to the webhook's endpoint, which are kept for a minute.

        From the second on it waits, within bounds, until what has to be flat is as low as it was first: idle threads take
        ten seconds to end.
        """
        await self._renew()
        await self._replace_spent_workers()
        await self.server.reopen_api()
        until = trio.current_time() + (self.options.patience if self.rests else self.options.first_rest)
        lowest: dict[str, float] = {}
        renewed = trio.current_time()
        while True:
            cost = await self.server.cost()
            cost = cost._replace(fds=cost.fds - self.endpoint.connections - self.server.open_files("rookery.db"))
            for name in FLAT:
                lowest[name] = min(lowest.get(name, float("inf")), getattr(cost, name))
            flat = self.rests and all(lowest[name] <= self.rests[0][name] for name in FLAT)
            if flat or trio.current_time() > until:
                break
            if self.rests and lowest["fds"] > self.rests[0]["fds"] and trio.current_time() > renewed + RENEW:
                await self._renew()
                renewed = trio.current_time()
            await trio.sleep(0.25)
        self.rests.append(self._reading(cost) | lowest)

    async def _renew(self) -> None:
        """Give each bot a new link, which has one connection; one that has worked since may have some to spare."""
        with trio.move_on_after(REST_LIMIT) as limit:
            await self.accounts.wait_until_connected()
            for id in self.accounts.bots:
                await self.server.call("POST", f"/v1/sessions/{id}/restart")
            await self.accounts.telegram.wait_until(lambda: all(bot.polls.has_waiting for bot in self._bots()))
            await self.accounts.wait_until_connected()
        if limit.cancelled_caught:
            idle = [id for id, bot in self.accounts.bots.items() if not bot.polls.has_waiting]
            raise SystemExit(f"not connected: {await self.accounts.down()}, without a poll: {idle}")

    async def _replace_spent_workers(self) -> None:
        """A worker that takes no new sessions ends with the last that it has, which is when they are next restarted."""
        needed = -(-len(self.accounts.devices) // SESSIONS_OF_A_WORKER)
        with trio.fail_after(REST_LIMIT):
            if len(self.server.workers()) > needed:
                for id in self.accounts.devices:
                    await self.server.call("POST", f"/v1/sessions/{id}/restart")
                    self.done["restart phone"] += 1
            while len(self.server.workers()) > needed or await self.accounts.down():
                await trio.sleep(0.25)

    def _bots(self) -> list[Any]:
        return [*self.accounts.bots.values()]

    def _reading(self, cost: Cost) -> dict[str, float]:
        data = sum(file.stat().st_size for file in self.directory.glob("rookery.db*")) / 1024**2
        return {"at": cost.at - self._began, "data_mib": data} | {
            name: float(getattr(cost, name)) for name in NAMES if name != "data_mib"
        }


async def live(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """From the first session to the figures."""
    rng = random.Random(options.seed)
    async with (
        open_bot_api_simulator(history=1000) as telegram,
        open_whatsapp_simulator() as whatsapp,
        open_endpoint(0.05, rng) as endpoint,
    ):
        keep = {name: str(options.keep) for name in ("ROOKERY_EVENT_RETENTION", "ROOKERY_MESSAGE_RETENTION")}
        environment = SETTINGS | keep | dict(whatsapp.environment()) | {"ROOKERY_TELEGRAM_API_URL": telegram.url}
        async with open_served(directory, environment) as server:
            accounts = Accounts(server, telegram, whatsapp)
            await accounts.open(options.bots, options.phones)
            soak = Soak(accounts, endpoint, directory, options)
            if options.warm:
                await soak.warm(options.warm)
            await soak.work(options.work)  # what is made once is made before the first reading
            until = trio.current_time() + 60 * options.minutes
            for number in itertools.count():
                await soak.rest()
                if number % options.tell == 0:
                    reading = ", ".join(f"{name} {value:.1f}" for name, value in soak.rests[-1].items())
                    print(f"{reading}; {soak.done['write']} texts", flush=True)
                if trio.current_time() > until and len(soak.rests) >= LEAST_RESTS:
                    break
                await soak.work(options.work)
            metrics = await server.metrics()
    return {
        "title": f"{options.bots} bots and {options.phones} WhatsApp accounts, {options.minutes:g} min of ordinary life",
        "minutes": options.minutes,
        "done": soak.done,
        "deliveries": {"taken": endpoint.taken, "refused": endpoint.refused},
        "dead_letters": metrics["rookery_dead_letters"],
        "connects": metrics["rookery_connects_total"],
        "readings": soak.rests,
        "verdicts": judge(soak.rests, soak.done["restart phone"]),
    }


def judge(rests: list[dict[str, float]], restarts: int) -> dict[str, dict[str, Any]]:
    """For each quantity: its first and last reading, the slope an hour with its bounds, and whether that is none.

    `restarts` is how many clients ended in the workers. The library leaves memory and file descriptors behind for each, which
    is why workers are replaced: a run in which none was yet can only tell whether it is more than that.
    """
    verdicts: dict[str, dict[str, Any]] = {}
    steady = rests[len(rests) // 5 :]  # caches fill in the beginning
    for name in NAMES:
        found = trend([(rest["at"], rest[name]) for rest in steady])
        first, last = rests[0][name], rests[-1][name]
        most = max(rest[name] for rest in rests)
        if name in FLAT:
            holds = most <= first
        elif name == "worker_fds" and restarts < 3 * CLIENTS_OF_A_WORKER:
            holds = last - first <= LEFT_BEHIND * (restarts + 1)
        elif rests[-1]["at"] - rests[0]["at"] < SHORT:
            holds = last - first <= BOUNDS[name]
        else:
            holds = not found.grows(BOUNDS[name])
        verdicts[name] = {"first": first, "last": last, "most": most, **found._asdict(), "holds": holds}
    return verdicts


def tell(result: dict[str, Any]) -> bool:
    """Print the tables; whether nothing grows."""
    done = ", ".join(f"{count:,} {name}" for name, count in sorted(result["done"].items()))
    print(f"\n{done}; deliveries: {result['deliveries']}; {result['connects']:,.0f} connects")
    rows = [
        [
            NAMES[name],
            f"{found['first']:.1f}",
            f"{found['last']:.1f}",
            f"{found['most']:.1f}",
            f"{found['slope']:+.2f} ({found['low']:+.2f} to {found['high']:+.2f})",
            WORDS.get(name, "no growth") if found["holds"] else "GROWS",
        ]
        for name, found in result["verdicts"].items()
    ]
    columns = ["at rest", "first", "last", "most", "slope an hour (95 %)", "verdict"]
    table(f"{result['title']}, {len(result['readings'])} rests", columns, rows)
    return all(found["holds"] for found in result["verdicts"].values())


def main() -> None:
    options = parse()
    raise_file_limit()
    with tempfile.TemporaryDirectory() as directory:
        result = trio.run(live, options, Path(directory))
    holds = tell(result)
    if options.json:
        options.json.write_text(json.dumps(result))
    if options.save:
        save("soak", result)
    sys.exit(not holds)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--bots", type=int, default=50)
    parser.add_argument("--phones", type=int, default=4)
    parser.add_argument("--work", type=float, default=20, help="seconds of work between two rests")
    parser.add_argument("--warm", type=int, default=12_000, help="texts that fill what is kept in memory, before all")
    parser.add_argument("--first-rest", type=float, default=12, help="seconds of the first rest, which sets the level")
    parser.add_argument("--patience", type=float, default=40, help="seconds within which a later rest has to be at it")
    parser.add_argument("--rate", type=float, default=20, help="texts a second; all else in proportion")
    parser.add_argument("--keep", type=float, default=30, help="seconds for which events and sends are kept")
    parser.add_argument("--tell", type=int, default=5, help="print each so-manieth reading")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
