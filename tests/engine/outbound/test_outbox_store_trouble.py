"""Sends while the store fails, hangs or answers late."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock

from rookery import OutboundMessage, Receipt, SessionStatus
from rookery.errors import (
    OutcomeUnknown,
    StoreUnavailable,
)
from support.engines.sends import all_final, numbers, stored_states, submit
from support.fake_platform import (
    FakeLink,
    FakePlatform,
    add,
    connected,
    network,
    open_fake_engine,
    open_troubled_store,
    settled,
)
from support.waiting import until


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
            assert sorted(await stored_states(store)) == ["sent", "sent"]
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
            assert await stored_states(store) == ["queued"]
            await engine.start("a")
            await until(lambda: platform.sent_texts() == ["1"])
            await settled()
            assert await stored_states(store) == ["sent"]


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


async def test_a_row_that_is_owed_a_state_is_sent_only_when_it_has_it(autojump_clock: MockClock) -> None:
    """Otherwise the debt is paid over SENDING, and the next owner of the session would send the message again."""
    platform = FakePlatform()
    sending, release = trio.Event(), trio.Event()

    async def hold(link: FakeLink, message: OutboundMessage) -> Receipt:
        sending.set()
        await release.wait()
        return await platform.take(link, message)

    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine)
        await connected(engine)
        await settled()
        platform.on_send = hold
        platform.link().fail(network())
        await engine.wait_status("a", SessionStatus.RECONNECTING)
        ids = await submit(engine, 1)
        store.hanging.add("record_sends")  # SENDING is not stored, and its writer does not know that
        await connected(engine)
        await trio.sleep(2 * engine.settings.store_timeout)

        delays = iter((1.0,))

        async def back(method: str) -> None:
            if method == "pending_messages":  # after the debt could not be paid
                store.hanging.discard("record_sends")
            elif method == "record_sends" and not store.hanging:
                await trio.sleep(next(delays, 0.0))  # it is paid late

        platform.link().fail(network())
        store.before = back
        with trio.fail_after(600):
            await sending.wait()
        await trio.sleep(0.5 * engine.settings.send_timeout)
        assert await stored_states(store) == ["sending"]
        release.set()
        assert await all_final(engine, ids, seconds=60) == {"sent": 1}
