"""Small fixed pieces of hot paths, without clocks, sockets and threads, so that each takes the same instructions every time.

Runs under `valgrind --tool=callgrind --instr-atstart=no`: each piece runs twice, and callgrind counts the second time.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio

from rookery import EngineSettings, EventQuery, Session, SessionStatus, open_engine
from rookery.delivery.post import request_body
from rookery.delivery.signature import Signer
from rookery.model.event import Event, NewEvent
from rookery.model.message import Receipt
from rookery.model.webhook import Delivery, Webhook
from rookery.provider.contract import Inbox
from rookery.runtime.http_answer import AnswerReader
from rookery_telegram.receiving.updates import read_updates

TEXT = "a message of ordinary length, as people write them all day"
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nserver: nginx\r\n"
    b"connection: keep-alive\r\ncontent-length: 60\r\n\r\n"
    + b'{"ok":true,"result":{"message_id":1,"chat":{"id":7}}}'.ljust(60)
)


def updates(count: int) -> bytes:
    """The result of one getUpdates."""
    user = {"id": 9, "is_bot": False, "first_name": "Ann"}
    chat = {"id": 7, "type": "private", "first_name": "Ann"}
    message = {"message_id": 1, "from": user, "chat": chat, "date": 1_700_000_000, "text": TEXT}
    return json.dumps([{"update_id": number, "message": message} for number in range(1, count + 1)]).encode()


class Platform:
    """A platform that accepts every send at once."""

    platform = "smoke"

    def __init__(self) -> None:
        self.inbox: Inbox | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield

    def check(self, credentials: Any, settings: Any) -> None:
        """Accepts everything."""

    @asynccontextmanager
    async def open_link(self, session: Session, inbox: Inbox) -> AsyncIterator[Platform]:
        self.inbox = inbox
        yield self

    async def run(self) -> None:
        """Until the session stops."""
        await trio.sleep_forever()

    async def send(self, message: Any) -> Receipt:
        """One receipt."""
        await trio.lowlevel.checkpoint()
        return Receipt("1", 1.7e9)


def receive_updates() -> None:
    read_updates((200, {}, b'{"ok":true,"result":%b}' % updates(500)), now=lambda: 1.7e9)


def read_answers() -> None:
    for _ in range(3000):
        AnswerReader(65_536, False).feed(ANSWER)


def form_deliveries() -> None:
    webhook = Webhook(id="w", url="http://127.0.0.1/", secret="whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
    event = Event(1, "s", "smoke", "message", "1", 1.7e9, "7", "9", {"text": TEXT}, {"update_id": 1})
    delivery = Delivery("w", event, "s/7")
    signer = Signer(webhook)
    for _ in range(1000):
        signer.lines(delivery, request_body(delivery), 1.7e9)


async def with_engine(count: Callable[[str], None]) -> None:
    """The pieces that need an engine. `count` is called with a piece's name when it begins and with "" when it ends."""
    platform = Platform()
    settings = EngineSettings(health_interval=3600, prune_interval=3600, status_events=False)
    async with open_engine(providers=[platform], store="memory:", settings=settings) as engine:
        await engine.create_session(id="s", platform="smoke")
        await engine.wait_status("s", SessionStatus.CONNECTED)
        assert platform.inbox is not None
        body = json.dumps({"text": TEXT}).encode()
        for turn in range(2):
            batches = [
                [NewEvent(f"{turn}.{b}.{n}", "message", 1.7e9, str(n % 50), "9", body, body) for n in range(100)]
                for b in range(10)
            ]
            if turn:
                count("store 1,000 events")
            for batch in batches:
                await platform.inbox.commit(batch, None)
            if turn:
                count("")
        for turn in range(2):
            if turn:
                count("read 1,000 events by type")
            found = await engine.read_events(EventQuery(session="s", types=("message",), limit=1000))
            assert len(found) == 1000
            if turn:
                count("")
        # How many share a batch depends on threads: the least of several counts is what they need.
        for turn in range(12):
            sends = [{"to": str(n % 50), "text": f"{turn}.{n}"} for n in range(200)]
            if turn:
                count("send 200 messages")
            answers = await engine.submit_batch("s", sends)
            for answer in answers:
                await engine.wait_message(answer.id, 60)  # type: ignore[union-attr]
            if turn:
                count("")


PLAIN: dict[str, Callable[[], None]] = {
    "read 500 updates": receive_updates,
    "read 3,000 HTTP answers": read_answers,
    "form and sign 1,000 deliveries": form_deliveries,
}


def control(*arguments: str) -> None:
    subprocess.run(["callgrind_control", *arguments, str(os.getpid())], check=True, stdout=subprocess.DEVNULL)


def count(name: str) -> None:
    """Begin to count for this piece; "": the piece has ended."""
    if name:
        gc.disable()  # a full collection takes as long as a piece, and falls into this one or that
        sys.stdout.write(name + "\n")
        sys.stdout.flush()
        control("-i", "on")
    else:
        control("-i", "off")
        control("-d")
        gc.enable()


def main() -> None:
    for name, piece in PLAIN.items():
        piece()
        count(name)
        piece()
        count("")
    trio.run(partial(with_engine, count))


if __name__ == "__main__":
    main()
