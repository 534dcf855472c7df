"""Submits numbered messages through an engine with a fake platform, and reads how they ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import trio

from rookery import Engine, OutboundMessage, Receipt
from support.fake_platform import (
    FakeLink,
    TroubledStore,
)
from support.waiting import until_found


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
