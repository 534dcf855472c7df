"""The next message of a chat begins in the transaction that stores the outcome of the one before (F4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from rookery import Engine, MessageState, OutboundMessage, Receipt, SessionStatus
from rookery.errors import InvalidInput, LeaseLost, Rejected, SendRateLimited, StoreError, TooLate
from rookery.model.message import Recorded, SendOutcome
from rookery.model.session import Lease
from rookery_telegram import Rates
from support.engines.sends import all_final, numbers, stored_states
from support.fake_platform import (
    FakeLink,
    FakePlatform,
    TroubledStore,
    add,
    connected,
    network,
    open_fake_engine,
    open_troubled_store,
    settled,
    text_of,
    wall_clock,
)
from support.waiting import until

Write = list[tuple[str, str]]
"""The text and the new state of each message in one write."""


class WrittenStore(TroubledStore):
    """Notes the writes of states. `error` is raised by the next one in which an outcome and a beginning come together."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.writes: list[Write] = []
        self.stored: list[tuple[str, str]] = []
        self.error: Exception | None = None
        self.before_write: Callable[[], Awaitable[None]] | None = None
        self.after_write: Callable[[], Awaitable[None]] | None = None

    async def record_sends(self, lease: Lease, outcomes: Sequence[SendOutcome], *, announce: bool = False) -> Recorded:
        write = [(text_of(await self.inner.get_message(one.id)), one.state.value) for one in outcomes]
        self.writes.append(write)
        if self.before_write is not None:
            await self.before_write()
        error = self.error
        if error is not None and len({state for _, state in write}) > 1:
            self.error = None
            raise error
        recorded = await self.inner.record_sends(lease, outcomes, announce=announce)
        refused = {text for (text, _), one in zip(write, outcomes, strict=True) if one.id in recorded.refused}
        self.stored += [each for each in write if each[0] not in refused]
        if self.after_write is not None:
            await self.after_write()
        return recorded


def in_order(count: int, *, first: int = 1) -> list[tuple[str, str]]:
    """What is stored about so many messages of one chat of which the first was stored as SENDING at once."""
    states = [(text, state) for text in numbers(count, first=first) for state in ("sending", "sent")]
    return states[1:]


async def submit_together(engine: Engine, texts: Sequence[str], *, to: str = "7", **fields: Any) -> list[str]:
    answers = await engine.submit_batch("a", [{"to": to, "text": text, **fields} for text in texts])
    assert all(isinstance(answer, OutboundMessage) for answer in answers)
    return [answer.id for answer in answers if isinstance(answer, OutboundMessage)]


async def test_an_outcome_and_the_next_beginning_share_a_write(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as plain:
        store = WrittenStore(plain.inner)
        async with open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            await settled()
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


@pytest.mark.parametrize("error", [StoreError("broken"), InvalidInput("no such text")], ids=repr)
async def test_a_write_that_fails_is_repeated_in_order(error: Exception, autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as plain:
        store = WrittenStore(plain.inner)
        store.error = error
        async with open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            await settled()
            ids = await submit_together(engine, numbers(4))
            assert await all_final(engine, ids) == {"sent": 4}
            assert store.error is None
            assert store.stored == in_order(4)
            assert platform.sent_texts() == numbers(4)


async def test_a_message_begins_only_once_the_outcome_before_it_is_stored(autojump_clock: MockClock) -> None:
    """The database refuses the outcome of one message, at first also when it is alone, and nothing else."""
    platform = FakePlatform()

    async def take(link: FakeLink, message: OutboundMessage) -> Receipt:
        if text_of(message) == "1":
            raise Rejected("\U0001f6ab")
        return await platform.take(link, message)

    platform.on_send = take
    attempts = iter(range(1000))

    class PickyStore(WrittenStore):
        async def record_sends(self, lease: Lease, outcomes: Sequence[SendOutcome], **options: Any) -> Recorded:
            if any(not (one.error or "").isascii() for one in outcomes):
                raise InvalidInput("this text cannot be stored")
            if any(one.error for one in outcomes) and next(attempts) < 5:
                raise StoreError("not now")
            return await super().record_sends(lease, outcomes, **options)

    async with open_troubled_store() as plain:
        store = PickyStore(plain.inner)
        async with open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            await settled()
            ids = await submit_together(engine, numbers(3))
            others = await submit_together(engine, numbers(3, first=4), to="8")
            assert await all_final(engine, others) == {"sent": 3}
            assert await all_final(engine, ids) == {"failed": 1, "sent": 2}
            seventh = [each for each in store.stored if each[0] in numbers(3)]
            assert seventh == [("1", "failed"), *in_order(3)[1:]]
            assert platform.sent_texts("7") == ["2", "3"]


async def test_nothing_leaves_while_the_store_is_away(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as plain:
        store = WrittenStore(plain.inner)

        async def gone() -> None:
            if is_away:
                await trio.sleep_forever()

        store.before_write = gone
        is_away = False
        async with open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            await settled()
            is_away = True
            ids = await submit_together(engine, numbers(3))
            await trio.sleep(3 * engine.settings.store_timeout)
            assert platform.sent_texts() == ["1"]
            assert sorted(await stored_states(plain)) == ["queued", "queued", "sending"]
            is_away = False
            assert await all_final(engine, ids) == {"sent": 3}
            assert platform.sent_texts() == numbers(3)
            assert store.stored == in_order(3)


async def test_a_write_whose_answer_is_lost(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as plain:
        store = WrittenStore(plain.inner)
        is_lossy = True

        async def lose() -> None:
            if is_lossy:
                await trio.sleep_forever()

        store.after_write = lose
        async with open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            await settled()
            ids = await submit_together(engine, numbers(3))
            await trio.sleep(3 * engine.settings.store_timeout)
            assert platform.sent_texts() == ["1"]
            assert sorted(await stored_states(plain)) == ["queued", "sending", "sent"]
            platform.link().fail(network())  # what is in doubt goes back to its row
            await engine.wait_status("a", SessionStatus.RECONNECTING)
            is_lossy = False
            assert await all_final(engine, ids) == {"sent": 3}
            assert platform.sent_texts() == numbers(3)


@pytest.mark.parametrize("steps", range(12))
async def test_it_may_be_cancelled_until_it_is_stored_as_sending(steps: int, autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as plain:
        store = WrittenStore(plain.inner)
        async with open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            await settled()
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
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        await settled()
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
        async with open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            await settled()
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
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        await settled()
        answers = await engine.submit_batch("a", [{"to": to, "text": text} for to, text in ("8x", "71", "72")])
        ids = [answer.id for answer in answers if isinstance(answer, OutboundMessage)]
        assert await all_final(engine, ids) == {"sent": 3}
        [late] = [at for at, message in platform.sent if text_of(message) == "2"]
        assert late >= paused_at[0] + 20


async def test_each_waits_for_its_turn(autojump_clock: MockClock) -> None:
    class PacedLink(FakeLink):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self._pacer = Rates().pacer()
            self.ready_in, self.book = self._pacer.ready_in, self._pacer.book

    platform = FakePlatform()
    platform.make_link = PacedLink
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        await settled()
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
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        await settled()
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
        async with open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            await settled()
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


async def test_nothing_leaves_once_the_lease_is_lost(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as plain:
        store = WrittenStore(plain.inner)
        store.error = LeaseLost("a")
        async with open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            await settled()
            lost = platform.link()
            await submit_together(engine, numbers(3))
            await until(lambda: lost.closed, step=0.1)
            assert [text_of(message) for _, message in platform.sent][:1] == ["1"]
            assert store.writes[0] == [("1", "sent"), ("2", "sending")]


async def test_an_unknown_outcome_holds_nothing_up(autojump_clock: MockClock) -> None:
    platform = FakePlatform()

    async def take(link: FakeLink, message: OutboundMessage) -> Receipt:
        if text_of(message) == "2":
            await trio.sleep_forever()
        return await platform.take(link, message)

    platform.on_send = take
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        await settled()
        ids = await submit_together(engine, numbers(3))
        assert await all_final(engine, ids, seconds=200) == {"sent": 2, "unknown": 1}
        assert (await engine.get_message(ids[1])).state is MessageState.UNKNOWN
        assert platform.sent_texts() == ["1", "3"]
        assert wall_clock() > 0
