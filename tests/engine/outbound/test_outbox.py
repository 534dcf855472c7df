"""Sends: order, fairness, pacing, every outcome, and what survives what (F4, F5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from rookery import Engine, EngineSettings, MessageState, OutboundMessage, Receipt, SessionStatus
from rookery.errors import (
    Busy,
    InvalidInput,
    NotConnected,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    SendRateLimited,
    StoreUnavailable,
)
from rookery_telegram import Rates
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
    text_of,
    until,
    wall_clock,
)


class PacedLink(FakeLink):
    """Paced as Telegram bots are."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._pacer = Rates().pacer()

    def ready_in(self, chat: str) -> float:
        return self._pacer.ready_in(chat)

    def book(self, chat: str) -> float:
        return self._pacer.book(chat)


async def submit(engine: Engine, count: int, *, to: str = "7", first: int = 1) -> list[str]:
    return [(await engine.submit("a", to=to, text=str(number))).id for number in range(first, first + count)]


async def states(engine: Engine, ids: list[str]) -> Counter[str]:
    return Counter([(await engine.get_message(id)).state.value for id in ids])


async def all_final(engine: Engine, ids: list[str], *, seconds: float = 60) -> Counter[str]:
    with trio.fail_after(seconds):
        for id in ids:
            while not (await engine.get_message(id)).state.final:
                await trio.sleep(0.1)
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

    async def test_a_backlog_comes_before_what_is_submitted_while_it_is_read(self, autojump_clock: MockClock) -> None:
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
    async def test_a_chat_with_a_long_backlog_delays_nobody(self, down: bool, autojump_clock: MockClock) -> None:
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

    async def test_a_chat_that_is_told_to_wait_delays_nobody(self, autojump_clock: MockClock) -> None:
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


class TestOutcomes:
    @pytest.mark.parametrize(
        ("error", "state", "raised"),
        [
            (Rejected("blocked by the user"), MessageState.FAILED, Rejected),
            (OutcomeUnknown("no answer"), MessageState.UNKNOWN, OutcomeUnknown),
            (ProviderError("the link broke"), MessageState.UNKNOWN, OutcomeUnknown),
            (RuntimeError("a bug with 123:SECRET"), MessageState.UNKNOWN, OutcomeUnknown),
            (Rejected("half \ud83d \0 pair"), MessageState.FAILED, Rejected),
            (ExceptionGroup("x", [RuntimeError("y")]), MessageState.UNKNOWN, OutcomeUnknown),
        ],
        ids=str,
    )
    async def test_final(
        self, error: Exception, state: MessageState, raised: type[Exception], autojump_clock: MockClock
    ) -> None:
        platform = FakePlatform()
        platform.on_send = failing(error)
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            with trio.fail_after(60), pytest.raises(raised):
                await engine.send("a", to="7", text="first", idempotency_key="k")
            message = await engine.submit("a", to="7", text="first", idempotency_key="k")
            assert message.state is state
            assert message.error
            assert "SECRET" not in message.error
            assert message.attempts == 1
            await engine.send("a", to="7", text="second")
            assert platform.sent_texts() == ["second"]
            assert len(platform.attempts) == 1

    @pytest.mark.parametrize(
        ("errors", "delay"),
        [
            ([SendRateLimited("x", retry_after=7)], 7),
            ([SendRateLimited("x", retry_after=7)] * 5, 35),
            ([NotConnected("x")], 1),
            ([NotConnected("x")] * 7, 1 + 2 + 4 + 8 + 16 + 30 + 30),
        ],
        ids=str,
    )
    async def test_tried_again_in_order(self, errors: list[Exception], delay: float, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        platform.on_send = failing(*errors)
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            ids = await submit(engine, 3)
            before = trio.current_time()
            assert await all_final(engine, ids, seconds=200) == {"sent": 3}
            assert platform.sent_texts() == numbers(3)
            assert platform.sent[0][0] - before == pytest.approx(delay, abs=0.2)
            assert (await engine.get_message(ids[0])).attempts == len(errors) + 1

    async def test_a_rate_limit_is_seen_while_it_lasts(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        platform.on_send = failing(SendRateLimited("retry later", retry_after=50))
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            [id] = await submit(engine, 1)
            await trio.sleep(10)
            message = await engine.get_message(id)
            assert (message.state, message.error) == (MessageState.QUEUED, "retry later")
            done = await engine.wait_message(id, 60)
            assert (done.state, done.error) == (MessageState.SENT, None)

    async def test_no_answer_is_unknown_after_the_deadline(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        platform.on_send = hang
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            before = trio.current_time()
            with pytest.raises(OutcomeUnknown):
                await engine.send("a", to="7", text="hi")
            assert trio.current_time() - before == pytest.approx(30, abs=0.1)

    async def test_the_link_is_lost_in_the_middle(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        platform.on_send = hang
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            ids = await submit(engine, 3)
            await trio.sleep(1)
            platform.on_send = platform.take
            before = trio.current_time()
            platform.link().fail(network())
            assert await all_final(engine, ids) == {"unknown": 1, "sent": 2}
            assert (await engine.get_message(ids[0])).state is MessageState.UNKNOWN
            assert (await engine.get_message(ids[0])).updated_at - wall_clock() + trio.current_time() - before <= 2.1
            assert platform.sent_texts() == ["2", "3"]

    async def test_it_expires_in_the_queue(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        platform.plan("a", hang)
        async with open_fake_engine(platform) as engine:
            await add(engine)
            short = await engine.submit("a", to="7", text="short", ttl=30)
            long = await engine.submit("a", to="7", text="long")
            with pytest.raises(Rejected, match="expired"), trio.fail_after(60):
                await engine.send("a", to="8", text="x", ttl=20)
            await connected(engine, seconds=100)
            assert (await engine.wait_message(long.id, 10)).state is MessageState.SENT
            assert (await engine.get_message(short.id)).state is MessageState.EXPIRED
            assert platform.sent_texts() == ["long"]

    async def test_it_expires_behind_a_slow_one(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        platform.on_send = failing(SendRateLimited("x", retry_after=5))
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            first = await engine.submit("a", to="7", text="first")
            second = await engine.submit("a", to="7", text="second", ttl=3)
            assert await all_final(engine, [first.id, second.id]) == {"sent": 1, "expired": 1}
            assert platform.sent_texts() == ["first"]


class TestAcceptance:
    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"to": "", "text": "x"}, "to"),
            ({"to": "x" * 257, "text": "x"}, "to"),
            ({"to": "\ud800", "text": "x"}, "to"),
            ({"to": "7", "text": ""}, "text"),
            ({"to": "7", "text": "\0"}, "text"),
            ({"to": "7", "text": 5}, "text"),
            ({"to": "7", "text": "x", "ttl": 0}, "ttl"),
            ({"to": "7", "text": "x", "ttl": float("nan")}, "ttl"),
            ({"to": "7", "text": "x", "reply_to": ""}, "reply_to"),
            ({"to": "7", "text": "x", "idempotency_key": ""}, "idempotency_key"),
            ({"to": "7", "text": "x", "options": {"y": Ellipsis}}, "options"),
            ({"to": "7", "text": "x", "options": {"y": "z" * 70_000}}, "options"),
            ({"to": "7", "type": "carrier pigeon"}, "type"),
            ({"to": "7", "type": "image"}, None),
            ({"to": "7", "type": "image", "url": "x", "data": "eA=="}, None),
            ({"to": "7", "type": "image", "data": "not base64!"}, "data"),
            ({"to": "7", "type": "text", "text": "x", "colour": "red"}, "colour"),
            ({"to": "7", "type": "location", "latitude": 91, "longitude": 0}, "latitude"),
        ],
        ids=str,
    )
    async def test_bad_input_costs_nothing(
        self, fields: dict[str, Any], field: str | None, autojump_clock: MockClock
    ) -> None:
        platform = FakePlatform()
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            await settled()
            with pytest.raises(InvalidInput) as caught:
                await engine.submit("a", **fields)
            assert caught.value.field == field
            with trio.fail_after(30):
                await engine.send("a", to="7", text="fine")

    async def test_unknown_sessions(self, autojump_clock: MockClock) -> None:
        async with open_fake_engine(FakePlatform()) as engine:
            with pytest.raises(NotFound):
                await engine.submit("ghost", to="7", text="hi")
            with pytest.raises(NotFound):
                await engine.get_message("ghost")

    async def test_a_session_that_is_deleted_while_it_is_stored(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            await settled()
            await store.inner.delete_session("a")
            with pytest.raises(NotFound):
                await engine.submit("a", to="7", text="hi")

    async def test_stopped_and_terminal_sessions_say_so(self, autojump_clock: MockClock) -> None:
        from rookery import Action, Reason
        from rookery.errors import TerminalError

        platform = FakePlatform()
        async with open_fake_engine(platform) as engine:
            await add(engine, enabled=False)
            with pytest.raises(NotConnected, match="is stopped"):
                await engine.submit("a", to="7", text="hi")
            platform.plan("a", TerminalError("gone", reason=Reason.BANNED, action=Action.NONE))
            await engine.start("a")
            await trio.sleep(1)
            with pytest.raises(NotConnected, match="BANNED"):
                await engine.submit("a", to="7", text="hi")

    async def test_too_many_are_busy(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        platform.plan("a", hang)
        async with open_fake_engine(platform, settings=EngineSettings(max_pending_sends=5)) as engine:
            await add(engine)
            ids = await submit(engine, 5)
            with pytest.raises(Busy):
                await submit(engine, 1, first=6)
            await connected(engine, seconds=100)
            assert await all_final(engine, ids) == {"sent": 5}
            await submit(engine, 1, first=6)

    async def test_busy_while_connected_leaves_the_chat_usable(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        platform.on_send = hang
        async with open_fake_engine(platform, settings=EngineSettings(max_pending_sends=2)) as engine:
            await add(engine)
            await connected(engine)
            await submit(engine, 1, to="1")
            await submit(engine, 1, to="2")
            with pytest.raises(Busy):
                await submit(engine, 1, to="3")
            await trio.sleep(35)
            platform.on_send = platform.take
            [id] = await submit(engine, 1, to="3")
            assert await all_final(engine, [id]) == {"sent": 1}


class TestIdempotency:
    async def test_a_hundred_at_once_are_one(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()

        async def slow(link: FakeLink, message: OutboundMessage) -> Receipt:
            await trio.sleep(1)
            return await platform.take(link, message)

        platform.on_send = slow
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            receipts: list[Receipt] = []

            async def send() -> None:
                receipts.append(await engine.send("a", to="7", text="hi", idempotency_key="k"))

            async with trio.open_nursery() as nursery:
                for _ in range(100):
                    nursery.start_soon(send)
            assert len(platform.sent) == 1
            assert len({receipt.message_id for receipt in receipts}) == 1
            assert len(receipts) == 100
            await send()
            assert len(platform.sent) == 1

    async def test_another_message_under_the_same_key(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            await engine.send("a", to="7", text="hi", idempotency_key="k")
            with pytest.raises(InvalidInput) as caught:
                await engine.submit("a", to="7", text="ho", idempotency_key="k")
            assert caught.value.field == "idempotency_key"
            await engine.send("a", to="7", text="ho")


class TestCallersThatLeave:
    @pytest.mark.parametrize("steps", range(40))
    async def test_at_any_moment_the_send_happens_once_or_not_at_all(
        self, steps: int, autojump_clock: MockClock
    ) -> None:
        platform = FakePlatform()
        async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            await settled()
            with trio.CancelScope() as scope:

                async def canceller() -> None:
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                    scope.cancel()

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(canceller)
                    await engine.send("a", to="7", text="hi", idempotency_key="k")
            await trio.sleep(5)
            assert len(platform.sent) <= 1
            stored = await _messages(store)
            assert len(stored) == len(platform.sent)
            assert all(row == "sent" for row in stored)
            await engine.send("a", to="7", text="hi", idempotency_key="k")
            assert len(platform.sent) == 1
            await engine.send("a", to="7", text="next")

    async def test_while_it_is_being_sent(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()

        async def slow(link: FakeLink, message: OutboundMessage) -> Receipt:
            await trio.sleep(5)
            return await platform.take(link, message)

        platform.on_send = slow
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            with trio.move_on_after(1):
                await engine.send("a", to="7", text="hi")
            await trio.sleep(10)
            assert platform.sent_texts() == ["hi"]


async def _messages(store: TroubledStore) -> list[str]:
    """The states of all stored messages; the store has no call for that, nor needs one."""
    inner: Any = store.inner
    rows = await inner._read(lambda connection: connection.execute("SELECT state FROM messages").fetchall())
    return [state for (state,) in rows]


class TestTroubledStore:
    async def test_an_outcome_is_stored_when_the_store_is_back(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)

            async def cut(link: FakeLink, message: OutboundMessage) -> Receipt:
                store.down_methods = {"record_sends"}
                return await platform.take(link, message)

            platform.on_send = cut
            ids = await submit(engine, 1)
            await trio.sleep(30)
            store.down_methods = set()
            assert await all_final(engine, ids, seconds=30) == {"sent": 1}
            assert platform.sent_texts() == ["1"]

    async def test_also_when_the_link_is_lost_meanwhile(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)

            async def cut(link: FakeLink, message: OutboundMessage) -> Receipt:
                store.down_methods = {"record_sends"}
                return await platform.take(link, message)

            platform.on_send = cut
            ids = await submit(engine, 2)
            await trio.sleep(10)
            platform.on_send = platform.take
            platform.link().fail(network())
            await trio.sleep(30)
            store.down_methods = set()
            assert await all_final(engine, ids, seconds=60) == {"sent": 2}
            assert platform.sent_texts() == ["1", "2"]

    @pytest.mark.parametrize("method", ["record_sends", "pending_messages", "enqueue"])
    @pytest.mark.parametrize("trouble", ["down", "hanging"])
    async def test_it_goes_on_afterwards(self, method: str, trouble: str, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            ids = await submit(engine, 3)
            await settled()
            troubled = store.down_methods if trouble == "down" else store.hanging
            troubled.add(method)
            for number in (4, 5):
                try:
                    ids += await submit(engine, 1, first=number)
                except (StoreUnavailable, OutcomeUnknown):
                    assert method == "enqueue"
            await trio.sleep(20)
            troubled.clear()
            ids += await submit(engine, 2, first=6)
            assert await all_final(engine, ids, seconds=100) == {"sent": len(ids)}
            expected = numbers(7) if method != "enqueue" else [*numbers(3), *numbers(2, first=6)]
            assert platform.sent_texts() == expected

    async def test_a_message_that_was_stored_too_late_for_its_caller_is_sent(self, autojump_clock: MockClock) -> None:
        """The store took longer than the caller was ready to wait, and did it all the same."""
        platform = FakePlatform()
        async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            await settled()

            async def slow_answer(name: str) -> None:
                if name == "enqueue":
                    await trio.sleep_forever()

            store.after = slow_answer
            for to in ("1", "2"):
                with pytest.raises(OutcomeUnknown):
                    await submit(engine, 1, to=to)
            store.after = None
            await trio.sleep(20)
            assert sorted(await _messages(store)) == ["sent", "sent"]
            assert len(platform.sent) == 2

    async def test_a_session_that_stops_while_a_message_is_stored(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            await settled()

            async def slow_answer(name: str) -> None:
                if name == "enqueue":
                    await trio.sleep(1)

            store.after = slow_answer
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(submit, engine, 1))
                await trio.sleep(0.5)
                await engine.stop("a")
            await trio.sleep(10)
            assert await _messages(store) == ["queued"]
            await engine.start("a")
            await until(lambda: platform.sent_texts() == ["1"])
            await settled()
            assert await _messages(store) == ["sent"]


class TestCrash:
    """The engine is torn down hard: its tasks vanish, nothing is written any more, and the store is kept."""

    async def test_what_was_under_way_is_unknown_and_the_rest_is_sent(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        platform.on_send = hang
        async with open_troubled_store() as store:
            async with open_fake_engine(platform, store) as engine:
                await add(engine)
                await connected(engine)
                ids = await submit(engine, 5)
                await trio.sleep(1)
                store.down = True
                engine.stop_now()
            store.down = False
            assert Counter(await _messages(store)) == {"sending": 1, "queued": 4}
            platform.on_send = platform.take
            async with open_fake_engine(platform, store) as engine:
                assert await all_final(engine, ids) == {"unknown": 1, "sent": 4}
                assert (await engine.get_message(ids[0])).state is MessageState.UNKNOWN
                assert platform.sent_texts() == ["2", "3", "4", "5"]

    async def test_a_graceful_stop_puts_back_what_has_not_left(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        platform.on_send = failing(*[NotConnected("x")] * 100)
        async with open_troubled_store() as store:
            async with open_fake_engine(platform, store) as engine:
                await add(engine)
                await connected(engine)
                ids = await submit(engine, 5)
                await trio.sleep(3)
            assert await _messages(store) == ["queued"] * 5
            platform.on_send = platform.take
            async with open_fake_engine(platform, store) as engine:
                assert await all_final(engine, ids) == {"sent": 5}
                assert platform.sent_texts() == numbers(5)


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


async def test_a_send_that_is_stored_while_its_session_starts_is_not_forgotten(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    claiming, storing, begun = trio.Event(), trio.Event(), trio.Event()
    async with open_troubled_store() as store:

        async def before(name: str) -> None:
            if name == "claim":
                await claiming.wait()
            if name == "enqueue":
                begun.set()
                await storing.wait()

        store.before = before
        async with open_fake_engine(platform, store) as engine, trio.open_nursery() as nursery:
            await add(engine)
            nursery.start_soon(partial(engine.send, "a", to="7", text="early"))
            await begun.wait()
            claiming.set()
            await connected(engine)
            await settled()
            storing.set()
            await until(lambda: platform.sent_texts() == ["early"], seconds=5)
