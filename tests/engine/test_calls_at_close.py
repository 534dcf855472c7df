"""Calls of host tasks outside the engine's block end soon after the engine has closed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from rookery import Engine, SessionStatus
from rookery.errors import StoreError
from support.fake_platform import FakePlatform, add, hang, open_fake_engine


async def _send(engine: Engine) -> object:
    return await engine.send("a", to="7", text="x")


async def _submit_and_wait(engine: Engine) -> object:
    return await engine.submit("a", to="7", text="x", wait=10_000)


async def _wait_for_a_message(engine: Engine) -> object:
    message = await engine.submit("a", to="7", text="x")
    return await engine.wait_message(message.id, 10_000)


async def _follow_events(engine: Engine) -> object:
    stream = engine.events(session="a")
    while True:
        await anext(stream)


async def _wait_for_a_status(engine: Engine) -> object:
    return await engine.wait_status("a", SessionStatus.CONNECTED)


@pytest.mark.parametrize(
    "call",
    [_send, _submit_and_wait, _wait_for_a_message, _follow_events, _wait_for_a_status],
    ids=lambda call: call.__name__,
)
async def test_a_call_of_a_task_outside_the_block_ends_soon_after_the_engine(
    call: Callable[[Engine], Awaitable[object]], autojump_clock: MockClock
) -> None:
    platform = FakePlatform()
    platform.plan("a", hang)  # it never connects, so nothing ends the message
    errors: list[StoreError] = []

    async def host(engine: Engine) -> None:
        try:
            await call(engine)
        except StoreError as error:
            errors.append(error)

    async with trio.open_nursery() as nursery:
        async with open_fake_engine(platform) as engine:
            await add(engine)
            nursery.start_soon(host, engine)
            await trio.sleep(20)
            assert not errors
        nursery.cancel_scope.deadline = trio.current_time() + 3
    assert len(errors) == 1
