"""Conformance: a call that is cancelled happened completely or not at all, and the store works on."""

from __future__ import annotations

import random

import pytest
import trio

from rookery.errors import StoreError
from rookery.store.contract import Store
from store.backends import Backend
from store.building import all_events, create_and_claim, event, new_session, webhook

CANCELS = 500


async def test_a_storm_of_cancelled_appends(store: Store) -> None:
    await store.create_webhook(webhook())
    leases = [await create_and_claim(store, f"s{number}") for number in range(20)]
    acknowledged: set[tuple[str, str]] = set()
    chance = random.Random(7)

    async def attempt(number: int) -> None:
        lease = leases[number % len(leases)]
        delay = chance.uniform(0.0, 0.02)
        with trio.move_on_after(delay):
            await store.append(lease, [event(f"{number}-a"), event(f"{number}-b")], str(number))
            acknowledged.add((lease.session, str(number)))

    async with trio.open_nursery() as nursery:
        for number in range(CANCELS):
            nursery.start_soon(attempt, number)
            if number % 20 == 0:
                await trio.sleep(0.001)

    keys = {found.key for found in await all_events(store)}
    for number in range(CANCELS):
        assert (f"{number}-a" in keys) == (f"{number}-b" in keys)
    assert {f"{number}-a" for _, number in acknowledged} <= keys
    assert await store.delivery_counts() == {"hook": (len(keys), 0)}
    # Repeating all of it is harmless and completes it.
    for number in range(CANCELS):
        await store.append(leases[number % len(leases)], [event(f"{number}-a"), event(f"{number}-b")], str(number))
    assert len(await all_events(store)) == 2 * CANCELS


async def test_cancelled_reads_leave_nothing_behind(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.append(lease, [event(number) for number in range(2000)], None)
    async with trio.open_nursery() as nursery:
        for number in range(200):

            @nursery.start_soon
            async def read(delay: float = number / 20_000) -> None:
                with trio.move_on_after(delay):
                    await all_events(store)

    assert len(await all_events(store)) == 2000


async def test_a_caller_that_was_cancelled_before_did_nothing(store: Store) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.create_session(new_session())
    assert scope.cancelled_caught
    assert await store.count_sessions() == {}


async def test_closing_in_the_middle_of_writes(durable: Backend) -> None:
    acknowledged: list[int] = []
    store = durable.make()

    async def write() -> None:
        for number in range(100_000):
            await store.append(lease, [event(number)], None)
            acknowledged.append(number)

    with trio.move_on_after(0.1):
        async with store.open():
            lease = await create_and_claim(store)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(write)
    with pytest.raises(StoreError, match="not open"):
        await store.get_session("shop")
    with pytest.raises(StoreError, match="not open"):
        await store.create_session(new_session("late"))
    async with store.open():
        found = [int(one.key) for one in await all_events(store)]
        assert found == list(range(len(found)))
        assert found[: len(acknowledged)] == acknowledged


async def test_a_store_is_opened_once_at_a_time(backend: Backend) -> None:
    store = backend.make()
    async with store.open():
        with pytest.raises(StoreError, match="open already"):
            async with store.open():
                pass
        await store.create_session(new_session())
