"""`rookery demo`: the whole product on one machine, without an account.

People write to three bots on the built-in Bot API simulator. A real `rookery serve` process receives, stores and delivers
to a webhook; the webhook's program answers through the HTTP API. In the middle a new process takes over from the old one,
as in a redeploy, while people go on writing. At the end everything is counted.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import trio
from rich.console import Console
from rich.markup import escape

from rookery_simulator import BotApiSimulator, open_bot_api_simulator

from .demo_receiver import Receiver
from .server import open_listeners, serve

BOTS = {"shop": "[cyan]shop[/]   ", "support": "[magenta]support[/]", "news": "[green]news[/]   "}
PEOPLE = {11: "Ada", 12: "Grace", 13: "Edsger", 14: "Barbara"}
WORDS = ("hello", "is it open?", "thanks!", "where is my order?", "good morning", "one more please", "see you", "👋")
PAUSE = 0.35
"""Seconds between two messages of people."""
RESTART_AFTER = 12.0
SETTLE = 10.0
"""Seconds at the end for what is under way."""


@dataclass
class Server:
    """One `rookery serve` process."""

    process: trio.Process
    name: str


class Demo:
    """One run."""

    def __init__(self, simulator: BotApiSimulator, directory: str, port: int) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self.simulator = simulator
        self.directory = directory
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.api = httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=15)
        self.tokens = {id: simulator.new_bot().token for id in BOTS}
        self.written = 0
        self.restarts = 0
        self.ending = trio.Event()
        self.receiver: Receiver

    def say(self, text: str = "") -> None:
        """One line."""
        self.console.print(text)

    def tell(self, event: dict[str, Any]) -> None:
        """A message has arrived at the webhook."""
        person = PEOPLE.get(int(event["chat"]), event["chat"])
        text = escape(event["body"]["text"])
        self.say(
            f"  {BOTS[event['session']]}  {person:<8} [bold]{text:<20}[/] [dim]event {event['id']:>3} → webhook → echo[/]"
        )

    async def start_server(self, *arguments: str) -> Server:
        """Start a process; returns once it runs, not once it is ready."""
        environment = {
            **_environment(),
            "ROOKERY_PORT": str(self.port),
            "ROOKERY_DATA_DIR": self.directory,
            "ROOKERY_TELEGRAM_API_URL": self.simulator.url,
            "ROOKERY_TELEGRAM_POLL_TIMEOUT": "20",
            "LOG_LEVEL": "WARNING",
        }
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "rookery_http", "serve", *arguments],
            env=environment,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl+C is for us: we end the server in good order
        )
        return Server(process, f"process {process.pid}")

    async def answering(self, server: Server) -> None:
        """Wait until the API answers."""
        while True:
            if server.process.poll() is not None:
                raise RuntimeError(f"{server.name} ended with exit code {server.process.returncode}")
            try:
                if (await self.api.get("/readyz")).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await trio.sleep(0.05)

    async def set_up(self, endpoint: str) -> None:
        """Three sessions and a webhook, over the API."""
        for id, token in self.tokens.items():
            body = {"id": id, "platform": "telegram", "credentials": {"token": token}}
            (await self.api.post("/v1/sessions", json=body)).raise_for_status()
        answer = (await self.api.post("/v1/webhooks", json={"url": endpoint})).raise_for_status()
        self.receiver.secret = answer.json()["secret"]

    async def people(self) -> None:
        """Write until the end."""
        while not self.ending.is_set():
            bot = self.simulator.bot(random.choice(list(self.tokens.values())))  # noqa: S311
            if bot.push_text(random.choice(WORDS), chat_id=random.choice(list(PEOPLE))) is not None:  # noqa: S311
                self.written += 1
            with trio.move_on_after(PAUSE):
                await self.ending.wait()

    async def hand_over(self, old: Server) -> Server:
        """Replace the server under traffic, the way a redeploy does."""
        self.say()
        new = await self.start_server("--wait", "30")
        self.say(f"[bold yellow]↻ a redeploy:[/] {new.name} starts and waits for the data directory of {old.name}")
        await trio.sleep(1.5)  # it imports everything and then waits
        started = trio.current_time()
        old.process.send_signal(signal.SIGTERM)
        code = await old.process.wait()
        stopped = trio.current_time()
        self.say(f"[bold yellow]↻[/] {old.name} got SIGTERM and ended in {stopped - started:.2f} s, exit code {code}")
        await self.answering(new)
        gone = trio.current_time() - stopped
        self.restarts += 1
        self.say(
            f"[bold yellow]↻[/] {new.name} took over and answers after another {gone:.2f} s; people wrote on meanwhile"
        )
        self.say()
        return new

    async def settled(self) -> None:
        """Wait until everything that was written has been answered."""
        with trio.move_on_after(SETTLE):
            while self.receiver.echoes < self.written:
                await trio.sleep(0.05)

    async def counts(self) -> list[tuple[str, int, bool]]:
        """What must be true at the end: a name, a number, and whether it is as it should be."""
        events = await self._stored()
        keys = {(event["session"], event["key"]) for event in events}
        sent = [sent for token in self.tokens.values() for sent in self.simulator.bot(token).sent]
        conflicts = sum(self.simulator.bot(token).errors[409] for token in self.tokens.values())
        delivered = self.receiver.deliveries
        return [
            ("messages that people wrote", self.written, True),
            ("events in the log", len(events), len(events) == self.written),
            ("  of these twice", len(events) - len(keys), len(events) == len(keys)),
            ("events that reached the webhook", len(delivered), len(delivered) == self.written),
            ("  bad signatures", self.receiver.bad_signatures, self.receiver.bad_signatures == 0),
            ("answers that people got", len(sent), len(sent) == self.written),
            ("409 conflicts at Telegram", conflicts, conflicts == 0),
            ("restarts under traffic", self.restarts, True),
            ("requests repeated meanwhile, each sent once", self.receiver.retries, True),
        ]

    async def _stored(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page = (await self.api.get("/v1/events", params={"after": after, "limit": 500, "type": "message"})).json()
            found += page["events"]
            after = page["next"]
        return found


def _environment() -> Mapping[str, str]:
    """Ours, without settings that are meant for a real server."""
    own = ("ROOKERY_", "DATABASE_URL", "MAX_CONCURRENT_SESSIONS", "AUTO_CLEANUP_ON_LOGOUT", "LOG_")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


def free_port() -> int:
    """A port that nobody uses now; both processes of the demo listen on it, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def _stopped_at_the_end(servers: list[Server]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 12):
            for server in servers:
                if server.process.poll() is None:
                    server.process.terminate()
            for server in servers:
                await server.process.wait()
        for server in servers:
            if server.process.poll() is None:
                server.process.kill()


async def _run(seconds: float | None, port: int) -> int:
    servers: list[Server] = []
    with tempfile.TemporaryDirectory(prefix="rookery-demo-") as directory:
        async with open_bot_api_simulator() as simulator, _stopped_at_the_end(servers):
            demo = Demo(simulator, directory, port or free_port())
            async with demo.api, trio.open_nursery() as nursery:
                demo.receiver = Receiver(nursery, demo.api, demo.tell)
                stop = trio.Event()
                (address,) = await nursery.start(
                    partial(serve, demo.receiver, await open_listeners("127.0.0.1", 0), stop=stop, drain=1.0)
                )
                bad = await _play(demo, servers, seconds, address.url, nursery)
                stop.set()
                nursery.cancel_scope.cancel()
    return 1 if bad else 0


async def _play(demo: Demo, servers: list[Server], seconds: float | None, endpoint: str, nursery: trio.Nursery) -> bool:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:

        async def watch() -> None:
            async for _ in signals:
                if demo.ending.is_set():
                    os._exit(130)
                demo.ending.set()

        nursery.start_soon(watch)
        servers.append(await demo.start_server())
        await demo.answering(servers[0])
        await demo.set_up(f"{endpoint}/hook")
        demo.say(
            f"[bold]Rookery listens on {demo.url}[/]  (docs: {demo.url}/docs, events: {demo.url}/v1/events/stream)"
        )
        demo.say(f"[dim]Telegram is simulated on {demo.simulator.url}; the data is in {demo.directory}[/]")
        demo.say(f"[dim]Look around meanwhile: ROOKERY_URL={demo.url} rookery sessions list[/]")
        demo.say("[dim]" + ("Ctrl+C ends it." if seconds is None else f"It ends after {seconds:g} s.") + "[/]")
        demo.say()
        nursery.start_soon(demo.people)
        started = trio.current_time()
        before = RESTART_AFTER if seconds is None else min(RESTART_AFTER, seconds / 2)
        with trio.move_on_after(before):
            await demo.ending.wait()
        if not demo.ending.is_set():
            servers.append(await demo.hand_over(servers[0]))
        with trio.move_on_after(float("inf") if seconds is None else max(1.0, started + seconds - trio.current_time())):
            await demo.ending.wait()
        demo.ending.set()
        await demo.settled()
        return _summary(demo, await demo.counts())


def _summary(demo: Demo, counts: list[tuple[str, int, bool]]) -> bool:
    demo.say()
    for name, number, right in counts:
        demo.say(f"  {'[green]✓[/]' if right else '[red]✗[/]'} {number:>5}  {name}")
    bad = not all(right for _, _, right in counts)
    demo.say()
    demo.say("[red]Something is missing or repeated.[/]" if bad else "[bold green]Nothing lost, nothing repeated.[/]")
    return bad


def run_demo(seconds: float | None, port: int) -> int:
    """Exit code 0 when everything was counted as it should be."""
    return trio.run(_run, seconds, port)
