"""Rookery with many idle bots: `rookery_idle.py URL DIRECTORY`, the tokens as a JSON list on standard input.

Prints `{"ready": true}` when they are created; runs until it is terminated.
"""

from __future__ import annotations

import gc
import json
import sys

import trio

from rookery import open_engine
from rookery_telegram import Telegram


async def main(url: str, directory: str, tokens: list[str]) -> None:
    async with open_engine(
        providers=[Telegram(api_url=url, poll_timeout=50)], store=f"sqlite:///{directory}/rookery.db"
    ) as engine:
        gc.freeze()  # this and the next line as `rookery serve` does, and as docs/embedding.md advises
        gc.set_threshold(5_000)
        for number, token in enumerate(tokens):
            await engine.create_session(platform="telegram", id=f"bot{number}", credentials={"token": token})
        print(json.dumps({"ready": True}), flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(main, sys.argv[1], sys.argv[2], json.loads(sys.stdin.readline()))
