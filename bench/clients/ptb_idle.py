"""python-telegram-bot with many idle bots in one process: `ptb_idle.py URL`, the tokens on standard input.

Prints `{"ready": true}` when polling begins and `{"received": unix time}` when each bot has had a message.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from telegram import Update
from telegram.ext import ApplicationBuilder, MessageHandler, filters


async def main(url: str, tokens: list[str]) -> None:
    received = 0

    async def handle(update: Update, context: object) -> None:
        nonlocal received
        received += 1
        if received == len(tokens):
            print(json.dumps({"received": time.time()}), flush=True)

    applications = []
    for token in tokens:
        application = ApplicationBuilder().token(token).base_url(f"{url}/bot").build()
        application.add_handler(MessageHandler(filters.ALL, handle))
        await application.initialize()
        assert application.updater is not None
        await application.updater.start_polling(timeout=50)
        await application.start()
        applications.append(application)
    print(json.dumps({"ready": True}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(sys.stdin.readline())))
