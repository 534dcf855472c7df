"""Conformance: outbound messages."""

from __future__ import annotations

import pytest

from rookery.errors import AlreadyExists, Busy, InvalidInput, LeaseLost, NotFound
from rookery.model.content import Image, Text
from rookery.model.message import MessageState, Receipt, Recorded, SendOutcome, Unfinished
from rookery.store.contract import Store
from store.building import create_and_claim, fill_state, message, new_session, take_over

ROOM = 100


async def test_a_message_comes_back_as_it_was_stored(store: Store) -> None:
    await store.create_session(new_session())
    given = message(
        content=Image(data=b"\x00\xff", caption="ü"), options={"silent": True}, reply_to="5", idempotency_key="k"
    )
    assert await store.enqueue(given, pending_limit=ROOM) == (given, True)
    assert await store.get_message(given.id) == given
    with pytest.raises(NotFound):
        await store.get_message("nobody")


async def test_a_session_has_to_exist(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.enqueue(message(), pending_limit=ROOM)


async def test_a_key_stands_for_one_request(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_session(new_session("other"))
    first, created = await store.enqueue(message(idempotency_key="k"), pending_limit=ROOM)
    assert created
    assert await store.enqueue(message(idempotency_key="k"), pending_limit=ROOM) == (first, False)
    for different in (
        {"to": "8"},
        {"content": Text("other")},
        {"reply_to": "1"},
        {"options": {"silent": True}},
        {"send_at": 1500.0},
        {"ttl": 60.0},
    ):
        with pytest.raises(InvalidInput) as caught:
            await store.enqueue(message(idempotency_key="k", **different), pending_limit=ROOM)
        assert caught.value.field == "idempotency_key"
    assert (await store.enqueue(message("other", to="8", idempotency_key="k"), pending_limit=ROOM))[1]
    # The first result is returned also when it is final, and when no other message would fit.
    await fill_state(store, lease, first.id, MessageState.SENDING, MessageState.FAILED)
    again, created = await store.enqueue(message(idempotency_key="k"), pending_limit=0)
    assert (again.id, again.state, created) == (first.id, MessageState.FAILED, False)


async def test_the_same_call_may_be_repeated(store: Store) -> None:
    await store.create_session(new_session())
    given = message()
    assert (await store.enqueue(given, pending_limit=ROOM))[1] is True
    assert (await store.enqueue(given, pending_limit=ROOM)) == (given, False)
    with pytest.raises(AlreadyExists):
        await store.enqueue(message(id=given.id, to="other"), pending_limit=ROOM)


async def test_the_backlog_of_a_session_is_bounded(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_session(new_session("other"))
    first, _ = await store.enqueue(message(state=MessageState.SENDING), pending_limit=2, lease=lease)
    await store.enqueue(message(), pending_limit=2)
    with pytest.raises(Busy):
        await store.enqueue(message(), pending_limit=2)
    await store.enqueue(message("other"), pending_limit=2)
    await fill_state(store, lease, first.id, MessageState.SENT)
    await store.enqueue(message(), pending_limit=2)


async def test_the_oldest_waiting_messages_come_first(store: Store) -> None:
    lease = await create_and_claim(store)
    await create_and_claim(store, "other")
    ids = [(await store.enqueue(message(), pending_limit=ROOM))[0].id for _ in range(5)]
    await store.enqueue(message("other"), pending_limit=ROOM)
    await fill_state(store, lease, ids[0], MessageState.SENDING)

    async def pending(*exclude: str, limit: int = 10) -> list[str]:
        return [found.id for found in await store.pending_messages(lease, exclude=exclude, limit=limit)]

    assert await pending() == ids[1:]
    assert await pending(limit=2) == ids[1:3]
    assert await pending(ids[1], ids[3], limit=2) == [ids[2], ids[4]]
    await fill_state(store, lease, ids[0], MessageState.QUEUED)  # refused for now: back to its place
    assert await pending(limit=1) == ids[:1]


async def test_an_outcome_is_stored_whole(store: Store) -> None:
    lease = await create_and_claim(store)
    given, _ = await store.enqueue(message(), pending_limit=ROOM)
    receipt = Receipt("42", 1500.0, "7")
    await store.record_sends(
        lease,
        [
            SendOutcome(id=given.id, state=MessageState.SENDING, at=1400.0),
            SendOutcome(id="gone", state=MessageState.SENT, at=1.0),
            SendOutcome(id=given.id, state=MessageState.SENT, at=1500.0, receipt=receipt),
        ],
    )
    found = await store.get_message(given.id)
    assert (found.state, found.receipt, found.updated_at, found.attempts) == (MessageState.SENT, receipt, 1500.0, 1)
    await fill_state(store, lease, given.id, MessageState.DELIVERED)
    found = await store.get_message(given.id)
    assert (found.state, found.receipt) == (MessageState.DELIVERED, receipt)
    failing, _ = await store.enqueue(message(), pending_limit=ROOM)
    await store.record_sends(lease, [SendOutcome(id=failing.id, state=MessageState.FAILED, at=1.0, error="blocked")])
    assert (await store.get_message(failing.id)).error == "blocked"


async def test_a_final_state_only_gets_better(store: Store) -> None:
    lease = await create_and_claim(store)
    order = {
        MessageState.SENT: (MessageState.SENDING, MessageState.QUEUED, MessageState.FAILED, MessageState.UNKNOWN),
        MessageState.READ: (MessageState.DELIVERED, MessageState.SENT, MessageState.SENDING),
        MessageState.FAILED: (MessageState.SENDING, MessageState.QUEUED),
    }
    for final, refused in order.items():
        given, _ = await store.enqueue(message(), pending_limit=ROOM)
        await fill_state(store, lease, given.id, MessageState.SENDING, final, *refused)
        assert (await store.get_message(given.id)).state is final
    unknown, _ = await store.enqueue(message(), pending_limit=ROOM)
    await fill_state(store, lease, unknown.id, MessageState.UNKNOWN, MessageState.SENT)
    assert (await store.get_message(unknown.id)).state is MessageState.SENT


async def test_messages_of_another_session_are_out_of_reach(store: Store) -> None:
    lease = await create_and_claim(store)
    await create_and_claim(store, "other")
    given, _ = await store.enqueue(message("other"), pending_limit=ROOM)
    await fill_state(store, lease, given.id, MessageState.SENT)
    assert (await store.get_message(given.id)).state is MessageState.QUEUED


async def test_what_an_earlier_owner_was_sending_becomes_unknown(store: Store) -> None:
    stale = await create_and_claim(store)
    other = await create_and_claim(store, "other")
    sending, _ = await store.enqueue(message(state=MessageState.SENDING), pending_limit=ROOM, lease=stale)
    queued, _ = await store.enqueue(message(), pending_limit=ROOM)
    theirs, _ = await store.enqueue(message("other", state=MessageState.SENDING), pending_limit=ROOM, lease=other)
    lease = await take_over(store, stale)
    with pytest.raises(LeaseLost):
        await store.resolve_interrupted(stale, now=1700.0)
    assert await store.resolve_interrupted(lease, now=1700.0) == [sending.id]
    assert await store.resolve_interrupted(lease, now=1700.0) == []
    found = await store.get_message(sending.id)
    assert (found.state, found.updated_at) == (MessageState.UNKNOWN, 1700.0)
    assert (await store.get_message(queued.id)).state is MessageState.QUEUED
    assert await store.resolve_interrupted(other, now=1.0) == [theirs.id]


async def test_a_message_is_sending_only_under_the_lease(store: Store) -> None:
    stale = await create_and_claim(store)
    lease = await take_over(store, stale)
    for held in (None, stale):
        stored, created = await store.enqueue(
            message(state=MessageState.SENDING, attempts=1), pending_limit=ROOM, lease=held
        )
        assert (stored.state, stored.attempts, created) == (MessageState.QUEUED, 0, True)
        assert await store.get_message(stored.id) == stored
    stored, _ = await store.enqueue(message(state=MessageState.SENDING, attempts=1), pending_limit=ROOM, lease=lease)
    assert await store.get_message(stored.id) == stored
    assert (stored.state, stored.attempts) == (MessageState.SENDING, 1)


async def test_messages_under_way_are_found_by_owner(store: Store) -> None:
    lease = await create_and_claim(store)
    busy = await create_and_claim(store, "busy")
    await create_and_claim(store, "idle")
    foreign = await take_over(store, await create_and_claim(store, "foreign"))
    assert await store.unfinished_sends("one") == {}
    ids = [
        (await store.enqueue(message("busy", state=MessageState.SENDING), pending_limit=ROOM, lease=busy))[0].id
        for _ in range(2)
    ]
    await store.enqueue(message(), pending_limit=ROOM)
    theirs, _ = await store.enqueue(message("foreign", state=MessageState.SENDING), pending_limit=ROOM, lease=foreign)
    found = await store.unfinished_sends("one")
    assert {id: (set(each.sending), each.queued) for id, each in found.items()} == {
        "busy": (set(ids), False),
        lease.session: (set(), True),
    }
    assert await store.unfinished_sends("two") == {"foreign": Unfinished((theirs.id,), False)}
    assert await store.resolve_interrupted(busy, now=1.0, only=[ids[1], theirs.id]) == [ids[1]]
    assert (await store.unfinished_sends("one"))["busy"] == Unfinished((ids[0],), False)


async def test_waiting_messages_expire(store: Store) -> None:
    lease = await create_and_claim(store)
    old, _ = await store.enqueue(message(expires_at=1500.0), pending_limit=ROOM)
    sending, _ = await store.enqueue(
        message(expires_at=1500.0, state=MessageState.SENDING), pending_limit=ROOM, lease=lease
    )
    young, _ = await store.enqueue(message(expires_at=1700.0), pending_limit=ROOM)
    assert await store.expire_messages(now=1600.0) == 1
    assert await store.expire_messages(now=1600.0) == 0
    found = await store.get_message(old.id)
    assert (found.state, found.updated_at) == (MessageState.EXPIRED, 1600.0)
    assert (await store.get_message(sending.id)).state is MessageState.SENDING
    assert [m.id for m in await store.pending_messages(lease, exclude=[], limit=5)] == [young.id]


async def test_final_messages_are_pruned_by_age(store: Store) -> None:
    lease = await create_and_claim(store)
    ids = [(await store.enqueue(message(), pending_limit=ROOM))[0].id for _ in range(4)]
    for number, id in enumerate(ids[:3]):
        await store.record_sends(lease, [SendOutcome(id=id, state=MessageState.SENT, at=1500.0 + number)])
    assert await store.prune_messages(before=1500.0, limit=10) == 0
    assert await store.prune_messages(before=9999.0, limit=1) == 1
    with pytest.raises(NotFound):
        await store.get_message(ids[0])
    assert await store.prune_messages(before=9999.0, limit=10) == 2
    assert (await store.get_message(ids[3])).state is MessageState.QUEUED


async def test_a_batch_is_answered_message_by_message(store: Store) -> None:
    lease = await create_and_claim(store)
    first, _ = await store.enqueue(message(idempotency_key="known"), pending_limit=ROOM)
    given = [
        message(state=MessageState.SENDING, attempts=1),
        message(idempotency_key="known"),
        message(to="8", idempotency_key="known"),
        message(idempotency_key="twice"),
        message(idempotency_key="twice"),
        message(state=MessageState.SCHEDULED, send_at=1900.0),
        message(),
    ]
    answers = await store.enqueue_batch(given, pending_limit=ROOM, lease=lease)
    assert answers[0] == (given[0], True)
    assert answers[1] == (first, False)
    assert isinstance(answers[2], InvalidInput)
    assert answers[2].field == "idempotency_key"
    assert answers[3] == (given[3], True)
    assert answers[4] == (given[3], False)
    assert answers[5:] == [(given[5], True), (given[6], True)]
    assert [m.id for m in await store.pending_messages(lease, exclude=[], limit=9)] == [
        first.id,
        given[3].id,
        given[6].id,
    ]
    assert await store.enqueue_batch([], pending_limit=ROOM) == []
    with pytest.raises(NotFound):
        await store.enqueue_batch([message("nobody")], pending_limit=ROOM)


async def test_a_batch_keeps_to_the_limit_and_to_the_lease(store: Store) -> None:
    stale = await create_and_claim(store)
    await take_over(store, stale)
    await store.enqueue(message(), pending_limit=3)
    given = [message(state=MessageState.SENDING, attempts=1) for _ in range(3)]
    scheduled = message(state=MessageState.SCHEDULED, send_at=1900.0)
    answers = await store.enqueue_batch([*given, scheduled], pending_limit=3, lease=stale)
    for answer in answers[:2]:
        assert isinstance(answer, tuple)
        stored, created = answer
        assert (stored.state, stored.attempts, created) == (MessageState.QUEUED, 0, True)
        assert await store.get_message(stored.id) == stored
    assert isinstance(answers[2], Busy)
    assert answers[3] == (scheduled, True)


async def test_an_outcome_and_the_next_beginning_are_written_together(store: Store) -> None:
    lease = await create_and_claim(store)
    ended, refused, beginning, cancelled = (message() for _ in range(4))
    for one in (ended, refused, beginning, cancelled):
        await store.enqueue(one, pending_limit=ROOM)
    await fill_state(store, lease, ended.id, MessageState.SENDING)
    await fill_state(store, lease, refused.id, MessageState.SENDING)
    await store.cancel_message(cancelled.id, now=1600.0)
    recorded = await store.record_sends(
        lease,
        [
            SendOutcome(id=ended.id, state=MessageState.SENT, at=1601.0, receipt=Receipt("1", 1601.0, "7")),
            SendOutcome(id=refused.id, state=MessageState.FAILED, at=1601.0, error="blocked"),
            SendOutcome(id=beginning.id, state=MessageState.SENDING, at=1602.0),
            SendOutcome(id=cancelled.id, state=MessageState.SENDING, at=1602.0),
        ],
        announce=True,
    )
    assert recorded == Recorded(frozenset({cancelled.id}), True)
    found = [await store.get_message(one.id) for one in (ended, refused, beginning, cancelled)]
    assert [(one.state, one.attempts, one.updated_at, one.error) for one in found] == [
        (MessageState.SENT, 1, 1601.0, None),
        (MessageState.FAILED, 1, 1601.0, "blocked"),
        (MessageState.SENDING, 1, 1602.0, None),
        (MessageState.CANCELLED, 0, 1600.0, None),
    ]
    assert (await store.unfinished_sends(lease.owner))["shop"] == Unfinished((beginning.id,), False)
