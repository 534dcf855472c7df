"""Submits numbered messages through an engine with a fake platform, and reads how they ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio

from rookery import Engine, OutboundMessage, Receipt
from rookery_telegram import Rates
from support.fake_platform import FakeLink, FakePlatform, TroubledStore, add, connected, open_fake_engine, settled
from support.waiting import until_found


class PacedLink(FakeLink):
    """Keeps Telegram's usual pace."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._pacer = Rates().pacer()
        self.ready_in, self.book = self._pacer.ready_in, self._pacer.book


@asynccontextmanager
async def open_connected(
    platform: FakePlatform, store: TroubledStore | None = None, **options: Any
) -> AsyncIterator[Engine]:
    """An engine whose session `a` is connected and idle."""
    async with open_fake_engine(platform, store, **options) as engine:
        await add(engine)
        await connected(engine)
        await settled()
        yield engine


async def submit(engine: Engine, count: int, *, to: str = "7", first: int = 1) -> list[str]:
    return [(await engine.submit("a", to=to, text=str(number))).id for number in range(first, first + count)]


async def states(engine: Engine, ids: list[str]) -> Counter[str]:
    return Counter([(await engine.get_message(id)).state.value for id in ids])


async def final(engine: Engine, id: str, *, seconds: float = 60) -> OutboundMessage:
    """The message, once its state can no longer change."""
    return await until_found(
        partial(engine.get_message, id), lambda message: message.state.final, seconds=seconds, step=0.1
    )


async def all_final(engine: Engine, ids: list[str], *, seconds: float = 60) -> Counter[str]:
    with trio.fail_after(seconds):
        for id in ids:
            await final(engine, id, seconds=seconds)
    return await states(engine, ids)


def numbers(count: int, first: int = 1) -> list[str]:
    return [str(number) for number in range(first, first + count)]


def failing(*errors: Exception | None) -> Callable[[FakeLink, OutboundMessage], Awaitable[Receipt]]:
    """Raise these in turn (None: succeed), then succeed."""
    waiting = list(errors)

    async def on_send(link: FakeLink, message: OutboundMessage) -> Receipt:
        error = waiting.pop(0) if waiting else None
        if error is not None:
            raise error
        return await link.platform.take(link, message)

    return on_send


async def stored_states(store: TroubledStore) -> list[str]:
    """The states of all stored messages; the store has no call for that, nor needs one."""
    inner: Any = store.inner
    rows = await inner._read(lambda connection: connection.execute("SELECT state FROM messages").fetchall())
    return [state for (state,) in rows]
