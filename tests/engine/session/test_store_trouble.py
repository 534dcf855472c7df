"""Sessions while the store refuses all writes, or only some."""

from __future__ import annotations

from collections.abc import Sequence

import trio
from trio.testing import MockClock

from rookery.errors import InvalidInput
from rookery.model.session import StatusWrite
from support.fake_platform import (
    FakePlatform,
    add,
    connected,
    event,
    history_of,
    network,
    open_fake_engine,
    open_troubled_store,
)


async def test_a_status_that_cannot_be_stored_ends_nothing(autojump_clock: MockClock) -> None:
    """One row's refusal is a matter of that row."""
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine, "a", "b")
        await connected(engine, "a", "b")
        await trio.sleep(1)

        record = store.inner.record_statuses

        async def refuse_a(writes: Sequence[StatusWrite]) -> set[str]:
            if any(write.lease.session == "a" for write in writes):
                raise InvalidInput("text that this database cannot hold")
            return await record(writes)

        store.inner.record_statuses = refuse_a  # type: ignore[method-assign]
        platform.link("a").fail(network("odd \N{GRINNING FACE}"))
        platform.link("b").fail(network())
        await connected(engine, "a", "b")
        await trio.sleep(1)
        assert any(reason == "NETWORK" for _, reason in await history_of(engine, "b"))


async def test_the_last_error_of_the_store_goes_with_it(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine)
        await connected(engine)
        store.down_methods = {"append", "record_statuses"}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(platform.link().inbox.commit, [event(1)], "1")
            await trio.sleep(5)
            assert (await engine.get_session("a")).health.last_error == "the store is away"
            assert engine.health_here().warnings == ("the store takes no writes: the store is away",)
            store.down_methods = set()
        await trio.sleep(2)
        assert (await engine.get_session("a")).health.last_error is None
        assert engine.health_here().warnings == ()
