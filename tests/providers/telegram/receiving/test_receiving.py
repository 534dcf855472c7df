"""Receiving updates: kinds, order, confirmation, and stopping."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio

from rookery import SessionChange
from rookery_simulator.bot_api import Fault
from rookery_telegram.receiving.updates import ALL_KINDS
from support.bot_api.receiving import call, kept_store
from support.telegram_engine import DEADLINE, QUICK, TOKEN, Setup, open_quick_simulator, open_setup
from support.waiting import until


async def test_a_message_arrives() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        setup.bot.push_text("hello", chat_id=7, from_id=5)
        [event] = await setup.events(1)
        assert (event.session, event.platform, event.type, event.chat, event.sender) == (
            "shop",
            "telegram",
            "message",
            "7",
            "5",
        )
        assert event.body["text"] == "hello"
        assert event.raw["message"]["text"] == "hello"
        life = setup.engine.proof_of_life("shop")
        assert life is not None
        assert life.last_inbound is not None


async def test_the_position_in_the_queue_is_dated_by_the_engines_time() -> None:
    """The machine's clock must not decide whether ids have begun anew."""
    async with open_quick_simulator() as simulator, open_setup(simulator, clock=lambda: 4e9) as setup:
        setup.bot.push_text("hello", chat_id=7, from_id=5)
        await setup.events(1)
        session = await setup.engine.store.get_session("shop")
        assert session.cursor is not None
        assert msgspec.json.decode(session.cursor)["at"] == 4e9


async def test_every_kind_is_asked_for_by_name_and_arrives() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        for kind in ALL_KINDS:
            content = {"chat": {"id": 7}} if kind != "poll" else {"id": "p"}
            assert setup.bot.push_update({kind: content}) is not None
        assert setup.bot.push_update({"telepathy": {"from": 5}}) is not None
        events = await setup.events(len(ALL_KINDS) + 1)
        assert [event.type for event in events] == [*ALL_KINDS, "unknown"]
        assert setup.bot.filtered == 0


async def test_kinds_may_be_chosen() -> None:
    async with (
        open_quick_simulator() as simulator,
        open_setup(simulator, add=False) as setup,
    ):
        await setup.add(settings={"allowed_updates": ["message"]})
        await setup.connected()
        await setup.polling()
        assert setup.bot.push_update({"poll": {"id": "p"}}) is None
        setup.bot.push_text("x")
        assert await setup.texts(1) == ["x"]


async def test_many_in_order_and_confirmed_only_when_stored() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        setup.bot.push_many(1234, chats=7)
        assert await setup.texts(1234) == [str(number) for number in range(1, 1235)]
        await setup.polling()
        assert setup.bot.polls.last_offset == setup.bot.queue.next_id
        assert setup.bot.polls.max_simultaneous == 1


async def test_nothing_is_confirmed_while_the_store_is_away() -> None:
    async with (
        kept_store() as store,
        open_quick_simulator() as simulator,
        open_setup(simulator, store=store) as setup,
    ):
        store.down_methods = {"append"}
        before, appends = setup.bot.polls.last_offset, store.calls["append"]
        setup.bot.push_text("precious")
        # Refused, and tried again.
        await appended(store, appends + 2)
        assert setup.bot.polls.last_offset == before
        assert not setup.bot.polls.has_waiting
        store.down_methods = set()
        assert await setup.texts(1) == ["precious"]
        await setup.polling()
        assert setup.bot.polls.last_offset == setup.bot.queue.next_id


async def test_start_keeps_what_waited_and_deletes_a_webhook() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator, add=False) as setup:
        setup.bot.push_text("before")
        await call(setup, "setWebhook", url="https://example.org/hook")
        setup.bot.push_text("for the webhook")
        await setup.add()
        assert await setup.texts(2) == ["before", "for the webhook"]
        assert setup.bot.webhook is None


async def appended(store: Any, count: int) -> None:
    """Return when the store has been asked to append so often."""
    await until(lambda: store.calls["append"] >= count, seconds=DEADLINE)


async def caught_between_store_and_poll(setup: Setup, store: Any) -> None:
    """Return when the message "last" is stored. The store answers its writer only once the session stops."""
    stored = trio.Event()
    runner = setup.engine.running_here()["shop"]

    async def linger(name: str) -> None:
        if name == "append":
            stored.set()
            await until(lambda: runner.stopping)

    store.after = linger
    setup.bot.push_text("last")
    await stored.wait()


class TestStop:
    async def test_an_idle_bot_has_nothing_to_confirm(self) -> None:
        async with open_quick_simulator() as simulator:
            async with open_setup(simulator) as setup:
                setup.bot.push_text("1")
                await setup.texts(1)
                await setup.polling()
                polls = setup.bot.polls.count
            bot = simulator.bot(TOKEN)
            assert bot.polls.count == polls
            assert bot.polls.last_offset == bot.queue.next_id

    async def test_what_was_just_stored_is_confirmed(self) -> None:
        """Stopped between the commit and the next poll: one confirmation, which waits for nothing."""
        async with kept_store() as store, open_quick_simulator() as simulator:
            async with open_setup(simulator, store=store) as setup:
                await caught_between_store_and_poll(setup, store)
                polls = setup.bot.polls.count
            bot = simulator.bot(TOKEN)
            assert bot.polls.count == polls + 1
            last = bot.polls.history[-1]
            assert (last.timeout, last.limit, last.offset) == (0, 1, bot.queue.next_id)
            store.after = None
            async with open_setup(simulator, store=store, add=False) as setup:
                await setup.connected()
                setup.bot.push_text("next")
                assert await setup.texts(2) == ["last", "next"]

    async def test_nothing_is_confirmed_once_the_lease_has_run_out(self) -> None:
        """As after a pause: another instance may poll by now, and only the holder of the lease talks to the queue."""
        async with kept_store() as store, open_quick_simulator() as simulator:
            async with open_setup(simulator, store=store) as setup:
                await caught_between_store_and_poll(setup, store)
                polls = setup.bot.polls.count
                setup.engine.running_here()["shop"].inbox.trusted_until = trio.current_time()
            assert simulator.bot(TOKEN).polls.count == polls

    async def test_a_server_that_does_not_answer_the_confirmation_costs_little(self) -> None:
        settings = msgspec.structs.replace(QUICK, shutdown_grace=60.0)
        async with kept_store() as store, open_quick_simulator() as simulator:
            async with open_setup(simulator, store=store, settings=settings) as setup:
                await caught_between_store_and_poll(setup, store)
                simulator.faults.add(Fault(kind="delay", method="getUpdates", seconds=60))
                before = trio.current_time()
            assert trio.current_time() - before < 30, "not the whole grace"
            simulator.faults.clear()
            store.after = None
            async with open_setup(simulator, store=store, add=False) as setup:
                await setup.connected()
                setup.bot.push_text("next")
                assert await setup.texts(2) == ["last", "next"]
                assert await setup.stored() == 2

    async def test_every_connection_is_closed(self) -> None:
        async with open_quick_simulator() as simulator:
            async with open_setup(simulator) as setup:
                for chat in range(1, 11):
                    await setup.engine.submit("shop", to=chat, text="x")
                await setup.until(lambda: len(setup.bot.sent) == 10)
                await setup.polling()
            bot = simulator.bot(TOKEN)
            await until(lambda: not bot.polls.in_flight, seconds=30)

    async def test_twenty_restarts_under_traffic(self) -> None:
        """No 409, nothing lost, nothing twice, never two polls (C3, C4)."""
        async with kept_store() as store, open_quick_simulator() as simulator:
            bot = simulator.bot(TOKEN)
            total = 0

            async def traffic() -> None:
                nonlocal total
                while True:
                    total += 1
                    bot.push_text(str(total), chat_id=total % 5 + 1)
                    await trio.sleep(0.002)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(traffic)
                for number in range(20):
                    async with open_setup(simulator, store=store, add=number == 0) as setup:
                        await setup.connected()
                        appends = store.calls["append"]
                        await appended(store, appends + 1 + number % 3)
                nursery.cancel_scope.cancel()
            async with open_setup(simulator, store=store, add=False) as setup:
                assert await setup.texts(total) == [str(number) for number in range(1, total + 1)]
            assert not [conflict for conflict in bot.polls.conflicts if conflict.was_heard]
            assert bot.polls.max_simultaneous == 1
            assert bot.errors[409] == 0

    @pytest.mark.parametrize("verb", ["restart", "stop and start", "new settings"])
    async def test_a_session_that_is_restarted_meets_no_conflict(self, verb: str) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            for number in range(5):
                setup.bot.push_text(str(number))
                if verb == "restart":
                    await setup.engine.restart("shop")
                elif verb == "new settings":
                    await setup.engine.update_session("shop", SessionChange(settings={"sends_per_second": number + 1}))
                else:
                    await setup.engine.stop("shop")
                    await setup.engine.start("shop")
                if number % 2:  # every other time before it has connected
                    await setup.polling()
            await setup.connected()
            assert await setup.texts(5) == list("01234")
            assert setup.bot.errors[409] == 0
            assert not [conflict for conflict in setup.bot.polls.conflicts if conflict.was_heard]
            assert setup.bot.polls.max_simultaneous == 1
