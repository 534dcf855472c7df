"""What chats cost: `python bench/chats.py`.

100,000 received messages in 2,000 chats are stored, then the first pages are read: 50 chats, and 50 messages of one chat. CPU
is that of this process; what PostgreSQL's server needs is in the time of a page. The view of chats is filled apart from
receiving, so its cost stands by itself: CPU for each event, and the events that it can follow a second.
"""

from __future__ import annotations

import argparse
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio
from lab.postgres import DURABLE, private_server
from lab.report import table

from rookery.background.chat_view import SHARE, ChatView
from rookery.model.chat import NEWEST
from rookery.model.event import NewEvent
from rookery.model.event_type import ChatRole, EventType
from rookery.model.session import Health, Lease, Reason, Session, SessionStatus
from rookery.runtime.signals import Signals
from rookery.store.contract import Store
from rookery.store.open import SqliteStore
from rookery.store.postgres.store import PostgresStore
from rookery.store.secrets import SecretBox

MESSAGES, CHATS, PAGE = 100_000, 2_000, 50
TYPES = [EventType(name="message", summary="", platform="telegram", role=ChatRole.MESSAGE)]


def event(number: int) -> NewEvent:
    body = b'{"message_id":"%d","kind":"text","text":"hello world","chat_type":"private","sender_name":"Ann"}' % number
    chat = str(number % CHATS)
    return NewEvent(str(number), "message", time.time(), chat, chat, body, b'{"message":"' + b"x" * 500 + b'"}')


async def measure(make: Callable[[], Store], messages: int, runs: int) -> dict[str, float]:
    store = make()
    async with store.open():
        health = Health(status=SessionStatus.INITIALIZING, reason=Reason.STARTING, detail="", since=0.0)
        await store.create_session(Session(id="s", platform="telegram", name="s", enabled=True, health=health))
        [session] = await store.claim("bench", limit=1, now=time.time(), ttl=3600)
        lease = Lease(session.id, session.uid, "bench", session.fence)
        started = time.perf_counter()
        for first in range(0, messages, 100):
            await store.append(lease, [event(number) for number in range(first, first + 100)], None)
        stored = messages / (time.perf_counter() - started)
        view = ChatView("bench", store, Signals(), TYPES, time.time)
        cpu, wall = time.process_time(), time.perf_counter()
        while await view._follow():
            pass
        filled = (time.process_time() - cpu) / messages * 1e6
        behind = messages / (time.perf_counter() - wall)

        async def page(read: Callable[[], Awaitable[object]]) -> tuple[float, float]:
            spent, took = [], []
            for _ in range(runs):
                cpu, wall = time.process_time(), time.perf_counter()
                await read()
                spent.append((time.process_time() - cpu) * 1e3)
                took.append((time.perf_counter() - wall) * 1e3)
            return statistics.median(spent), statistics.median(took)

        list_cpu, list_wall = await page(lambda: store.list_chats("s", after=None, limit=PAGE))
        chat_cpu, chat_wall = await page(lambda: store.chat_page("s", "7", before=NEWEST, limit=PAGE))
    return {
        "stored/s": stored,
        "view us/event": filled,
        "view events/s": behind,
        "chats CPU ms": list_cpu,
        "chats ms": list_wall,
        "chat CPU ms": chat_cpu,
        "chat ms": chat_wall,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    rows: list[list[str]] = []
    titles: list[str] = []
    with tempfile.TemporaryDirectory() as data, private_server(*DURABLE) as server:
        makes: dict[str, Callable[[], Store]] = {
            "SQLite": lambda: SqliteStore(Path(data) / "bench.db", SecretBox.generated()),
            "PostgreSQL": lambda: PostgresStore(
                server.url, SecretBox.generated(), schema=f"bench_{secrets.token_hex(4)}"
            ),
        }
        for name, make in makes.items():
            result = trio.run(measure, make, options.messages, options.runs)
            rows.append([name, *(f"{value:,.1f}" for value in result.values())])
            titles = list(result)
    title = f"{options.messages:,} messages in {CHATS:,} chats, pages of {PAGE}, on {os.cpu_count()} cores"
    rests = f"While events keep coming the view rests {SHARE:g} times as long as it worked: {1 / (1 + SHARE):.0%} of a core."
    table(title, ["store", *titles], rows, rests)


if __name__ == "__main__":
    main()
