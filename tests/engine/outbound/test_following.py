"""The next message of a chat begins in the transaction that stores the outcome of the one before (F4)."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio
from trio.testing import MockClock

from rookery import MessageState, OutboundMessage, Receipt
from rookery.errors import SendRateLimited, TooLate
from support.engines.sends import PacedLink, all_final, numbers, open_connected
from support.engines.written_store import WrittenStore, in_order, submit_together
from support.fake_platform import (
    FakeLink,
    FakePlatform,
    network,
    open_troubled_store,
    text_of,
)


async def test_an_outcome_and_the_next_beginning_share_a_write(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as plain:
        store = WrittenStore(plain.inner)
        async with open_connected(platform, store) as engine:
            ids = await submit_together(engine, numbers(4))
            assert await all_final(engine, ids) == {"sent": 4}
            assert store.writes == [
                [("1", "sent"), ("2", "sending")],
                [("2", "sent"), ("3", "sending")],
                [("3", "sent"), ("4", "sending")],
                [("4", "sent")],
            ]
            assert platform.sent_texts() == numbers(4)
            assert [(await engine.get_message(id)).attempts for id in ids] == [1, 1, 1, 1]


@pytest.mark.parametrize("steps", range(12))
async def test_it_may_be_cancelled_until_it_is_stored_as_sending(steps: int, autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as plain:
        store = WrittenStore(plain.inner)
        async with open_connected(platform, store) as engine:
            cancelled = False

            async def cancel() -> None:
                nonlocal cancelled
                if not cancelled:
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                    with suppress(TooLate):
                        await engine.cancel_message(ids[1])
                        cancelled = True

            store.before_write = cancel
            ids = await submit_together(engine, numbers(3))
            assert await all_final(engine, ids) == {"sent": 2, "cancelled": 1}
            assert platform.sent_texts() == ["1", "3"]


async def test_one_that_has_expired_does_not_leave(autojump_clock: MockClock) -> None:
    platform = FakePlatform()

    async def take(link: FakeLink, message: OutboundMessage) -> Receipt:
        await trio.sleep(2)
        return await platform.take(link, message)

    platform.on_send = take
    async with open_connected(platform) as engine:
        ids = await submit_together(engine, ["1"])
        ids += await submit_together(engine, ["2"], ttl=1)
        ids += await submit_together(engine, ["3"])
        assert await all_final(engine, ids) == {"sent": 2, "expired": 1}
        assert platform.sent_texts() == ["1", "3"]


async def test_none_begins_behind_one_that_is_tried_again(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    errors = [SendRateLimited("slow down", retry_after=5)]

    async def take(link: FakeLink, message: OutboundMessage) -> Receipt:
        if errors:
            raise errors.pop()
        return await platform.take(link, message)

    platform.on_send = take
    async with open_troubled_store() as plain:
        store = WrittenStore(plain.inner)
        async with open_connected(platform, store) as engine:
            ids = await submit_together(engine, numbers(2))
            assert await all_final(engine, ids) == {"sent": 2}
            assert store.stored == [("1", "queued"), ("1", "sending"), *in_order(2)]


async def test_none_begins_while_the_session_pauses(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    paused_at: list[float] = []

    async def take(link: FakeLink, message: OutboundMessage) -> Receipt:
        await trio.sleep(1)
        if message.to == "8" and not paused_at:
            paused_at.append(trio.current_time())
            raise SendRateLimited("all of you", retry_after=20, whole_session=True)
        return await platform.take(link, message)

    platform.on_send = take
    async with open_connected(platform) as engine:
        answers = await engine.submit_batch("a", [{"to": to, "text": text} for to, text in ("8x", "71", "72")])
        ids = [answer.id for answer in answers if isinstance(answer, OutboundMessage)]
        assert await all_final(engine, ids) == {"sent": 3}
        [late] = [at for at, message in platform.sent if text_of(message) == "2"]
        assert late >= paused_at[0] + 20


async def test_each_waits_for_its_turn(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.make_link = PacedLink
    async with open_connected(platform) as engine:
        ids = await submit_together(engine, numbers(41), to="-100")
        assert await all_final(engine, ids, seconds=300) == {"sent": 41}
        assert platform.sent_texts() == numbers(41)
        times = [at for at, _ in platform.sent]
        assert all(later - earlier >= 61 for earlier, later in zip(times, times[20:], strict=False))


async def test_a_chat_that_waits_for_a_place_goes_first(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.max_concurrent_sends = 2

    async def take(link: FakeLink, message: OutboundMessage) -> Receipt:
        await trio.sleep(1)
        return await platform.take(link, message)

    platform.on_send = take
    async with open_connected(platform) as engine:
        ids: list[str] = []
        for chat in ("1", "2"):
            ids += await submit_together(engine, numbers(5), to=chat)
        ids += await submit_together(engine, numbers(2), to="3")
        ids += await submit_together(engine, numbers(2), to="4")
        assert await all_final(engine, ids) == {"sent": 14}
        chats = [message.to for _, message in platform.sent]
        assert [sorted(chats[at : at + 2]) for at in (0, 2, 4, 6)] == [["1", "2"], ["3", "4"]] * 2
        for chat in ("1", "2", "3", "4"):
            texts = platform.sent_texts(chat)
            assert texts == numbers(len(texts))


async def test_a_link_that_closes_meanwhile_sends_nothing_more(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as plain:
        store = WrittenStore(plain.inner)
        is_first = True

        async def close() -> None:
            nonlocal is_first
            if is_first:
                is_first = False
                platform.link().fail(network())
                await trio.sleep(0.5)

        store.after_write = close
        async with open_connected(platform, store) as engine:
            sent_by: list[FakeLink] = []

            async def take(link: FakeLink, message: OutboundMessage) -> Receipt:
                sent_by.append(link)
                return await platform.take(link, message)

            platform.on_send = take
            ids = await submit_together(engine, numbers(3))
            assert await all_final(engine, ids) == {"sent": 3}
            assert platform.sent_texts() == numbers(3)
            assert [link is platform.links[0] for link in sent_by] == [True, False, False]
            assert store.stored == [("1", "sent"), ("2", "sending"), ("2", "queued"), *in_order(3)[1:]]


async def test_an_unknown_outcome_holds_nothing_up(autojump_clock: MockClock) -> None:
    platform = FakePlatform()

    async def take(link: FakeLink, message: OutboundMessage) -> Receipt:
        if text_of(message) == "2":
            await trio.sleep_forever()
        return await platform.take(link, message)

    platform.on_send = take
    async with open_connected(platform) as engine:
        ids = await submit_together(engine, numbers(3))
        assert await all_final(engine, ids, seconds=200) == {"sent": 2, "unknown": 1}
        assert (await engine.get_message(ids[1])).state is MessageState.UNKNOWN
        assert platform.sent_texts() == ["1", "3"]
