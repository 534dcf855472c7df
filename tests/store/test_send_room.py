"""Accepting a send costs the same however many sends wait, and the limit still holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rookery.errors import Busy
from rookery.model.message import MessageState
from rookery.store.contract import Store
from rookery.store.send_room import SendRoom
from store.backends import Backend, MemoryBackend
from store.building import create_and_claim, fill_state, message, new_session, sqlite_steps

MANY = 5_000
PLENTY = 1_000_000
READ = """
    SELECT (SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables WHERE relname = 'messages')
         + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'messages')"""


async def postgres_work(store: Any, work: Callable[[], Awaitable[object]]) -> int:
    """The number of rows and index entries of messages that PostgreSQL reads for `work`, on one connection."""

    async def read() -> int:
        await store._db.row("SELECT pg_stat_force_next_flush()")
        return int((await store._db.row(READ))[0])

    before = await read()
    await work()
    return await read() - before


@pytest.mark.parametrize("state", [MessageState.SCHEDULED, MessageState.QUEUED])
@pytest.mark.parametrize("kind", ["memory", "postgres"])
async def test_accepting_a_send_costs_the_same_beside_thousands_that_wait(
    kind: str, state: MessageState, request: pytest.FixtureRequest
) -> None:
    backend: Backend = MemoryBackend() if kind == "memory" else request.getfixturevalue("postgres")
    options: dict[str, Any] = {} if kind == "memory" else {"pool_size": 1}
    store = backend.make(**options)
    work_of = sqlite_steps if kind == "memory" else postgres_work
    send_at = 1500.0 if state is MessageState.SCHEDULED else None

    async def put_some(session: str) -> None:
        for _ in range(100):
            await store.enqueue(message(session, state=state, send_at=send_at), pending_limit=PLENTY)

    async with store.open():
        for session in ("shop", "other"):
            await store.create_session(new_session(session))
        await put_some("other")
        for _ in range(MANY // 1000):
            batch = [message(state=state, send_at=send_at) for _ in range(1000)]
            await store.enqueue_batch(batch, pending_limit=PLENTY)
        await put_some("shop")
        few = await work_of(store, lambda: put_some("other"))
        many = await work_of(store, lambda: put_some("shop"))
    # With other engines on the database, one count of all that wait pays for a sixteenth of them.
    assert many <= 1.5 * few + (0 if kind == "memory" else 2 * MANY / 16)


async def test_a_full_queue_is_counted_once_and_takes_more_as_soon_as_a_send_has_ended() -> None:
    store: Any = MemoryBackend().make()

    async def refuse() -> None:
        for _ in range(50):
            with pytest.raises(Busy):
                await store.enqueue(message(), pending_limit=1000)

    async with store.open():
        lease = await create_and_claim(store)
        batch = [message() for _ in range(1000)]
        await store.enqueue_batch(batch, pending_limit=1000)
        with pytest.raises(Busy):
            await store.enqueue(message(), pending_limit=1000)
        assert await sqlite_steps(store, refuse) < 50  # one count of 1,000 rows takes 40
        await fill_state(store, lease, batch[0].id, MessageState.SENDING, MessageState.SENT)
        await store.enqueue(message(), pending_limit=1000)
        await refuse()


async def test_the_limit_holds_exactly_while_sends_come_and_go(store: Store) -> None:
    lease = await create_and_claim(store)
    accepted: list[str] = []
    for _ in range(30):
        given = message()
        try:
            await store.enqueue(given, pending_limit=10)
            accepted.append(given.id)
        except Busy:
            assert len(accepted) == 10
            await fill_state(store, lease, accepted.pop(0), MessageState.SENDING, MessageState.SENT)
    scheduled = [message(state=MessageState.SCHEDULED, send_at=1500.0) for _ in range(12)]
    answers = await store.enqueue_batch(scheduled, pending_limit=10)
    assert [isinstance(answer, Busy) for answer in answers] == [False] * 10 + [True] * 2


async def test_a_queue_that_was_emptied_in_any_way_has_room_again(store: Store) -> None:
    lease = await create_and_claim(store)

    async def fill(state: MessageState = MessageState.QUEUED, **fields: Any) -> list[str]:
        answers = await store.enqueue_batch([message(state=state, **fields) for _ in range(4)], pending_limit=3)
        assert [isinstance(answer, Busy) for answer in answers] == [False] * 3 + [True]
        return [answer[0].id for answer in answers if isinstance(answer, tuple)]

    for id in await fill():
        assert (await store.cancel_message(id, now=1500.0))[1]
    await fill()
    assert await store.expire_messages(now=3000.0) == 3
    ids = await fill()
    for id in ids:
        await fill_state(store, lease, id, MessageState.SENDING)
    assert len(await store.resolve_interrupted(lease, now=1500.0)) == 3
    await fill()
    await store.erase_chat("shop", "7")
    await fill()
    await fill(MessageState.SCHEDULED, send_at=1500.0)
    assert set(await store.release_scheduled(now=1600.0)) == {"shop"}
    await fill(MessageState.SCHEDULED, send_at=1500.0)


async def test_sends_that_came_due_take_room(store: Store) -> None:
    await create_and_claim(store)
    for state, send_at in ((MessageState.QUEUED, None), (MessageState.SCHEDULED, 1500.0)):
        answers = await store.enqueue_batch([message(state=state, send_at=send_at) for _ in range(3)], pending_limit=4)
        assert not [answer for answer in answers if isinstance(answer, Busy)]
    assert set(await store.release_scheduled(now=1600.0)) == {"shop"}
    with pytest.raises(Busy):
        await store.enqueue(message(), pending_limit=4)


def test_room_is_shared_with_other_engines() -> None:
    room = SendRoom(alone=False)
    assert not room.take("q", 1000)
    room.counted("q", 1000, 160)
    assert [room.take("q", 1000) for _ in range(12)] == [True] * 11 + [False]
    room.counted("q", 1000, 999)  # close to the limit, every send is counted
    assert not room.take("q", 1000)
    room.counted("q", 1000, 160)
    assert not room.take("q", 500), "the limit is another one"


def test_room_of_the_only_store_lasts_until_the_limit() -> None:
    room = SendRoom(alone=True)
    room.counted("q", 10, 4)
    assert [room.take("q", 10, 5), room.take("q", 10), room.take("q", 10)] == [True, True, False]


def test_room_remembers_a_bounded_number_of_queues() -> None:
    room = SendRoom(alone=True)
    for number in range(50_000):
        room.counted(number, 10, 1)
    assert len(room._room) <= 20_000
