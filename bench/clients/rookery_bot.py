"""Rookery, embedded, as a client of the throughput benchmark: `rookery_bot.py receive|echo|send URL TOKEN COUNT [options]`.

Stores in a new SQLite file, or with `--postgres` in a new schema of a PostgreSQL database. Prints one JSON line: when the
work was done (unix time) and the CPU seconds it took.
"""

from __future__ import annotations

import argparse
import gc
import json
import secrets
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from rookery import Engine, Event, OutboundMessage, SessionStatus, open_engine
from rookery.store.contract import Store
from rookery.store.secrets import SecretBox
from rookery_telegram import Rates, Telegram

SESSION = "bot"


@asynccontextmanager
async def engine_for(arguments: argparse.Namespace, directory: str) -> AsyncIterator[Engine]:
    provider = Telegram(api_url=arguments.url, rates=Rates(overall=0, per_chat=0, per_group=0))
    store: Store | str = f"sqlite:///{directory}/rookery.db"
    if arguments.postgres:
        from rookery.store.postgres.store import PostgresStore  # needs asyncpg

        store = PostgresStore(arguments.postgres, SecretBox.generated(), schema=f"bench_{secrets.token_hex(4)}")
    # Loaded with the first session. Peers load what they use before they are measured.
    import rookery_telegram.bot_api.server
    import rookery_telegram.link  # noqa: F401

    async with open_engine(providers=[provider], store=store) as engine:
        yield engine


async def start(engine: Engine, token: str) -> None:
    await engine.create_session(platform="telegram", id=SESSION, credentials={"token": token})


async def receive(engine: Engine, arguments: argparse.Namespace) -> None:
    """Until the event log holds everything. Looks seldom while much is left: peers count what they handle for nothing."""
    await start(engine, arguments.token)
    while (left := arguments.count - await engine.last_event_id()) > 0:
        await trio.sleep(max(0.002, left * 8e-6))


async def echo(engine: Engine, arguments: argparse.Namespace) -> None:
    """Answer every event with its text, in order within each chat, a page at a time. A send is stored before it leaves, its
    receipt after."""
    if arguments.one_by_one:
        await echo_one_by_one(engine, arguments)
        return
    await start(engine, arguments.token)
    events = engine.events(after=0, session=SESSION, types=["message"])
    sent: deque[str] = deque()
    last: dict[str, str] = {}
    left = arguments.count
    while left > 0:
        page = await events.next_page()
        answers = await engine.submit_batch(SESSION, [{"to": event.chat, "text": event.body["text"]} for event in page])
        for answer in answers:
            assert isinstance(answer, OutboundMessage), answer
            last[answer.to] = answer.id
        left -= len(page)
        sent.append(answer.id)  # type: ignore[union-attr]
        if len(sent) > 2:  # not more than three pages are on their way
            await engine.wait_message(sent.popleft(), 60)
    for id in last.values():
        await engine.wait_message(id, 60)


async def echo_one_by_one(engine: Engine, arguments: argparse.Namespace) -> None:
    """The same with a task for each chat, which waits for the receipt of an answer before it sends the next."""
    places = trio.Semaphore(arguments.in_flight)
    waiting: dict[str, deque[Event]] = {}

    async def answer(chat: str, queue: deque[Event]) -> None:
        while queue:
            await engine.send(SESSION, to=chat, text=queue.popleft().body["text"])
            places.release()
        del waiting[chat]

    await start(engine, arguments.token)
    left = arguments.count
    async with trio.open_nursery() as nursery:
        async for event in engine.events(after=0, session=SESSION, types=["message"]):
            chat = event.chat or ""
            await places.acquire()
            if chat in waiting:
                waiting[chat].append(event)
            else:
                waiting[chat] = deque((event,))
                nursery.start_soon(answer, chat, waiting[chat])
            left -= 1
            if not left:
                break


async def send(engine: Engine, arguments: argparse.Namespace) -> None:
    """Every chat gets its messages one after another, all chats at once."""
    each = arguments.count // arguments.chats

    async def one_chat(chat: int) -> None:
        for number in range(each):
            await engine.send(SESSION, to=chat, text=f"{number}")

    await start(engine, arguments.token)
    await engine.wait_status(SESSION, SessionStatus.CONNECTED)
    async with trio.open_nursery() as nursery:
        for chat in range(1, arguments.chats + 1):
            nursery.start_soon(one_chat, chat)


async def main(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(dir=arguments.data) as directory:
        async with engine_for(arguments, directory) as engine:
            # As `rookery serve` does, and as docs/embedding.md advises.
            gc.freeze()
            gc.set_threshold(5_000)
            cpu = time.process_time()
            await {"receive": receive, "echo": echo, "send": send}[arguments.mode](engine, arguments)
            done, cpu = time.time(), time.process_time() - cpu
        print(json.dumps({"done": done, "cpu": cpu}))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["receive", "echo", "send"])
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("count", type=int)
    parser.add_argument("--chats", type=int, default=100)
    parser.add_argument("--in-flight", type=int, default=200)
    parser.add_argument("--one-by-one", action="store_true", help="echo by a send for each event")
    parser.add_argument("--data", default=None, help="an absolute path, for SQLite")
    parser.add_argument("--postgres", default=None, help="the URL of a database")
    return parser.parse_args()


if __name__ == "__main__":
    trio.run(main, parse())
