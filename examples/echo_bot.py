"""An echo bot inside a plain Trio program: `TELEGRAM_TOKEN=... python examples/echo_bot.py`, Ctrl+C ends it.

Everything received is on disk before it is handled, and the last handled event is remembered, so a restart loses nothing.
"""

import os
from pathlib import Path

import trio

from rookery import open_engine
from rookery_telegram import Telegram

DATA = Path(os.environ.get("ECHO_DATA", "echo-data"))
CURSOR = DATA / "cursor"


async def main() -> None:
    telegram = Telegram(api_url=os.environ.get("TELEGRAM_API_URL", "https://api.telegram.org"))
    async with open_engine(store=f"sqlite:///{DATA}/echo.db", providers=[telegram]) as engine:
        token = os.environ["TELEGRAM_TOKEN"]
        await engine.create_session(id="echo", platform="telegram", credentials={"token": token}, exist_ok=True)
        print("listening", flush=True)
        done = int(CURSOR.read_text()) if CURSOR.exists() else 0
        async for event in engine.events(after=done, session="echo", types=["message"]):
            if event.body["kind"] == "text":
                await engine.submit("echo", to=event.chat, text=event.body["text"], idempotency_key=f"echo-{event.id}")
            CURSOR.write_text(str(event.id))


if __name__ == "__main__":
    try:
        trio.run(main)
    except* KeyboardInterrupt:
        print("stopped")
