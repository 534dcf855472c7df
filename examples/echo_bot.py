"""An echo bot inside a plain Trio program: `TELEGRAM_TOKEN=... python examples/echo_bot.py`, Ctrl+C ends it.

What is received is on disk before it is handled, and the last event handled is remembered: a restart loses nothing.
"""

import os
import signal
from pathlib import Path

import trio

from rookery import open_engine
from rookery_telegram import Telegram

DATA = Path(os.environ.get("ECHO_DATA", "echo-data"))
CURSOR = DATA / "cursor"


async def echo() -> None:
    telegram = Telegram(api_url=os.environ.get("TELEGRAM_API_URL", "https://api.telegram.org"))
    async with open_engine(store=f"sqlite:///{DATA}/echo.db", providers=[telegram]) as engine:
        credentials = {"token": os.environ["TELEGRAM_TOKEN"]}
        await engine.create_session(id="echo", platform="telegram", credentials=credentials, exist_ok=True)
        done = int(CURSOR.read_text() or 0) if CURSOR.exists() else 0
        async for event in engine.events(after=done, session="echo", types=["message"]):
            if text := event.body["text"]:
                await engine.submit("echo", to=event.chat, text=text, idempotency_key=f"echo-{event.id}")  # type: ignore[arg-type]
            CURSOR.write_text(str(event.id))


async def main() -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(echo)
            await anext(signals)
            nursery.cancel_scope.cancel()  # the engine disconnects, stores what it has and leaves


if __name__ == "__main__":
    trio.run(main)
