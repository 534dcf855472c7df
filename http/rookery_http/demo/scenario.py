"""The course of the demo: people write, a phone is paired, one server replaces another, and the messages are counted."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import trio
from rich.console import Console
from rich.markup import escape

from rookery_simulator import BotApiSimulator

from .phone import PEOPLE as PHONES
from .phone import SESSION as PHONE
from .phone import CannotPair, DemoPhone
from .receiver import Receiver
from .server import DemoServer, start_server

BOTS = {"shop": "[cyan]shop[/]   ", "support": "[magenta]support[/]", "news": "[green]news[/]   "}
SESSIONS = BOTS | {PHONE: "[yellow]phone[/]  "}
PEOPLE = {11: "Ada", 12: "Grace", 13: "Edsger", 14: "Barbara"}
NAMES = {str(chat): name for chat, name in PEOPLE.items()} | PHONES
WORDS = ("hello", "is it open?", "thanks!", "where is my order?", "good morning", "one more please", "see you", "👋")
PAUSE = 0.35
"""Seconds between two messages that people write."""
SETTLE = 10.0
"""Seconds at the end to finish deliveries that are under way."""


class Scenario:
    """One run of the demo. Owns the client of the API; its caller closes it."""

    def __init__(self, simulator: BotApiSimulator, phone: DemoPhone | None, directory: str, port: int) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self.simulator = simulator
        self.phone = phone
        self.directory = directory
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.api = httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=15)
        self.tokens = {id: simulator.new_bot().token for id in BOTS}
        self.written = 0
        self.restarts = 0
        self.reconnects = 0  # WhatsApp logins after a restart; fewer when Ctrl+C came first
        self.whatsapp_failed = False
        self.ending = trio.Event()
        self._waits = trio.CancelScope()
        self.receiver: Receiver

    def say(self, text: str = "") -> None:
        """Print one line."""
        self.console.print(text)

    def tell(self, event: dict[str, Any]) -> None:
        """A message has arrived at the webhook."""
        person = NAMES.get(event["chat"].partition("@")[0], event["chat"])
        text = escape(event["body"]["text"])
        self.say(
            f"  {SESSIONS[event['session']]}  {person:<9} [bold]{text:<20}[/] [dim]event {event['id']:>3} → webhook → echo[/]"
        )

    async def start_server(self, *arguments: str) -> DemoServer:
        """Start a process; returns once it runs, not once it is ready."""
        environment = {
            "ROOKERY_PORT": str(self.port),
            "ROOKERY_DATA_DIR": self.directory,
            "ROOKERY_TELEGRAM_API_URL": self.simulator.url,
            "ROOKERY_TELEGRAM_POLL_TIMEOUT": "20",
            "LOG_LEVEL": "WARNING",
            **(self.phone.environment if self.phone is not None else {}),
        }
        return await start_server(environment, *arguments)

    async def set_up(self, endpoint: str) -> None:
        """Three sessions and a webhook, over the API."""
        for id, token in self.tokens.items():
            body = {"id": id, "platform": "telegram", "credentials": {"token": token}}
            (await self.api.post("/v1/sessions", json=body)).raise_for_status()
        answer = (await self.api.post("/v1/webhooks", json={"url": endpoint, "events": ["message"]})).raise_for_status()
        self.receiver.secret = answer.json()["secret"]

    async def pair(self) -> None:
        """Link a WhatsApp session with a QR code, or say what to install for that."""
        if self.phone is None:
            self.say("[dim]WhatsApp is not shown: the extra `whatsapp` of Rookery (on Linux) brings it in.[/]")
            return
        self.say(f"[bold yellow]☎ WhatsApp:[/] the session {PHONE} loads its library and asks for a QR code")
        started = trio.current_time()
        try:
            with self._until_ending():
                await self.phone.pair(self.api, self._draw)
        except (httpx.HTTPError, CannotPair) as error:
            self.whatsapp_failed = True
            self.say(f"[red]☎ WhatsApp could not be paired:[/] {escape(str(error))}")
        if self.phone.paired:
            self.say(
                f"[bold yellow]☎[/] a scripted phone has scanned it; connected {trio.current_time() - started:.1f} s after "
                "the session was created"
            )

    def _draw(self, code: str) -> None:
        lines = code.splitlines()
        if len(lines[0]) > self.console.width:
            self.say(f"[dim]a terminal of {len(lines[0])} columns would show the QR code here[/]")
        else:
            self.say(code.rstrip("\n"))

    def end(self) -> None:
        """Stop writing messages, and stop waiting for WhatsApp."""
        self.ending.set()
        self._waits.cancel()

    @contextmanager
    def _until_ending(self) -> Iterator[None]:
        with trio.CancelScope() as self._waits:
            if self.ending.is_set():
                self._waits.cancel()
            yield

    async def people(self) -> None:
        """Write messages until the end."""
        while not self.ending.is_set():
            text = random.choice(WORDS)  # noqa: S311
            id = random.choice(self.sessions)  # noqa: S311
            if id in self.tokens:
                chat = random.choice(list(PEOPLE))  # noqa: S311
                self.written += self.simulator.bot(self.tokens[id]).push_text(text, chat_id=chat) is not None
            elif self.phone is not None:
                self.phone.write(text)
                self.written += 1
            with trio.move_on_after(PAUSE):
                await self.ending.wait()

    async def hand_over(self, old: DemoServer) -> DemoServer:
        """Replace the server under traffic, the way a redeploy does."""
        self.say()
        new = await self.start_server("--wait", "30")
        self.say(f"[bold yellow]↻ a redeploy:[/] {new.name} starts and waits for the data directory of {old.name}")
        await trio.sleep(1.5)  # it imports everything and then waits
        logins = self.phone.logins if self.phone is not None else 0
        started = trio.current_time()
        old.process.send_signal(signal.SIGTERM)
        code = await old.process.wait()
        stopped = trio.current_time()
        self.say(f"[bold yellow]↻[/] {old.name} got SIGTERM and ended in {stopped - started:.2f} s, exit code {code}")
        await new.answering(self.api)
        gone = trio.current_time() - stopped
        self.restarts += 1
        self.say(
            f"[bold yellow]↻[/] {new.name} took over and answers after another {gone:.2f} s; people wrote on meanwhile"
        )
        if self.phone is not None and self.phone.paired:
            try:
                with self._until_ending():
                    await self.phone.back(logins)
                    self.reconnects += 1
                    took = trio.current_time() - stopped
                    self.say(f"[bold yellow]☎[/] WhatsApp is connected again after {took:.2f} s, without a QR code")
            except trio.TooSlowError:
                self.whatsapp_failed = True
                self.say("[red]☎ WhatsApp did not come back[/]")
        self.say()
        return new

    @property
    def sessions(self) -> list[str]:
        """The sessions that people can write to."""
        return [*self.tokens, *([PHONE] if self.phone is not None and self.phone.paired else [])]

    @property
    def answers(self) -> int:
        """Number of answers that people got."""
        on_telegram = sum(len(self.simulator.bot(token).sent) for token in self.tokens.values())
        return on_telegram + (self.phone.answers if self.phone is not None else 0)

    async def settled(self) -> None:
        """Wait until everything that was written has been answered."""
        with trio.move_on_after(SETTLE):
            while self.receiver.echoes < self.written or self.answers < self.written:
                await trio.sleep(0.05)

    async def counts(self) -> list[tuple[str, int, bool]]:
        """The final checks: for each a name, a number, and whether the number is right."""
        events = await self._stored()
        keys = {(event["session"], event["key"]) for event in events}
        conflicts = sum(self.simulator.bot(token).errors[409] for token in self.tokens.values())
        delivered = self.receiver.deliveries
        counts = [
            ("messages that people wrote", self.written, True),
            ("events in the log", len(events), len(events) == self.written),
            ("  of these twice", len(events) - len(keys), len(events) == len(keys)),
            ("events that reached the webhook", len(delivered), len(delivered) == self.written),
            ("  bad signatures", self.receiver.bad_signatures, self.receiver.bad_signatures == 0),
            ("answers that people got", self.answers, self.answers == self.written),
            ("409 conflicts at Telegram", conflicts, conflicts == 0),
            ("restarts under traffic", self.restarts, True),
            ("requests repeated meanwhile, each sent once", self.receiver.retries, True),
        ]
        if self.phone is not None and (self.phone.paired or self.whatsapp_failed):
            again = self.phone.logins - self.phone.scans
            as_told = self.reconnects <= again <= self.restarts and not self.whatsapp_failed
            counts += [
                ("QR codes that had to be scanned for WhatsApp", self.phone.scans, self.phone.scans == 1),
                ("  logins without one, after a restart", again, as_told),
            ]
        return counts

    async def _stored(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page = (await self.api.get("/v1/events", params={"after": after, "limit": 500, "type": "message"})).json()
            found += page["events"]
            after = page["next"]
        return found
