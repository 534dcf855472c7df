"""aiogram with many idle bots in one process: `aiogram_idle.py URL own|shared`, the tokens on standard input.

`own`: each bot has its HTTP session, as aiogram's multibot example; `shared`: one session for all with its limit raised.
Prints `{"ready": true}` when polling begins and `{"received": unix time}` when each bot has had a message.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import Message


async def main(url: str, sessions: str, tokens: list[str]) -> None:
    api = TelegramAPIServer.from_base(url)
    dispatcher = Dispatcher()
    received = 0

    @dispatcher.message()  # type: ignore[untyped-decorator]
    async def handle(message: Message) -> None:
        nonlocal received
        received += 1
        if received == len(tokens):
            print(json.dumps({"received": time.time()}), flush=True)

    if sessions == "shared":
        one = AiohttpSession(api=api, limit=0)
        bots = [Bot(token, session=one) for token in tokens]
    else:
        bots = [Bot(token, session=AiohttpSession(api=api)) for token in tokens]
    print(json.dumps({"ready": True}), flush=True)
    if bots:
        await dispatcher.start_polling(*bots, polling_timeout=50, handle_signals=False)
    else:
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.stdin.readline())))
