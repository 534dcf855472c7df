"""Sends: order, fairness and pacing (F4, F5)."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from rookery import MessageState, OutboundMessage, Receipt, SessionStatus
from rookery.errors import (
    SendRateLimited,
)
from rookery_telegram import Rates
from support.engines.sends import all_final, failing, numbers, submit
from support.fake_platform import (
    CALM,
    FakeLink,
    FakePlatform,
    add,
    connected,
    event,
    hang,
    network,
    open_fake_engine,
    open_troubled_store,
    settled,
    text_of,
    wall_clock,
)
from support.waiting import until


class PacedLink(FakeLink):
    """Paced as Telegram bots are."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._pacer = Rates().pacer()

    def ready_in(self, chat: str) -> float:
        return self._pacer.ready_in(chat)

    def book(self, chat: str) -> float:
        return self._pacer.book(chat)


async def test_a_send_and_its_receipt(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        receipt = await engine.send("a", to=7, text="hi", reply_to="3", options={"x": [1]})
        assert receipt.message_id == "1"
        [(_, message)] = platform.sent
        assert (message.to, text_of(message), message.reply_to, message.options) == ("7", "hi", "3", {"x": [1]})


class TestOrder:
    async def test_within_a_chat(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        busy = 0

        async def slow(link: FakeLink, message: OutboundMessage) -> Receipt:
            nonlocal busy
            busy += 1
            assert busy == 1
            await trio.sleep(0.1)
            busy -= 1
            return await platform.take(link, message)

        platform.on_send = slow
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            ids = await submit(engine, 30)
            assert await all_final(engine, ids) == {"sent": 30}
            assert platform.sent_texts() == numbers(30)

    async def test_submitted_by_many_at_once_each_keeps_its_own_order(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)

            async def client(name: str) -> None:
                for number in range(20):
                    await engine.submit("a", to="7", text=f"{name} {number}")

            async with trio.open_nursery() as nursery:
                for name in "abcdef":
                    nursery.start_soon(client, name)
            await until(lambda: len(platform.sent) == 120)
            for name in "abcdef":
                own = [text for text in platform.sent_texts() if text.startswith(name)]
                assert own == [f"{name} {number}" for number in range(20)]

    async def test_chats_go_in_parallel_up_to_the_links_limit(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        platform.max_concurrent_sends = 10
        busy, most = 0, 0

        async def slow(link: FakeLink, message: OutboundMessage) -> Receipt:
            nonlocal busy, most
            busy += 1
            most = max(most, busy)
            await trio.sleep(1)
            busy -= 1
            return await platform.take(link, message)

        platform.on_send = slow
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            before = trio.current_time()
            for chat in range(50):
                await engine.submit("a", to=str(chat), text="hi")
            await until(lambda: len(platform.sent) == 50)
            assert most == 10
            assert trio.current_time() - before == pytest.approx(5, abs=0.5)

    async def test_a_backlog_is_sent_before_messages_submitted_while_it_is_read(
        self, autojump_clock: MockClock
    ) -> None:
        platform = FakePlatform()
        async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            platform.plan("a", network())
            platform.link().fail(network())
            await engine.wait_status("a", SessionStatus.RECONNECTING)
            ids = await submit(engine, 3)

            async def slow_reading(name: str) -> None:
                if name == "pending_messages":
                    await trio.sleep(1)

            for where in ("before", "after"):
                setattr(store, where, slow_reading)
            await connected(engine)
            await trio.sleep(0.1)
            ids += await submit(engine, 2, first=4)
            await trio.sleep(1)
            ids += await submit(engine, 2, first=6)
            assert await all_final(engine, ids) == {"sent": 7}
            assert platform.sent_texts() == numbers(7)

    async def test_what_was_read_before_it_was_announced_is_sent_once(self, autojump_clock: MockClock) -> None:
        """The row is stored and read by the session before the caller hears that it is stored."""
        platform = FakePlatform()
        async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)

            async def late_answer(name: str) -> None:
                if name == "enqueue":
                    link = platform.link()
                    engine.running_here()["a"].outbox.wake()
                    await trio.sleep(1)
                    assert link is platform.link()

            store.after = late_answer
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(engine.submit, "a", to="7", text="1"))
                await trio.sleep(0.5)
                nursery.start_soon(partial(engine.submit, "a", to="7", text="2"))
            await trio.sleep(10)
            assert sorted(platform.sent_texts()) == numbers(2)

    async def test_messages_queued_while_it_reconnects(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            ids = await submit(engine, 1)
            await settled()
            platform.link().fail(network())
            ids += await submit(engine, 5, first=2)
            await engine.wait_status("a", SessionStatus.RECONNECTING)
            ids += await submit(engine, 5, first=7)
            assert await all_final(engine, ids) == {"sent": 11}
            assert platform.sent_texts() == numbers(11)

    async def test_more_than_a_window_queued_while_it_was_down(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        platform.plan("a", hang)
        settings = CALM.__class__(backoff_jitter=0.0, max_pending_sends=5000)
        async with open_fake_engine(platform, settings=settings) as engine:
            await add(engine)
            ids = [(await engine.submit("a", to=str(number % 3), text=str(number))).id for number in range(2000)]
            await connected(engine, seconds=100)
            assert await all_final(engine, ids) == {"sent": 2000}
            for chat in range(3):
                assert platform.sent_texts(str(chat)) == [str(number) for number in range(chat, 2000, 3)]

    async def test_links_that_break_all_the_time(self, autojump_clock: MockClock) -> None:
        """Whatever happens, each message is sent at most once, in order, and ends."""
        platform = FakePlatform()

        async def slow(link: FakeLink, message: OutboundMessage) -> Receipt:
            await trio.sleep(0.05)
            return await platform.take(link, message)

        platform.on_send = slow
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            ids: list[str] = []

            async def breaker() -> None:
                for number in range(40):
                    await trio.sleep(0.013 * (number % 7))
                    await connected(engine)
                    platform.link().fail(network())
                    await engine.retry("a")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(breaker)
                for number in range(200):
                    ids.append((await engine.submit("a", to=str(number % 5), text=str(number))).id)
                    await trio.sleep(0.01)
            assert await all_final(engine, ids) == {"sent": 200}
            for chat in range(5):
                assert platform.sent_texts(str(chat)) == [str(number) for number in range(chat, 200, 5)]


class TestFairness:
    @pytest.mark.parametrize("down", [False, True], ids=["while connected", "while down"])
    async def test_a_chat_with_a_long_backlog_delays_no_other_chat(self, down: bool, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        platform.make_link = PacedLink
        if down:
            platform.plan("a", network())
        async with open_fake_engine(platform) as engine:
            await add(engine)
            if not down:
                await connected(engine)
            await submit(engine, 900, to="1")
            submitted = wall_clock()
            other = await engine.submit("a", to="2", text="quick")
            await connected(engine)
            done = await engine.wait_message(other.id, 30)
            assert done.state is MessageState.SENT
            assert wall_clock() - submitted < 10
            others = [(await engine.submit("a", to=str(chat), text="more")).id for chat in range(3, 23)]
            assert await all_final(engine, others, seconds=10) == {"sent": 20}
            await until(lambda: len(platform.sent) == 921, seconds=1000, step=1)
            assert platform.sent_texts("1") == numbers(900)

    async def test_a_rate_limited_chat_delays_no_other_chat(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()

        async def limited(link: FakeLink, message: OutboundMessage) -> Receipt:
            if message.to == "1" and trio.current_time() < 100:
                raise SendRateLimited("slow down", retry_after=30)
            return await platform.take(link, message)

        platform.on_send = limited
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            slow = await submit(engine, 10, to="1")
            quick = await submit(engine, 10, to="2")
            assert await all_final(engine, quick, seconds=1) == {"sent": 10}
            assert await all_final(engine, slow, seconds=200) == {"sent": 10}
            assert platform.sent_texts("1") == numbers(10)

    async def test_a_limit_of_the_whole_session_stops_all(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        platform.on_send = failing(SendRateLimited("all of you", retry_after=20, whole_session=True))
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            ids = await submit(engine, 1, to="1")
            await trio.sleep(0.1)
            ids += await submit(engine, 1, to="2")
            await trio.sleep(15)
            assert platform.sent == []
            assert await all_final(engine, ids, seconds=10) == {"sent": 2}


class TestPacing:
    async def run(self, *chats: str) -> list[tuple[float, str]]:
        """Submit one message to each of `chats` at once; when each left, seconds after the first."""
        platform = FakePlatform()
        platform.make_link = PacedLink
        platform.max_concurrent_sends = 100
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            async with trio.open_nursery() as nursery:
                for chat in chats:
                    nursery.start_soon(partial(engine.submit, "a", to=chat, text="hi"))
            await until(lambda: len(platform.sent) == len(chats), seconds=1000, step=0.5)
            first = platform.sent[0][0]
            return [(at - first, message.to) for at, message in platform.sent]

    async def test_overall(self, autojump_clock: MockClock) -> None:
        times = [at for at, _ in await self.run(*(str(chat) for chat in range(300)))]
        for start in times:
            assert sum(start <= at < start + 1.05 for at in times) <= 30
        assert times[-1] == pytest.approx(9 * 1.1, abs=1)

    async def test_one_chat(self, autojump_clock: MockClock) -> None:
        times = [at for at, _ in await self.run(*["7"] * 20)]
        assert all(1.05 <= later - sooner < 1.2 for sooner, later in pairwise(times))

    async def test_one_group(self, autojump_clock: MockClock) -> None:
        """Twenty a minute, but not one every three seconds."""
        times = [at for at, _ in await self.run(*["-100"] * 45)]
        assert all(later - sooner >= 1.05 for sooner, later in pairwise(times))
        assert all(later - sooner >= 61 for sooner, later in zip(times, times[20:], strict=False))
        assert times[19] < 25
        assert times[-1] == pytest.approx(2 * 66 + 5, abs=3)

    async def test_a_slow_group_does_not_slow_the_others(self, autojump_clock: MockClock) -> None:
        sent = await self.run(*["-100"] * 20, *(str(chat) for chat in range(30)))
        assert max(at for at, chat in sent if chat != "-100") < 2

    async def test_typing_takes_no_turn(self, autojump_clock: MockClock) -> None:
        """Neither does a text wait for the sign before it, nor a sign for the text."""
        platform = FakePlatform()
        platform.make_link = PacedLink
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            for _ in range(3):
                await engine.send("a", to="7", type="typing")
            await engine.send("a", to="7", text="one")
            await engine.send("a", to="7", type="typing")
            await engine.send("a", to="7", text="two")
            times = [at for at, _ in platform.sent]
        assert times[4] - times[0] < 0.5
        assert times[5] - times[3] >= 1.05


async def test_receiving_goes_on_while_a_send_hangs(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.on_send = hang
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        await submit(engine, 1)
        await trio.sleep(1)
        with trio.fail_after(30):
            await platform.link().inbox.commit([event(1)], "1")
