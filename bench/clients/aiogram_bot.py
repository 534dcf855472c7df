"""aiogram as a client of the throughput benchmark: `aiogram_bot.py receive|echo|send URL TOKEN COUNT [options]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import time

from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import Message


async def main(arguments: argparse.Namespace) -> None:
    bot = Bot(arguments.token, session=AiohttpSession(api=TelegramAPIServer.from_base(arguments.url)))
    cpu = time.process_time()
    if arguments.mode == "send":
        await send(bot, arguments)
    else:
        await poll(bot, arguments)
    print(json.dumps({"done": time.time(), "cpu": time.process_time() - cpu}))
    await bot.session.close()


async def poll(bot: Bot, arguments: argparse.Namespace) -> None:
    dispatcher = Dispatcher()
    all_done = asyncio.Event()
    done = 0

    @dispatcher.message()  # type: ignore[untyped-decorator]
    async def handle(message: Message) -> None:
        nonlocal done
        if arguments.mode == "echo":
            await message.answer(message.text or "")
        done += 1
        if done == arguments.count:
            all_done.set()

    polling = asyncio.create_task(
        dispatcher.start_polling(
            bot,
            handle_as_tasks=arguments.tasks,
            tasks_concurrency_limit=arguments.in_flight or None if arguments.tasks else None,
            polling_timeout=50,
            handle_signals=False,
            close_bot_session=False,
        )
    )
    await all_done.wait()
    polling.cancel()  # after the measurement, so how it ends does not matter
    await asyncio.gather(polling, return_exceptions=True)


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
    parser.add_argument("--tasks", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--in-flight", type=int, default=0, help="updates handled at once, 0 for no limit")
    parser.add_argument("--chats", type=int, default=100)
    parser.add_argument("--uvloop", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    chosen = parse()
    if chosen.uvloop:
        import uvloop

        uvloop.run(main(chosen))
    else:
        asyncio.run(main(chosen))
