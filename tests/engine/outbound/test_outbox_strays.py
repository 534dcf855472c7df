"""Rows and outcomes that get lost: each send ends, and none of them blocks others (F4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from rookery import MessageState, OutboundMessage, Receipt
from rookery.errors import InvalidInput, OutcomeUnknown, Rejected
from rookery.model.content import Text
from rookery.model.message import Recorded, SendOutcome
from rookery.model.session import Lease
from rookery.outbound.rounds import LINGER
from support.engines.sends import final
from support.fake_platform import (
    CALM,
    EPOCH,
    FakeLink,
    FakePlatform,
    TroubledStore,
    add,
    connected,
    hang,
    network,
    open_fake_engine,
    open_troubled_store,
    settled,
)
from support.waiting import until


def stray(id: str, state: MessageState = MessageState.SENDING, *, to: str = "7") -> OutboundMessage:
    return OutboundMessage(
        id=id,
        session="a",
        to=to,
        content=Text(id),
        state=state,
        attempts=1,
        created_at=EPOCH,
        updated_at=EPOCH,
        expires_at=EPOCH + 1e6,
    )


async def lease_of(store: TroubledStore) -> Lease:
    row = await store.inner.get_session("a")
    return Lease(row.id, row.uid, row.owner or "", row.fence)


@pytest.mark.parametrize("is_connected", [True, False])
async def test_a_row_that_no_task_sends_becomes_unknown(is_connected: bool, autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine)
        await connected(engine)
        if not is_connected:
            platform.plan("a", hang)
            platform.link().fail(network())
            await settled()
        lease = await lease_of(store)
        await store.inner.enqueue(stray("late"), pending_limit=10, lease=lease)
        assert (await final(engine, "late")).state is MessageState.UNKNOWN
        assert platform.sent_texts() == []


async def test_a_row_that_is_stored_after_its_caller_gave_up_is_sent(autojump_clock: MockClock) -> None:
    """It says SENDING, but it never left."""
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine)
        await connected(engine)
        await settled()
        seen: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        enqueue = store.inner.enqueue

        async def stall(*arguments: Any, **options: Any) -> Any:
            seen.append((arguments, options))
            await trio.sleep_forever()

        store.inner.enqueue = stall  # type: ignore[method-assign]
        for to in ("7", "7", "8"):
            with pytest.raises(OutcomeUnknown):
                await engine.submit("a", to=to, text="late")
        store.inner.enqueue = enqueue  # type: ignore[method-assign]
        await trio.sleep(20)
        for arguments, options in seen:
            await enqueue(*arguments, **options)
        for arguments, _ in seen:
            assert (await final(engine, arguments[0].id)).state is MessageState.SENT
        assert len(platform.sent) == 3


async def test_a_queued_row_that_no_notification_announced_is_sent(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine)
        await connected(engine)
        await settled()
        await store.inner.enqueue(stray("silent", MessageState.QUEUED), pending_limit=10)
        assert (await final(engine, "silent")).state is MessageState.SENT


async def test_a_message_being_sent_is_no_stray(autojump_clock: MockClock) -> None:
    platform = FakePlatform()

    async def slow(link: FakeLink, message: OutboundMessage) -> Receipt:
        await trio.sleep(25)
        return await platform.take(link, message)

    platform.on_send = slow
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        ids = [(await engine.submit("a", to=str(number % 3), text="x")).id for number in range(6)]
        for id in ids:
            assert (await final(engine, id, seconds=100)).state is MessageState.SENT


class AsciiStore(TroubledStore):
    """A database that takes no emoji."""

    async def record_sends(self, lease: Lease, outcomes: Sequence[SendOutcome], *, announce: bool = False) -> Recorded:
        if not all((outcome.error or "").isascii() for outcome in outcomes):
            raise InvalidInput("this text cannot be stored")
        return await self.inner.record_sends(lease, outcomes, announce=announce)


async def test_an_error_text_that_the_database_refuses_ends_its_own_message_only(autojump_clock: MockClock) -> None:
    platform = FakePlatform()

    async def refuse(link: FakeLink, message: OutboundMessage) -> Receipt:
        if message.to == "7":
            raise Rejected("kein Zutritt \U0001f6ab")
        return await platform.take(link, message)

    platform.on_send = refuse
    async with open_troubled_store() as plain, open_fake_engine(platform, AsciiStore(plain.inner)) as engine:
        await add(engine)
        await connected(engine)
        ids = [(await engine.submit("a", to=to, text="x")).id for to in ("7", "8", "7", "8")]
        found = [await final(engine, id) for id in ids]
        assert [message.state.value for message in found] == ["failed", "sent", "failed", "sent"]
        assert found[0].error == "kein Zutritt \\U0001f6ab"
        assert len(platform.links) == 1


async def test_the_same_while_the_engine_stops(autojump_clock: MockClock) -> None:
    platform = FakePlatform()

    async def refuse(link: FakeLink, message: OutboundMessage) -> Receipt:
        await trio.sleep(1)
        raise Rejected("\U0001f6ab")

    platform.on_send = refuse
    async with open_troubled_store() as plain:
        async with open_fake_engine(platform, AsciiStore(plain.inner)) as engine:
            await add(engine)
            await connected(engine)
            id = (await engine.submit("a", to="7", text="x")).id
            await trio.sleep(0.5)
        assert (await plain.inner.get_message(id)).state is MessageState.FAILED


async def test_a_send_in_the_moment_when_the_tasks_end_leaves_once(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        for steps in range(40):
            await trio.sleep(LINGER)
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            with trio.fail_after(30):
                await engine.send("a", to=str(steps % 2), text=str(steps))
        await trio.sleep(20)
        assert sorted(platform.sent_texts(), key=int) == [str(number) for number in range(40)]


async def test_a_lost_lease_ends_the_link_though_a_call_hangs(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    calls: list[str] = []

    async def take_or_hang(link: FakeLink, message: OutboundMessage) -> Receipt:
        calls.append(message.to)
        if message.to == "hangs":
            await trio.sleep_forever()
        return await platform.take(link, message)

    platform.on_send = take_or_hang
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine)
        await connected(engine)
        await engine.send("a", to="1", text="x")
        await engine.submit("a", to="hangs", text="x")
        await settled()
        lost = platform.link()
        lease = await lease_of(store)
        await store.inner.release(lease)
        began = trio.current_time()
        with trio.move_on_after(5):
            await engine.send("a", to="2", text="x")
        await until(lambda: lost.closed, step=0.1)
        assert trio.current_time() - began < CALM.link_close_timeout + 6
