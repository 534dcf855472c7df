"""Accepting a send: limits, idempotency keys, and callers that leave while they wait."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from rookery import EngineSettings, OutboundMessage, Receipt
from rookery.errors import (
    Busy,
    InvalidInput,
    NotConnected,
    NotFound,
)
from support.engines.sends import all_final, stored_states, submit
from support.fake_platform import (
    FakeLink,
    FakePlatform,
    add,
    connected,
    hang,
    open_fake_engine,
    open_troubled_store,
    settled,
)


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
            stored = await stored_states(store)
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


async def test_a_chat_shows_the_messages_of_a_batch_in_the_order_given() -> None:
    """On the real clock: messages that are built one after another would have different times."""
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        batch: list[dict[str, Any]] = [
            {"to": "7", "type": "location", "latitude": 1.0, "longitude": 2.0},
            {"to": "7", "text": "second"},
            {"to": "7", "text": "third", "options": {"odd": True}},
            {"to": "7", "text": "fourth"},
        ]
        given = [each.id for each in await engine.submit_batch("a", batch) if isinstance(each, OutboundMessage)]
        assert await all_final(engine, given) == {"sent": 4}
        assert [shown.send for shown in reversed(await engine.chat_messages("a", "7"))] == given
