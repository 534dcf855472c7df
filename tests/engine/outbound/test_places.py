"""The places of a link: never more calls at once than it accepts, also while callers store messages for it."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from rookery import MessageState, OutboundMessage, Receipt
from rookery.errors import SendRateLimited
from support.engines.sends import PacedLink, all_final, numbers, open_connected
from support.engines.written_store import WrittenStore, submit_together
from support.fake_platform import (
    FakeLink,
    FakePlatform,
    TroubledStore,
    open_troubled_store,
    text_of,
)


class SlowStore(TroubledStore):
    """`enqueue` takes `seconds` for a message to the chat "slow"."""

    seconds = 0.0

    async def enqueue(self, message: OutboundMessage, **options: Any) -> Any:
        if message.to == "slow":
            await trio.sleep(self.seconds)
        return await self.inner.enqueue(message, **options)


class CountingPlatform(FakePlatform):
    """Each call takes `seconds`. `most`: the largest number of calls at once."""

    def __init__(self, places: int, seconds: float) -> None:
        super().__init__()
        self.max_concurrent_sends = places
        self.calls = self.most = 0
        self.seconds = seconds
        self.on_send = self._count

    async def _count(self, link: FakeLink, message: OutboundMessage) -> Receipt:
        self.calls += 1
        self.most = max(self.most, self.calls)
        await trio.sleep(self.seconds)
        self.calls -= 1
        return await self.take(link, message)


async def test_no_more_calls_than_the_link_accepts(autojump_clock: MockClock) -> None:
    platform = CountingPlatform(places=2, seconds=0.7)
    async with open_troubled_store() as plain:
        store = SlowStore(plain.inner)
        store.seconds = 1.0
        async with open_connected(platform, store) as engine:
            ids = await submit_together(engine, numbers(5))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(engine.submit, "a", to="slow", text="slow"))
                await trio.sleep(0.1)
                ids += await submit_together(engine, numbers(5), to="9")
            assert await all_final(engine, ids) == {"sent": 10}
            assert platform.sent_texts("slow") == ["slow"]
            assert platform.most == 2


@pytest.mark.parametrize("places", [1, 2])
async def test_one_that_waits_gets_the_place_of_a_repeated_message(places: int, autojump_clock: MockClock) -> None:
    """Nothing else wakes the rounds: the repeated message is not sent again."""
    platform = CountingPlatform(places, seconds=0.2)
    async with open_troubled_store() as plain:
        store = SlowStore(plain.inner)
        async with open_connected(platform, store) as engine:
            again = partial(engine.submit, "a", to="slow", text="once", idempotency_key="k")
            ids = [(await again()).id]
            await trio.sleep(5)
            store.seconds = 1.0
            async with trio.open_nursery() as nursery:
                nursery.start_soon(again)
                await trio.sleep(0.1)
                ids += await submit_together(engine, numbers(2))
            assert await all_final(engine, ids, seconds=5) == {"sent": 3}
            assert sorted(platform.sent_texts()) == ["1", "2", "once"]
            await trio.sleep(5)
            running: Any = engine.running_here()["a"]
            assert not running.outbox._made._delivering, "an idle session has no task of its own"


async def test_callers_do_not_overtake_a_chat_that_waits_for_a_place(autojump_clock: MockClock) -> None:
    """A place becomes free while a round is being stored, and a caller comes before the next round."""
    platform = FakePlatform()
    platform.max_concurrent_sends = 2
    began: list[str] = []

    async def take(link: FakeLink, message: OutboundMessage) -> Receipt:
        began.append(text_of(message))
        await trio.sleep(0.5 if message.to == "1" else 0.7)
        return await platform.take(link, message)

    platform.on_send = take
    async with open_troubled_store() as plain:
        store = WrittenStore(plain.inner)

        async def linger() -> None:
            await trio.sleep(0.5)

        store.after_write = linger
        async with open_connected(platform, store) as engine:
            answers = await engine.submit_batch("a", [{"to": text, "text": text} for text in numbers(4)])
            ids = [answer.id for answer in answers if isinstance(answer, OutboundMessage)]
            await trio.sleep(0.8)
            ids.append((await engine.submit("a", to="5", text="5")).id)
            assert await all_final(engine, ids) == {"sent": 5}
            assert began.index("4") < began.index("5")


@pytest.mark.parametrize("how", ["behind another", "alone", "by its caller"])
async def test_what_was_stored_as_sending_waits_for_the_end_of_a_pause(how: str, autojump_clock: MockClock) -> None:
    """The platform demands a pause while it is being stored."""
    platform = FakePlatform()
    platform.max_concurrent_sends = 2 if how == "alone" else 16
    paused_at: list[float] = []

    async def take(link: FakeLink, message: OutboundMessage) -> Receipt:
        if message.to == "pause" and not paused_at:
            await trio.sleep(1)
            paused_at.append(trio.current_time())
            raise SendRateLimited("all of you", retry_after=20, whole_session=True)
        if text_of(message) == "1":
            await trio.sleep(0.8)
        return await platform.take(link, message)

    platform.on_send = take

    class SlowWrites(WrittenStore, SlowStore):
        seconds = 0.5

    async with open_troubled_store() as plain:
        store = SlowWrites(plain.inner)

        async def linger() -> None:
            if not paused_at:
                await trio.sleep(0.5)

        store.after_write = linger
        async with open_connected(platform, store) as engine:
            ids = await submit_together(engine, ["pause"], to="pause")
            if how == "behind another":
                ids += await submit_together(engine, ["1", "2"])
            elif how == "alone":
                ids += await submit_together(engine, ["1"])
                ids += await submit_together(engine, ["2"], to="8")
            else:
                await trio.sleep(0.8)
                ids.append((await engine.submit("a", to="slow", text="2")).id)
            await trio.sleep(10)  # the middle of the pause
            last = await engine.get_message(ids[-1])
            assert last.state is MessageState.QUEUED, "a crash would make UNKNOWN of one that says SENDING"
            assert await all_final(engine, ids) == {"sent": len(ids)}
            [late] = [at for at, message in platform.sent if text_of(message) == "2"]
            assert late >= paused_at[0] + 20


async def test_the_pace_holds_also_at_the_end_of_a_pause(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.make_link = PacedLink
    errors = [SendRateLimited("all of you", retry_after=20, whole_session=True)]

    async def take(link: FakeLink, message: OutboundMessage) -> Receipt:
        if errors:
            raise errors.pop()
        return await platform.take(link, message)

    platform.on_send = take
    async with open_connected(platform) as engine:
        ids = await submit_together(engine, ["pause"], to="pause")
        await trio.sleep(1)
        answers = await engine.submit_batch("a", [{"to": text, "text": text} for text in numbers(100)])
        ids += [answer.id for answer in answers if isinstance(answer, OutboundMessage)]
        assert await all_final(engine, ids) == {"sent": 101}
        times = [at for at, _ in platform.sent]
        assert times[0] >= 20
        assert all(later - earlier >= 1 for earlier, later in zip(times, times[30:], strict=False))
