"""How an engine opens: what can fail, cancellation, and its place in the program around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from rookery import Engine, open_engine
from rookery.errors import InvalidInput, StoreUnavailable
from rookery.store.open import MemoryStore
from support.fake_platform import (
    FakePlatform,
    add,
    connected,
    event,
    open_fake_engine,
    open_troubled_store,
)
from support.waiting import until


class Oops(Exception):
    pass


async def test_a_provider_that_cannot_start_raises_and_the_store_is_closed(autojump_clock: MockClock) -> None:
    class Broken(FakePlatform):
        @asynccontextmanager
        async def running(self) -> AsyncIterator[None]:
            raise Oops("no library")
            yield

    async with open_troubled_store() as store:
        with pytest.raises(Oops):
            async with open_fake_engine(Broken(), store):
                pytest.fail("opened")
        assert not store.is_open


@pytest.mark.parametrize("method", ["last_event_id", "list_sessions", "claim", "list_webhooks"])
async def test_opening_can_be_cancelled_wherever_it_hangs(method: str, autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store:
        store.hanging = {method}
        with trio.move_on_after(20) as outer, trio.move_on_after(5) as scope:
            async with open_fake_engine(platform, store):
                await trio.sleep_forever()
        assert not outer.cancelled_caught
        assert scope.cancelled_caught
        assert not store.is_open
        store.hanging = set()
        async with open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)


@pytest.mark.parametrize("steps", range(12))
async def test_opening_can_be_cancelled_at_any_moment(steps: int, autojump_clock: MockClock) -> None:
    """Cancelled after so many steps of the scheduler; whatever was begun is undone and nothing hangs."""
    platform = FakePlatform()
    async with open_troubled_store() as store:
        with trio.CancelScope() as scope:

            async def canceller() -> None:
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
                scope.cancel()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(canceller)
                with trio.fail_after(30):
                    async with open_fake_engine(platform, store):
                        await trio.sleep_forever()
        assert scope.cancelled_caught
        assert not store.is_open
        assert not platform.is_running


async def test_a_store_that_fails_while_opening_raises(autojump_clock: MockClock) -> None:
    async with open_troubled_store() as store:
        store.down_methods = {"last_event_id"}
        with pytest.raises(StoreUnavailable):
            async with open_fake_engine(FakePlatform(), store):
                pytest.fail("opened")
        assert not store.is_open


async def test_two_providers_of_one_platform_are_refused() -> None:
    with pytest.raises(InvalidInput):
        async with open_engine(providers=[FakePlatform(), FakePlatform()], store=MemoryStore()):
            pytest.fail("opened")


async def test_a_host_task_from_before_lives_on(autojump_clock: MockClock) -> None:
    """A task that the host started before the engine uses it, and is not touched when it goes."""
    platform = FakePlatform()
    heard: list[str] = []
    ended = False

    async def host(ask: trio.MemoryReceiveChannel[Engine]) -> None:
        nonlocal ended
        engine = await ask.receive()
        await add(engine)
        await connected(engine)
        with trio.fail_after(30):
            async for one in engine.events(after=0, types=["message"]):
                heard.append(one.key)
                break
        await trio.sleep(100)
        ended = True

    async with trio.open_nursery() as nursery:
        give, ask = trio.open_memory_channel[Engine](1)
        nursery.start_soon(host, ask)
        async with open_fake_engine(platform) as engine:
            await give.send(engine)
            await until(lambda: bool(platform.links))
            await platform.link().inbox.commit([event(1)], "1")
            await trio.sleep(1)
    assert heard == ["1"]
    assert ended


async def test_two_engines_in_one_program(autojump_clock: MockClock) -> None:
    one, two = FakePlatform(), FakePlatform()
    async with open_fake_engine(one) as first:
        async with open_fake_engine(two) as second:
            await add(first)
            await add(second)
            await connected(first)
            await connected(second)
        assert two.open_links == 0
        assert one.open_links == 1


async def test_an_engine_inside_a_nursery_and_one_after_another(autojump_clock: MockClock) -> None:
    async def use() -> None:
        async with open_fake_engine(FakePlatform()) as engine:
            await add(engine)
            await connected(engine)

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(use)
    await use()
