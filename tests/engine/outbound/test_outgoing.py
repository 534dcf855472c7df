"""Scheduled sends, cancelled ones, and their states as events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from rookery import EngineSettings
from rookery.errors import InvalidInput, NotFound, OutcomeUnknown, TooLate
from rookery.model.content import Text
from rookery.model.event import EventQuery
from rookery.model.message import STATUS_EVENT, MessageQuery, MessageState, OutboundMessage, Receipt
from support.fake_platform import (
    CALM,
    EPOCH,
    FakePlatform,
    add,
    connected,
    open_fake_engine,
    open_troubled_store,
    settled,
    wall_clock,
)
from support.waiting import until


async def test_a_message_leaves_at_its_time(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        late = await engine.submit("a", to="7", text="late", send_at=EPOCH + 500)
        soon = await engine.submit("a", to="7", text="soon", send_at=EPOCH + 100)
        now = await engine.submit("a", to="7", text="now", send_at=EPOCH - 100)
        assert (late.state, soon.state) == (MessageState.SCHEDULED, MessageState.SCHEDULED)
        assert late.expires_at == EPOCH + 500 + CALM.message_ttl
        for one in (now, soon, late):
            assert (await engine.wait_message(one.id, 1000)).state is MessageState.SENT
        assert [(round(at), text) for at, text in _sent(platform)] == [(0, "now"), (100, "soon"), (500, "late")]


async def test_a_message_that_is_due_before_the_next_look_leaves_at_its_time(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        await engine.submit("a", to="7", text="late", send_at=EPOCH + 500)
        await trio.sleep(1)  # the next look is known, and far
        await engine.submit_batch("a", [{"to": "7", "text": str(at), "send_at": EPOCH + at} for at in (400, 5, 300)])
        await trio.sleep(40)
        [last] = await engine.submit_batch("a", [{"to": "7", "text": "45", "send_at": EPOCH + 45}])
        assert isinstance(last, OutboundMessage)
        assert (await engine.wait_message(last.id, 100)).state is MessageState.SENT
        assert [(round(at), text) for at, text in _sent(platform)] == [(5, "5"), (45, "45")]


async def test_a_message_whose_scheduling_was_not_confirmed_leaves_at_its_time(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine)
        await connected(engine)
        first = await engine.submit("a", to="7", text="first", send_at=EPOCH + 5)
        await trio.sleep(10)  # the scheduler waits for the next message

        async def lose_the_answer(name: str) -> None:
            if name == "enqueue":
                await trio.sleep_forever()

        store.after = lose_the_answer
        with pytest.raises(OutcomeUnknown):
            await engine.submit("a", to="7", text="stored", send_at=EPOCH + 100)
        store.after = None
        await trio.sleep(200)
        late = msgspec.structs.replace(first, id="late", content=Text("late"), send_at=EPOCH + 400, created_at=EPOCH)
        await store.inner.enqueue(msgspec.structs.replace(late, expires_at=EPOCH + 1000), pending_limit=100)
        await trio.sleep(300)
        assert [(round(at), text) for at, text in _sent(platform)] == [(5, "first"), (100, "stored"), (400, "late")]


async def test_a_session_need_not_be_connected_before(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine, enabled=False)
        with pytest.raises(NotFound):
            await engine.submit("nobody", to="7", text="x", send_at=EPOCH + 100)
        with pytest.raises(InvalidInput) as caught:
            await engine.submit("a", to="7", text="x", send_at=EPOCH + 1e9)
        assert caught.value.field == "send_at"
        first = await engine.submit("a", to="7", text="x", send_at=EPOCH + 100, idempotency_key="k")
        again = await engine.submit("a", to="7", text="x", send_at=EPOCH + 100, idempotency_key="k")
        assert again.id == first.id
        await trio.sleep(200)
        assert (await engine.get_message(first.id)).state is MessageState.QUEUED
        await engine.start("a")
        assert (await engine.wait_message(first.id, 100)).state is MessageState.SENT
        assert len(platform.sent) == 1


async def test_a_message_that_waits_is_cancelled(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    gate = trio.Event()

    async def slow(link: Any, message: Any) -> Receipt:
        await gate.wait()
        return await platform.take(link, message)

    platform.on_send = slow
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        first = await engine.submit("a", to="7", text="first")
        waiting = [await engine.submit("a", to="7", text=f"waits {number}") for number in range(3)]
        scheduled = await engine.submit("a", to="7", text="scheduled", send_at=wall_clock() + 100)
        for one in (waiting[1], scheduled, waiting[1]):
            assert (await engine.cancel_message(one.id)).state is MessageState.CANCELLED
        with pytest.raises(TooLate):
            await engine.cancel_message(first.id)
        with pytest.raises(NotFound):
            await engine.cancel_message("nobody")
        gate.set()
        for one in (first, waiting[0], waiting[2]):
            assert (await engine.wait_message(one.id, 100)).state is MessageState.SENT
        await trio.sleep(200)
        assert [text for _, text in _sent(platform)] == ["first", "waits 0", "waits 2"]
        with pytest.raises(TooLate):
            await engine.cancel_message(waiting[0].id)
        listed = await engine.list_messages(MessageQuery(session="a", states=(MessageState.CANCELLED,)))
        assert [one.id for _, one in listed] == [scheduled.id, waiting[1].id]


@pytest.mark.parametrize("steps", range(25))
async def test_at_any_moment_it_is_either_cancelled_or_sent(steps: int, autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        await engine.submit("a", to="7", text="first")
        second = await engine.submit("a", to="7", text="second")
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        try:
            await engine.cancel_message(second.id)
        except TooLate:
            assert (await engine.wait_message(second.id, 10)).state is MessageState.SENT
            assert len(platform.sent) == 2
        else:
            await trio.sleep(10)
            assert (await engine.get_message(second.id)).state is MessageState.CANCELLED
            assert len(platform.sent) == 1


async def test_states_are_in_no_stream_unless_asked_for(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    settings = EngineSettings(status_events=True, backoff_jitter=0.0)
    async with open_fake_engine(platform, settings=settings) as engine, trio.open_nursery() as nursery:
        await add(engine)
        await connected(engine)
        asked: list[Any] = []
        others: list[Any] = []

        async def follow(into: list[Any], **query: Any) -> None:
            async for found in engine.events(**query):
                into.append(found.body["state"] if found.type == STATUS_EVENT else found.type)

        nursery.start_soon(lambda: follow(asked, types=[STATUS_EVENT]))
        nursery.start_soon(lambda: follow(others, types=["*"]))
        await settled()
        receipt = await engine.send("a", to="7", text="hi")
        await platform.link().inbox.confirm([receipt.message_id], MessageState.READ)
        await until(lambda: len(asked) >= 2, seconds=30, step=0.1)
        assert asked == ["sent", "read"]
        assert set(others) == {"session.status"}
        assert {found.type for found in await engine.read_events()} == {"session.status"}
        assert len(await engine.read_events(EventQuery(types=(STATUS_EVENT,)))) == 2
        nursery.cancel_scope.cancel()


async def test_a_schedule_and_receipts_survive_a_restart(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store:
        async with open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            early = await engine.submit("a", to="7", text="early")
            assert (await engine.wait_message(early.id, 10)).state is MessageState.SENT
            later = await engine.submit("a", to="7", text="later", send_at=wall_clock() + 100)
        await trio.sleep(500)
        async with open_fake_engine(platform, store) as engine:
            await connected(engine)
            assert (await engine.wait_message(later.id, 10)).state is MessageState.SENT
            assert [text for _, text in _sent(platform)] == ["early", "later"]
            receipts = [(await engine.get_message(one.id)).receipt for one in (early, later)]
            ids = [receipt.message_id for receipt in receipts if receipt is not None]
            await platform.link().inbox.confirm([*ids, "of another device"], MessageState.DELIVERED)
            await platform.link().inbox.confirm(ids, MessageState.READ)
            for one in (early, later):
                assert (await engine.get_message(one.id)).state is MessageState.READ
            told = [event.body["state"] for event in await engine.read_events(EventQuery(types=(STATUS_EVENT,)))]
            assert sorted(told) == ["delivered", "delivered", "read", "read", "sent", "sent"]


async def test_an_expiry_is_reported_at_once(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine, trio.open_nursery() as nursery:
        await add(engine, enabled=False)
        soon = await engine.submit("a", to="7", text="x", send_at=wall_clock() + 5, ttl=20)
        told: list[Any] = []

        async def follow() -> None:
            async for found in engine.events(types=[STATUS_EVENT]):
                told.append((found.body["id"], found.body["state"], trio.current_time()))

        nursery.start_soon(follow)
        await trio.sleep(60)
        [(id, state, at)] = told
        assert (id, state) == (soon.id, "expired")
        assert at < 50
        nursery.cancel_scope.cancel()


def _sent(platform: FakePlatform) -> list[tuple[float, str]]:
    return [(at, message.content.text) for at, message in platform.sent]  # type: ignore[misc,union-attr]
