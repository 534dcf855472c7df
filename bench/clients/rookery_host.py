"""A small host program: `rookery_host.py URL DIRECTORY [--wait SECONDS] [--poll SECONDS]`.

Tokens on standard input as a JSON list become sessions bot0, bot1, ...; an empty list leaves the stored ones as they are.
Prints JSON lines: `opened` when the engine is open, `left` when it is closed again (unix times). SIGTERM and SIGINT end it.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time

import trio

from rookery import open_engine
from rookery_telegram import Telegram


def tell(name: str) -> None:
    print(json.dumps({name: time.time()}), flush=True)


async def main(arguments: argparse.Namespace, tokens: list[str]) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, arguments, tokens, nursery.cancel_scope)
            async for _ in signals:
                tell("asked")
                nursery.cancel_scope.cancel()
                break


async def run(arguments: argparse.Namespace, tokens: list[str], scope: trio.CancelScope) -> None:
    try:
        async with open_engine(
            providers=[Telegram(api_url=arguments.url, poll_timeout=arguments.poll)],
            store=f"sqlite:///{arguments.directory}/rookery.db",
            wait=arguments.wait,
        ) as engine:
            tell("opened")
            for number, token in enumerate(tokens):
                await engine.create_session(platform="telegram", id=f"bot{number}", credentials={"token": token})
            tell("created")
            await trio.sleep_forever()
    finally:
        tell("left")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("directory")
    parser.add_argument("--wait", type=float, default=0)
    parser.add_argument("--poll", type=int, default=50)
    return parser.parse_args()


if __name__ == "__main__":
    trio.run(main, parse(), json.loads(sys.stdin.readline()))
