"""python-telegram-bot as a client of the throughput benchmark: `ptb_bot.py receive|echo|send URL TOKEN COUNT [options]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import Any

from telegram import Bot, Update
from telegram.ext import ApplicationBuilder, MessageHandler, filters


async def main(arguments: argparse.Namespace) -> None:
    application = (
        ApplicationBuilder()
        .token(arguments.token)
        .base_url(f"{arguments.url}/bot")
        .concurrent_updates(arguments.in_flight or False)
        .build()
    )
    async with application:
        cpu = time.process_time()
        if arguments.mode == "send":
            await send(application.bot, arguments)
            done, cpu = time.time(), time.process_time() - cpu
        else:
            all_done = prepare(application, arguments)
            assert application.updater is not None
            await application.updater.start_polling(timeout=50)
            await application.start()
            await all_done.wait()
            done, cpu = time.time(), time.process_time() - cpu
            await application.updater.stop()
            await application.stop()
    print(json.dumps({"done": done, "cpu": cpu}))


def prepare(application: Any, arguments: argparse.Namespace) -> asyncio.Event:
    all_done = asyncio.Event()
    done = 0

    async def handle(update: Update, context: object) -> None:
        nonlocal done
        assert update.message is not None
        if arguments.mode == "echo":
            await update.message.reply_text(update.message.text or "")
        done += 1
        if done == arguments.count:
            all_done.set()

    application.add_handler(MessageHandler(filters.ALL, handle))
    return all_done


async def send(bot: Bot, arguments: argparse.Namespace) -> None:
    async def one_chat(chat: int) -> None:
        for number in range(arguments.count // arguments.chats):
            await bot.send_message(chat, f"{number}")

    await asyncio.gather(*(one_chat(chat) for chat in range(1, arguments.chats + 1)))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["receive", "echo", "send"])
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("count", type=int)
    parser.add_argument("--in-flight", type=int, default=0, help="updates handled at once, 0 for one after another")
    parser.add_argument("--chats", type=int, default=100)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(parse()))
