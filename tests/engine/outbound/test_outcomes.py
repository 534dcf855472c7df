"""How a send ends: every outcome, and sends that an earlier engine left behind (F4, F5)."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from rookery import MessageState, OutboundMessage, Receipt
from rookery.errors import (
    NotConnected,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    SendRateLimited,
)
from support.engines.sends import all_final, failing, numbers, stored_states, submit
from support.fake_platform import (
    FakeLink,
    FakePlatform,
    add,
    connected,
    hang,
    network,
    open_fake_engine,
    open_troubled_store,
    settled,
    wall_clock,
)


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


class TestCrash:
    """The engine is torn down hard: its tasks vanish, nothing more is written, and the store is kept."""

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
            assert Counter(await stored_states(store)) == {"sending": 1, "queued": 4}
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
            assert await stored_states(store) == ["queued"] * 5
            platform.on_send = platform.take
            async with open_fake_engine(platform, store) as engine:
                assert await all_final(engine, ids) == {"sent": 5}
                assert platform.sent_texts() == numbers(5)


async def test_outcomes_that_come_right_after_each_other_share_a_write(autojump_clock: MockClock) -> None:
    platform = FakePlatform()

    async def take(link: FakeLink, message: OutboundMessage) -> Receipt:
        await trio.sleep(1)
        for _ in range(int(message.to)):  # each a turn of the loop later
            await trio.lowlevel.checkpoint()
        return await platform.take(link, message)

    platform.on_send = take
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine)
        await connected(engine)
        await settled()
        before = store.calls["record_sends"]
        async with trio.open_nursery() as nursery:
            for chat in range(12):
                nursery.start_soon(partial(engine.send, "a", to=str(chat), text="hi"))
        assert len(platform.sent) == 12
        assert store.calls["record_sends"] - before <= 5  # 6 or 7 if each write began with what there was at once
