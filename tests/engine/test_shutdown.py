"""How an engine stops: by leaving its block, cancellation, a crash inside, and `stop_now`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from rookery import Engine, Reason, SessionStatus
from support.fake_platform import (
    CALM,
    FakeLink,
    FakePlatform,
    TroubledStore,
    add,
    connected,
    event,
    hang,
    network,
    open_fake_engine,
    open_troubled_store,
    settled,
)
from support.waiting import until


async def check_handed_over(store: TroubledStore, platform: FakePlatform, *ids: str) -> None:
    """Every session was closed gracefully, is still wanted, and has no owner."""
    assert platform.open_links == 0
    assert not platform.is_running
    assert not store.is_open
    for id in ids or ("a",):
        row = await store.inner.get_session(id)
        assert row.enabled
        assert row.owner is None
        assert (row.health.status, row.health.reason) == (SessionStatus.DISCONNECTED, Reason.SHUTDOWN)


class Oops(Exception):
    pass


async def test_leaving_the_block(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store:
        async with open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            assert engine.ready
        assert not engine.ready
        await check_handed_over(store, platform)


async def test_the_bodys_exception_arrives_as_it_is(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store:
        error = Oops("x")

        async def program() -> None:
            async with open_fake_engine(platform, store) as engine:
                await add(engine)
                await connected(engine)
                raise error

        with pytest.raises(Oops) as caught:
            await program()
        assert caught.value is error
        assert error.__cause__ is None
        await check_handed_over(store, platform)


async def test_a_group_raised_by_the_body_stays_a_group(autojump_clock: MockClock) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with open_fake_engine(FakePlatform()):
            raise ExceptionGroup("mine", [Oops("x"), Oops("y")])
    assert caught.value.message == "mine"


async def test_cancellation_from_outside_closes_gracefully_and_passes(autojump_clock: MockClock) -> None:
    platform = FakePlatform()

    async def slowly(link: FakeLink) -> None:
        await link.inbox.commit([event("last")], "1")

    platform.on_close = slowly
    async with open_troubled_store() as store:
        with trio.CancelScope() as scope:
            async with open_fake_engine(platform, store) as engine:
                await add(engine)
                await connected(engine)
                scope.cancel()
                await trio.sleep_forever()
        assert scope.cancelled_caught
        await check_handed_over(store, platform)
        from rookery import EventQuery

        assert [e.key for e in await store.inner.read_events(EventQuery(types=("message",)))] == ["last"]


async def test_cancelled_arrives_as_cancelled(autojump_clock: MockClock) -> None:
    seen: list[BaseException] = []
    with trio.CancelScope() as scope:
        try:
            async with open_fake_engine(FakePlatform()):
                scope.cancel()
                await trio.sleep_forever()
        except BaseException as error:
            seen.append(error)
            raise
    assert [type(error) for error in seen] == [trio.Cancelled]


async def test_a_service_that_crashes_cancels_the_body_and_its_error_is_raised(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store:

        async def bug(name: str) -> None:
            if name == "list_webhooks":
                raise Oops("a bug in the store")

        body_was_cancelled = False

        async def program() -> None:
            nonlocal body_was_cancelled
            async with open_fake_engine(platform, store) as engine:
                await add(engine)
                await connected(engine)
                store.before = bug
                await engine.create_webhook(url="http://localhost:1/")
                try:
                    await trio.sleep_forever()
                except trio.Cancelled:
                    body_was_cancelled = True
                    raise

        with pytest.raises(Oops):
            await program()
        assert body_was_cancelled
        assert platform.open_links == 0
        assert (await store.inner.get_session("a")).enabled
        assert (await store.inner.get_session("a")).owner is None


@pytest.mark.parametrize("count", [200])
async def test_all_sessions_stop_in_parallel(count: int, autojump_clock: MockClock) -> None:
    platform = FakePlatform()

    async def second(link: FakeLink) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(1)

    ids = [f"s{number:03}" for number in range(count)]
    async with open_troubled_store() as store:
        async with open_fake_engine(platform, store) as engine:
            await add(engine, *ids)
            await connected(engine, *ids)
            platform.on_close = second
            before = trio.current_time()
        assert trio.current_time() - before == pytest.approx(1, abs=0.1)
        await check_handed_over(store, platform, *ids)


@pytest.mark.parametrize("state", ["connecting", "waiting", "in the gate", "connected", "pairing", "committing"])
async def test_every_state_can_be_left(state: str, autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    settings = CALM.__class__(backoff_jitter=0.0, start_concurrency=1)
    async with open_troubled_store() as store:
        async with open_fake_engine(platform, store, settings=settings) as engine:
            if state == "connecting":
                platform.plan("a", hang)
            elif state == "waiting":
                platform.plan("a", network())
            elif state == "in the gate":
                platform.plan("first", hang)
                await add(engine, "first")
                await until(lambda: bool(platform.attempts))
            await add(engine)
            await trio.sleep(1)
            if state == "committing":
                store.hanging = {"append"}
                task = FakeLink.run

                async def commit(link: FakeLink) -> None:
                    await link.inbox.commit([event(1)], "1")

                assert task is not None
                platform.link().fail(network())
                platform.make_link = type("L", (FakeLink,), {"run": commit})
                await until(lambda: len(platform.links) == 2)
                await trio.sleep(1)
            before = trio.current_time()
        assert trio.current_time() - before <= 8
        await check_handed_over(store, platform)


async def test_a_link_that_never_closes_is_bounded(autojump_clock: MockClock) -> None:
    """It obeys cancellation only; a link that shields itself for ever cannot be helped inside a Trio program."""
    platform = FakePlatform()
    platform.on_close = hang
    async with open_troubled_store() as store:
        async with open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            before = trio.current_time()
        assert trio.current_time() - before <= 8
        await check_handed_over(store, platform)


async def test_a_link_that_closes_too_slowly_costs_the_grace_and_no_more(autojump_clock: MockClock) -> None:
    platform = FakePlatform()

    async def stubborn(link: FakeLink) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(7.5)

    async with open_troubled_store() as store:
        async with open_fake_engine(platform, store) as engine:
            await add(engine, "a", "b")
            await connected(engine, "a", "b")
            platform.on_close = stubborn
            before = trio.current_time()
        assert trio.current_time() - before <= 8
        await check_handed_over(store, platform, "a", "b")


@pytest.mark.parametrize("trouble", ["down", "hanging"])
@pytest.mark.parametrize("busy", [False, True])
async def test_a_dead_store_does_not_hold_it_up(trouble: str, busy: bool, autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store:
        async with open_fake_engine(platform, store) as engine:
            await add(engine, "a", "b")
            await connected(engine, "a", "b")
            if trouble == "down":
                store.down = True
            else:
                store.hanging = {"append", "record_statuses", "release", "record_sends", "enqueue", "list_sessions"}
            if busy:
                platform.on_close = lambda link: link.inbox.commit([event(1)], "1")

                async def slow(link: FakeLink, message: object) -> object:
                    await trio.sleep(60)
                    return None

                platform.on_send = slow  # type: ignore[assignment]
            before = trio.current_time()
        assert trio.current_time() - before <= 8.5


async def test_sends_under_way_get_a_moment_when_the_store_is_dead_too(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.on_send = hang
    async with open_troubled_store() as store:
        async with open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            await engine.submit("a", to="7", text="hi")
            await trio.sleep(1)
            store.down = True
            platform.on_close = lambda link: link.inbox.commit([event(1)], "1")
            before = trio.current_time()
        assert trio.current_time() - before <= 8.5


@pytest.mark.parametrize("when", ["before", "during"])
async def test_stop_now_gives_up_the_grace(when: str, autojump_clock: MockClock) -> None:
    platform = FakePlatform()

    async def stubborn(link: FakeLink) -> None:
        await trio.sleep(7)

    async with open_troubled_store() as store:
        async with trio.open_nursery() as nursery:
            async with open_fake_engine(platform, store) as engine:
                await add(engine)
                await connected(engine)
                platform.on_close = stubborn
                store.hanging = {"record_statuses"}

                async def give_up() -> None:
                    await trio.sleep(0.5)
                    engine.stop_now()

                if when == "before":
                    engine.stop_now()
                else:
                    nursery.start_soon(give_up)
                before = trio.current_time()
            assert trio.current_time() - before <= 1
        assert not store.is_open


async def test_sessions_claimed_while_it_stops_are_given_back(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store:

        async def slow_claim(name: str) -> None:
            if name == "claim":
                await trio.sleep(1)

        async with open_fake_engine(platform, store) as engine:
            await settled()
            store.after = slow_claim
            await add(engine)
            await trio.sleep(0.5)
        assert (await store.inner.get_session("a")).owner is None


async def test_the_store_is_closed_last(autojump_clock: MockClock) -> None:
    order: list[str] = []
    platform = FakePlatform()

    class Ordered(FakePlatform):
        @asynccontextmanager
        async def running(self) -> AsyncIterator[None]:
            async with super().running():
                try:
                    yield
                finally:
                    order.append("provider")

    async def closing(link: FakeLink) -> None:
        order.append("link")

    platform = Ordered()
    platform.on_close = closing
    async with open_troubled_store() as store:
        store.on_closed = lambda: order.append("store")
        async with open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            order.append("body")
    assert order == ["body", "link", "provider", "store"]


async def test_a_link_that_ends_in_the_tick_of_a_send(autojump_clock: MockClock) -> None:
    """A caller who sends at the very moment in which a link ends gets a message and no error."""
    for steps in range(12):
        platform = FakePlatform()
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            await settled()

            async def submit(engine: Engine = engine, steps: int = steps) -> None:
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
                await engine.submit("a", to="7", text="hi")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(submit)
                await trio.lowlevel.checkpoint()
                platform.link().fail(network())
            await connected(engine)
            await until(lambda platform=platform: platform.sent_texts() == ["hi"], seconds=100)  # type: ignore[misc]
