"""The outcome of one message and the beginning of the next share a write that fails, or whose answer is lost (F4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from rookery import MessageState, OutboundMessage, Receipt, SessionStatus
from rookery.errors import InvalidInput, LeaseLost, Rejected, StoreError
from rookery.model.message import Recorded, SendOutcome
from rookery.model.session import Lease
from support.engines.sends import all_final, numbers, open_connected, stored_states
from support.engines.written_store import WrittenStore, in_order, submit_together
from support.fake_platform import (
    FakeLink,
    FakePlatform,
    network,
    open_troubled_store,
    text_of,
)
from support.waiting import until


@pytest.mark.parametrize("error", [StoreError("broken"), InvalidInput("no such text")], ids=repr)
async def test_a_write_that_fails_is_repeated_in_order(error: Exception, autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as plain:
        store = WrittenStore(plain.inner)
        store.error = error
        async with open_connected(platform, store) as engine:
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
        async with open_connected(platform, store) as engine:
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
        async with open_connected(platform, store) as engine:
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
        async with open_connected(platform, store) as engine:
            ids = await submit_together(engine, numbers(3))
            await trio.sleep(3 * engine.settings.store_timeout)
            assert platform.sent_texts() == ["1"]
            assert sorted(await stored_states(plain)) == ["queued", "sending", "sent"]
            platform.link().fail(network())  # what is in doubt goes back to its row
            await engine.wait_status("a", SessionStatus.RECONNECTING)
            is_lossy = False
            assert await all_final(engine, ids) == {"sent": 3}
            assert platform.sent_texts() == numbers(3)


async def test_nothing_leaves_once_the_lease_is_lost(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as plain:
        store = WrittenStore(plain.inner)
        store.error = LeaseLost("a")
        async with open_connected(platform, store) as engine:
            lost = platform.link()
            await submit_together(engine, numbers(3))
            await until(lambda: lost.closed, step=0.1)
            assert [text_of(message) for _, message in platform.sent][:1] == ["1"]
            assert store.writes[0] == [("1", "sent"), ("2", "sending")]


async def test_one_that_was_cancelled_never_leaves(autojump_clock: MockClock) -> None:
    """The joint write is refused, the states are written one by one, and the time for that ends at the last of them."""
    platform = FakePlatform()

    async def take(link: FakeLink, message: OutboundMessage) -> Receipt:
        await trio.sleep(1)
        return await platform.take(link, message)

    platform.on_send = take

    class SlowStore(WrittenStore):
        async def record_sends(self, lease: Lease, outcomes: Sequence[SendOutcome], **options: Any) -> Recorded:
            beginning = [one.id for one in outcomes if one.state is MessageState.SENDING]
            if self.error is not None and len(beginning) == 2:
                last.append(beginning[1])
                assert (await engine.cancel_message(beginning[0])).state is MessageState.CANCELLED
            elif last and beginning == last:
                last.clear()
                await trio.sleep_forever()
            return await super().record_sends(lease, outcomes, **options)

    last: list[str] = []
    async with open_troubled_store() as plain:
        store = SlowStore(plain.inner)
        store.error = StoreError("broken")
        async with open_connected(platform, store) as engine:
            answers = await engine.submit_batch(
                "a", [{"to": text[0], "text": text} for text in ("71", "81", "72", "82")]
            )
            ids = [answer.id for answer in answers if isinstance(answer, OutboundMessage)]
            assert await all_final(engine, ids) == {"sent": 3, "cancelled": 1}
            assert store.error is None
            assert not last
            assert len(platform.sent) == 3
