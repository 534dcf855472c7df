"""Many followers share one read of the log, and none of them misses or repeats an event."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import trio
import trio.lowlevel
import trio.testing

from rookery import Engine, Event, open_engine
from rookery.delivery.tail import BEHIND, KEPT, STALE
from rookery.errors import StoreError, StoreUnavailable
from rookery.features.events import FOLLOW_BATCH
from rookery.model.event import EventQuery
from rookery.provider.contract import Inbox
from rookery.store.open import MemoryStore
from support.engines.broken_deletions import break_deletion
from support.fake_platform import FakePlatform, event
from support.waiting import until, until_found


class CountingStore(MemoryStore):
    """Counts the readings of the log, and fails them on request."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.broken = False

    async def read_events(self, query: EventQuery) -> Sequence[Event]:
        self.reads += 1
        if self.broken:
            raise StoreUnavailable("broken by the test")
        return await super().read_events(query)


class Setup:
    """An engine with connected sessions `s0`, `s1`, ..., each of which may say something."""

    def __init__(self, engine: Engine, store: CountingStore, inboxes: dict[str, Inbox], start: int) -> None:
        self.engine = engine
        self.start = start  # the last event before the test's own: those of the sessions
        self.store = store
        self._inboxes = inboxes
        self._keys = 0

    async def say(self, session: str = "s0", count: int = 1, type: str = "message") -> None:
        new = [event(self._keys + number, type=type) for number in range(count)]
        self._keys += count
        await self._inboxes[session].commit(new, None)


@pytest.fixture
async def setup() -> AsyncIterator[Any]:
    store = CountingStore()
    platform = FakePlatform()
    inboxes: dict[str, Inbox] = {}
    async with open_engine(store=store, providers=[platform]) as engine:
        for id in ("s0", "s1", "s2"):
            await engine.create_session(id=id, platform="fake", credentials={"token": "t"})
            await engine.wait_status(id, "CONNECTED")  # type: ignore[arg-type]
        for link in platform.links:
            inboxes[link.session.id] = link.inbox
        told = EventQuery(types=("session.status",))
        await until_found(
            lambda: MemoryStore.read_events(store, told),  # not counted
            lambda events: sum(one.body["status"] == "CONNECTED" for one in events) == 3,
        )
        yield Setup(engine, store, inboxes, await engine.last_event_id())


async def collect(setup: Setup, into: list[int], count: int, **query: object) -> None:
    async for one in setup.engine.events(after=setup.start, **query):  # type: ignore[arg-type]
        into.append(one.id)
        if len(into) == count:
            return


async def test_a_hundred_followers_cost_as_much_as_one(setup: Any) -> None:
    seen: list[list[int]] = [[] for _ in range(100)]
    async with trio.open_nursery() as nursery:
        for into in seen:
            nursery.start_soon(collect, setup, into, 51)
        await setup.say()
        await until(lambda: all(seen))
        await trio.testing.wait_all_tasks_blocked()
        before = setup.store.reads
        for _ in range(50):
            await setup.say()
    assert setup.store.reads - before <= 102, "one reading to get it and one to find nothing more, for each commit"
    assert all(into == seen[0] == sorted(set(into)) for into in seen)


async def test_without_followers_nothing_is_read(setup: Any) -> None:
    await setup.say()
    before = setup.store.reads
    for _ in range(20):
        await setup.say()
        await trio.testing.wait_all_tasks_blocked()
    assert setup.store.reads == before


async def test_only_those_whom_it_concerns_are_woken(setup: Any) -> None:
    pages = 0

    async def follow(session: str) -> None:
        nonlocal pages
        stream = setup.engine.events(after=setup.start, session=session)
        while True:
            await stream.next_page()
            pages += 1

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(follow, "s1")
        nursery.start_soon(follow, "s2")
        await trio.testing.wait_all_tasks_blocked()
        before = setup.store.reads
        for _ in range(3 * KEPT // 500):
            await setup.say("s0", 500)
            await trio.testing.wait_all_tasks_blocked()
        assert pages == 0
        shared = setup.store.reads - before
        await setup.say("s2")
        await trio.testing.wait_all_tasks_blocked()
        assert pages == 1
        assert setup.store.reads - before <= shared + 2, "it went on from memory, however much passed meanwhile"
        nursery.cancel_scope.cancel()


async def test_a_slow_follower_misses_nothing_and_little_is_kept(setup: Any) -> None:
    stream = setup.engine.events(after=setup.start)
    await setup.say()
    first = await stream.next_page()
    async with trio.open_nursery() as nursery:
        seen: list[int] = []
        nursery.start_soon(collect, setup, seen, 3 * KEPT + 1)
        for _ in range(30):
            await setup.say(count=KEPT // 10)
        await until(lambda: len(seen) == 3 * KEPT + 1)
    kept = sum(len(page.events) for page in setup.engine._tail._pages)
    assert kept <= KEPT
    late = [one.id for one in first]
    while len(late) < len(seen):
        page = await stream.next_page()
        assert len(page) <= FOLLOW_BATCH
        late += [one.id for one in page]
    assert late == seen


async def receive_and_read(setup: Any, nursery: trio.Nursery, count: int) -> None:
    """A follower receives so many events, and a second one reads them: with few events from the newest in memory, with many
    from the pages that are shared."""
    seen: list[list[int]] = [[], []]
    nursery.start_soon(lambda: collect(setup, seen[0], count, types=["*"]))
    await trio.testing.wait_all_tasks_blocked()
    await setup.say(count=count)
    await until(lambda: len(seen[0]) == count)
    await collect(setup, seen[1], count, types=["*"])
    assert seen[0] == seen[1]


@pytest.mark.parametrize("count", [3, KEPT + 3 * BEHIND])
async def test_what_was_erased_does_not_come_out_of_memory(setup: Any, count: int) -> None:
    async with trio.open_nursery() as nursery:
        await receive_and_read(setup, nursery, count)
        assert (await setup.engine.erase_chat("s0", event(0).chat)).events == count
        late = setup.engine.events(after=setup.start, types=["*"])
        with trio.move_on_after(0.2):
            pytest.fail(f"{len(await late.next_page())} events came back")
        await setup.say("s1")
        with trio.fail_after(30):
            assert [one.session for one in await late.next_page()] == ["s1"]


@pytest.mark.parametrize("count", [120, KEPT + 3 * BEHIND])
async def test_what_a_broken_erasure_has_erased_does_not_come_out_of_memory(setup: Any, count: int) -> None:
    """The second piece fails; the newest events come first."""
    async with trio.open_nursery() as nursery:
        await receive_and_read(setup, nursery, count)
        await break_deletion(setup.store, key="20")
        with pytest.raises(StoreError):
            await setup.engine.erase_chat("s0", event(0).chat)
        left = [one.id for one in await setup.store.read_events(EventQuery(after=setup.start, limit=count))]
        assert 0 < len(left) < count
        again: list[int] = []
        await setup.say("s1")
        left.append(await setup.engine.last_event_id())
        await collect(setup, again, len(left), types=["*"])
        assert again == left


async def test_a_timeout_takes_nothing(setup: Any) -> None:
    stream = setup.engine.events(after=0, types=["message"])
    seen: list[Event] = []

    async def talk() -> None:
        for _ in range(100):
            await setup.say(random.choice(["s0", "s1"]))
            await setup.say(type="other")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk)
        while len(seen) < 100:
            with trio.move_on_after(random.choice([0, 0.0001, 0.001])):
                seen += await stream.next_page()
    assert [one.id for one in seen] == [
        one.id for one in await setup.engine.read_events(EventQuery(types=("message",)))
    ]


async def test_a_store_that_fails_is_met_by_the_follower_and_forgiven(setup: Any) -> None:
    stream = setup.engine.events(after=setup.start)
    await setup.say()
    await stream.next_page()
    async with trio.open_nursery() as nursery:

        async def follow() -> None:
            with pytest.raises(StoreUnavailable):
                await stream.next_page()

        nursery.start_soon(follow)
        await trio.testing.wait_all_tasks_blocked()
        setup.store.broken = True
        await setup.say()
    setup.store.broken = False
    with trio.fail_after(30):
        assert len(await stream.next_page()) == 1
        await setup.say()
        assert len(await stream.next_page()) == 1


async def test_random_followers_see_exactly_what_the_log_holds(setup: Any) -> None:
    """Followers that come, go, dawdle and filter, while three sessions write in batches."""
    total = 6000

    async def follow(after: int, session: str | None, types: list[str] | None, pause: float) -> None:
        stream = setup.engine.events(after=after, session=session, types=types)
        wanted = EventQuery(after=after, session=session, types=tuple(types) if types else None, limit=100_000)
        seen: list[int] = []
        while not finished.is_set() or len(seen) < len(await setup.engine.read_events(wanted)):
            with trio.move_on_after(0.05):
                seen += [one.id for one in await stream.next_page()]
            if pause and random.random() < 0.2:
                await trio.sleep(pause)
        assert seen == [one.id for one in await setup.engine.read_events(wanted)]

    finished = trio.Event()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            written = 0
            while written < total:
                if random.random() < 0.1:
                    nursery.start_soon(
                        follow,
                        setup.start + random.randrange(written + 1),  # after the sessions' own events
                        random.choice([None, "s0", "s1", "s2"]),
                        random.choice([None, ["message"], ["rare"]]),
                        random.choice([0, 0, 0.02]),
                    )
                count = random.choice([1, 1, 3, 50, 400])
                type = random.choice(["message", "message", "message", "rare"])
                await setup.say(random.choice(["s0", "s0", "s1", "s2"]), count, type)
                written += count
                await trio.lowlevel.checkpoint()
            finished.set()


async def test_followers_that_are_equally_far_behind_share_their_reads(setup: Any) -> None:
    for _ in range(20):
        await setup.say(count=KEPT // 10)
    before = setup.store.reads
    seen: list[list[int]] = [[] for _ in range(50)]
    async with trio.open_nursery() as nursery:
        for into in seen:
            nursery.start_soon(collect, setup, into, 2 * KEPT - setup.start)  # to the end of a page
    assert setup.store.reads - before <= 2 * KEPT // BEHIND + 10
    assert all(into == seen[0] == sorted(set(into)) for into in seen)


async def test_a_reader_that_leaves_does_not_cancel_the_others_of_its_page(setup: Any) -> None:
    await setup.say(count=BEHIND)
    past = setup.engine._tail.past
    found: list[int] = []

    async def leave() -> None:
        with trio.move_on_after(0):
            await past.after(0)

    async def stay() -> None:
        found.extend(one.id for one in await past.after(0))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(leave)
        nursery.start_soon(stay)
        nursery.start_soon(stay)
    assert len(found) == 2 * len(set(found)) > 0


async def test_pages_are_dropped_after_a_while_without_followers(autojump_clock: Any, setup: Any) -> None:
    tail = setup.engine._tail
    seen: list[int] = []
    await setup.say(count=3 * BEHIND)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect, setup, seen, 3 * BEHIND + 5)
        await until(lambda: len(seen) == 3 * BEHIND)
        await trio.testing.wait_all_tasks_blocked()
        await setup.say(count=5)
    assert tail._pages
    assert tail.past._pages
    await trio.sleep(2 * STALE)
    assert not tail._pages
    assert not tail.past._pages
    again: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect, setup, again, len(seen) + 1)
        await trio.testing.wait_all_tasks_blocked()
        await setup.say()
    assert again[:-1] == seen
