"""A session whose webhooks cannot keep up stops receiving until they can; no event is lost; the reason is shown (A6, F5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
from trio.testing import MockClock

from rookery import Engine, EventQuery
from rookery.model.webhook import DeliveryOutcome
from support.fake_platform import (
    CALM,
    FakeLink,
    FakePlatform,
    TroubledStore,
    add,
    connected,
    event,
    open_fake_engine,
    open_troubled_store,
    text_of,
)
from support.waiting import until

LIMIT = 10
SETTINGS = msgspec.structs.replace(CALM, max_event_backlog=LIMIT)
LOOK = 2 * SETTINGS.backlog_interval


class PollingLink(FakeLink):
    """Receives an event a second, as a provider does: the next poll begins when the last one's commit has returned."""

    async def run(self) -> None:
        assert isinstance(self.platform, PollingPlatform)
        while True:
            await trio.sleep(1)
            at = int(self.inbox.cursor or 0)
            await self.inbox.commit([event(at)], str(at + 1))
            self.platform.confirmed[self.session.id] = at


class PollingPlatform(FakePlatform):
    def __init__(self) -> None:
        super().__init__()
        self.make_link = PollingLink
        self.confirmed: dict[str, int] = {}


@asynccontextmanager
async def polling(settings: object = SETTINGS) -> AsyncIterator[tuple[Engine, PollingPlatform, TroubledStore]]:
    """Two sessions; the webhook of `a` leads nowhere."""
    platform = PollingPlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store, settings=settings) as engine:  # type: ignore[arg-type]
        store.down_methods = {"pending_deliveries"}  # so that the endpoint never comes to its first delivery
        await add(engine, "a", "b")
        await engine.create_webhook(url="http://127.0.0.1:1/", session="a", id="hook", events=["message"])
        await connected(engine, "a", "b")
        yield engine, platform, store


async def deliver(store: TroubledStore, count: int) -> None:
    waiting = await store.inner.pending_deliveries("hook", now=0, busy=(), limit=count)
    await store.inner.record_deliveries(
        [DeliveryOutcome(webhook="hook", event_id=one.event.id, delivered=True, at=0) for one in waiting]
    )


async def keys(engine: Engine, session: str = "a") -> list[int]:
    return [
        int(one.key) for one in await engine.read_events(EventQuery(session=session, types=("message",), limit=500))
    ]


async def test_it_pauses_says_why_and_goes_on_by_itself(autojump_clock: MockClock) -> None:
    async with polling() as (engine, platform, store):
        await trio.sleep(LIMIT + LOOK)
        stored = await keys(engine)
        assert LIMIT <= len(stored) <= LIMIT + LOOK
        session = await engine.get_session("a")
        assert session.health.status == "CONNECTED"
        assert "`max_event_backlog` is 10" in session.health.detail
        await trio.sleep(600)
        assert await keys(engine) == stored
        assert len(await keys(engine, "b")) > 400
        assert (await engine.get_session("b")).health.detail == "connected as @b"
        assert (await engine.health()).paused == 1
        assert engine.telemetry.counters["backlog_pauses"]["fake",] == 1
        assert len(platform.attempt_times("a")) == 1
        await deliver(store, 100)
        await trio.sleep(SETTINGS.backlog_interval + 2)
        assert (await engine.get_session("a")).health.detail == "connected as @a"
        later = await keys(engine)
        assert len(later) > len(stored)
        assert later == list(range(len(later))), "nothing is lost and nothing comes twice"


async def test_sends_go_on(autojump_clock: MockClock) -> None:
    async with polling() as (engine, platform, _):
        await trio.sleep(LIMIT + LOOK)
        assert await engine.check_backlogs() == ["a"]
        await engine.send("a", to="7", text="still here")
        await trio.sleep(1)
        assert [text_of(message) for _, message in platform.sent] == ["still here"]


async def test_stopping_and_reconnecting_while_it_pauses(autojump_clock: MockClock) -> None:
    async with polling() as (engine, _, store):
        await trio.sleep(LIMIT + LOOK)
        await engine.restart("a")
        await connected(engine, "a")
        await trio.sleep(2.5)  # one more event of the new link, which is stored and then waits
        before = await keys(engine)
        await trio.sleep(60)
        assert await keys(engine) == before, "the new link pauses too"
        assert "`max_event_backlog`" in (await engine.get_session("a")).health.detail
        started = trio.current_time()
        await engine.stop("a")
        await until(lambda: "a" not in engine.running_here(), seconds=30)
        assert trio.current_time() - started < 1, "what waits does not hold up a stop"
        await deliver(store, 100)
        await engine.start("a")
        await connected(engine, "a")
        await trio.sleep(5)
        after = await keys(engine)
        assert after == list(range(len(after)))
        assert len(after) > len(before)


@pytest.mark.slow
async def test_nothing_is_counted_while_the_limit_is_out_of_reach(autojump_clock: MockClock) -> None:
    async with polling(msgspec.structs.replace(SETTINGS, max_event_backlog=10_000)) as (_, _, store):
        await trio.sleep(3600)
        assert store.calls["backlogs"] <= 4  # once for each session that is new, and then not again
        assert store.calls["append"] > 7000


async def test_no_limit(autojump_clock: MockClock) -> None:
    async with polling(msgspec.structs.replace(SETTINGS, max_event_backlog=0)) as (engine, _, store):
        await trio.sleep(100)
        assert await engine.check_backlogs() == []
        assert len(await keys(engine)) > 90
        assert store.calls["backlogs"] == 0


async def test_a_store_that_is_away_changes_nothing(autojump_clock: MockClock) -> None:
    async with polling() as (engine, _, store):
        store.down_methods.add("backlogs")
        await trio.sleep(100)
        assert len(await keys(engine)) > 90
        store.down_methods.remove("backlogs")
        await trio.sleep(LOOK)
        assert await engine.check_backlogs() == ["a"]


async def test_restarts_do_not_get_round_the_limit(autojump_clock: MockClock) -> None:
    """Each new engine counts before it stores its first event, also one that is killed soon."""
    platform = PollingPlatform()
    async with open_troubled_store() as store:
        store.down_methods = {"pending_deliveries"}
        async with open_fake_engine(platform, store, settings=SETTINGS) as engine:
            await add(engine)
            await engine.create_webhook(url="http://127.0.0.1:1/", session="a", id="hook", events=["message"])
            await trio.sleep(LIMIT + LOOK)
            stored = len(await keys(engine))
            assert stored == LIMIT
        for _ in range(20):
            async with open_fake_engine(platform, store, settings=SETTINGS) as engine:
                await connected(engine)
                await trio.sleep(1.5)  # the first event has come, the first periodic look has not
                assert len(await keys(engine)) == stored
            stored = await store.inner.last_event_id() and stored
        async with open_fake_engine(platform, store, settings=SETTINGS) as engine:
            await trio.sleep(LOOK)
            assert "`max_event_backlog`" in (await engine.get_session("a")).health.detail


async def test_a_burst_does_not_get_beyond_the_limit(autojump_clock: MockClock) -> None:
    """However much comes between two periodic looks."""
    async with polling() as (engine, platform, _):
        inbox = platform.link("a").inbox
        async with trio.open_nursery() as nursery:

            async def flood() -> None:
                for number in range(1000):
                    await inbox.commit([event(f"burst-{number}")], None)

            nursery.start_soon(flood)
            await trio.sleep(SETTINGS.backlog_interval * 3)
            counts = await engine.store.backlogs()
            assert LIMIT <= counts["a"] <= LIMIT + 2
            nursery.cancel_scope.cancel()
