"""Conformance: scheduled and cancelled sends, lists of them, and their states as events."""

from __future__ import annotations

import pytest

from rookery.errors import Busy, NotFound
from rookery.model.content import PlatformCall, Text
from rookery.model.event import EventQuery
from rookery.model.message import STATUS_EVENT, MessageQuery, MessageState, Receipt, Recorded, SendOutcome
from rookery.store.contract import Store
from store.building import all_events, create_and_claim, event, fill_state, message, new_session, webhook

ROOM = 100
SCHEDULED = MessageState.SCHEDULED


async def test_a_scheduled_message_waits_for_its_time(store: Store) -> None:
    lease = await create_and_claim(store)
    later = message(state=SCHEDULED, send_at=3000.0)
    sooner = message(state=SCHEDULED, send_at=2000.0)
    assert await store.next_scheduled_at() is None
    for one in (later, sooner):
        assert await store.enqueue(one, pending_limit=ROOM) == (one, True)
        assert await store.get_message(one.id) == one
    assert await store.next_scheduled_at() == 2000.0
    assert await store.pending_messages(lease, exclude=(), limit=10) == []
    assert set(await store.release_scheduled(now=1999.0)) == set()
    assert set(await store.release_scheduled(now=2000.0)) == {"shop"}
    assert set(await store.release_scheduled(now=2000.0)) == set()
    assert [one.id for one in await store.pending_messages(lease, exclude=(), limit=10)] == [sooner.id]
    assert await store.next_scheduled_at() == 3000.0


async def test_scheduled_messages_are_released_in_pieces_the_longest_due_first(store: Store) -> None:
    await create_and_claim(store)
    await store.create_session(new_session("other"))
    late, soon, later = [
        message(session, state=SCHEDULED, send_at=at)
        for session, at in (("shop", 1700.0), ("other", 1600.0), ("shop", 1800.0))
    ]
    for one in (late, soon, later):
        await store.enqueue(one, pending_limit=10)
    assert sorted(await store.release_scheduled(now=2000.0, limit=2)) == ["other", "shop"]
    assert (await store.get_message(later.id)).state is SCHEDULED
    assert list(await store.release_scheduled(now=2000.0, limit=2)) == ["shop"]
    assert list(await store.release_scheduled(now=2000.0, limit=2)) == []


async def test_waiting_sends_are_counted_by_session(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_session(new_session("quiet"))
    assert await store.count_waiting() == {}
    queued, sending, scheduled = message(), message(), message(state=SCHEDULED, send_at=9e9)
    for one in (queued, sending, scheduled):
        await store.enqueue(one, pending_limit=ROOM)
    await fill_state(store, lease, sending.id, MessageState.SENDING)
    assert await store.count_waiting() == {"shop": 2}


async def test_scheduled_messages_are_counted_apart_and_never_pruned(store: Store) -> None:
    await store.create_session(new_session())
    waiting = message(state=SCHEDULED, send_at=2000.0)
    await store.enqueue(waiting, pending_limit=1)
    await store.enqueue(message(), pending_limit=1)
    with pytest.raises(Busy):
        await store.enqueue(message(state=SCHEDULED, send_at=2000.0), pending_limit=1)
    assert await store.prune_messages(before=1e12, limit=10) == 0
    assert await store.expire_messages(now=1e12) == 1
    assert (await store.get_message(waiting.id)).state is SCHEDULED


async def test_waiting_calls_of_methods_are_found_among_the_sends(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_session(new_session("other"))
    assert await store.pending_calls(lease, limit=10) == []
    lookalike = message(content=Text('{"type":"call","method":"answerCallbackQuery"}'))
    calls = [
        message(content=PlatformCall(platform="telegram", method=method, params={"a": 'ü" }', "method": "x"}))
        for method in ("sendDice", "answerCallbackQuery", "answerInlineQuery")
    ]
    elsewhere = message("other", content=PlatformCall(platform="telegram", method="answerWebAppQuery"))
    later = message(state=SCHEDULED, send_at=9e9, content=PlatformCall(platform="telegram", method="sendPhoto"))
    for one in (message(), lookalike, *calls, elsewhere, later):
        await store.enqueue(one, pending_limit=ROOM)
    expected = [(one.id, one.content.method) for one in reversed(calls) if isinstance(one.content, PlatformCall)]
    assert await store.pending_calls(lease, limit=10) == expected
    assert await store.pending_calls(lease, limit=2) == expected[:2]
    await fill_state(store, lease, calls[2].id, MessageState.SENDING)
    await store.cancel_message(calls[0].id, now=1.0)
    assert await store.pending_calls(lease, limit=10) == [expected[1]]


async def test_what_waits_can_be_cancelled(store: Store) -> None:
    lease = await create_and_claim(store)
    queued, scheduled, sending = message(), message(state=SCHEDULED, send_at=9e9), message()
    for one in (queued, scheduled, sending):
        await store.enqueue(one, pending_limit=ROOM)
    await fill_state(store, lease, sending.id, MessageState.SENDING)
    for one in (queued, scheduled):
        for _ in range(2):
            found, cancelled = await store.cancel_message(one.id, now=1600.0)
            assert (found.state, found.updated_at, cancelled) == (MessageState.CANCELLED, 1600.0, True)
    found, cancelled = await store.cancel_message(sending.id, now=1600.0)
    assert (found.state, cancelled) == (MessageState.SENDING, False)
    with pytest.raises(NotFound):
        await store.cancel_message("nobody", now=1600.0)
    assert await store.pending_messages(lease, exclude=(), limit=10) == []
    recorded = await store.record_sends(
        lease,
        [
            SendOutcome(id=queued.id, state=MessageState.SENDING, at=1.0),
            SendOutcome(id="gone", state=MessageState.SENDING, at=1.0),
            SendOutcome(id=sending.id, state=MessageState.SENT, at=1.0),
        ],
    )
    assert recorded == Recorded(frozenset({queued.id, "gone"}))
    assert (await store.get_message(queued.id)).state is MessageState.CANCELLED


async def test_lists_are_newest_first(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_session(new_session("other"))
    assert await store.list_messages(MessageQuery(session="shop")) == []
    sent = [message() for _ in range(5)]
    for one in sent:
        await store.enqueue(one, pending_limit=ROOM)
    await store.enqueue(message("other"), pending_limit=ROOM)
    await fill_state(store, lease, sent[1].id, MessageState.SENDING, MessageState.FAILED)
    ids = [one.id for one in reversed(sent)]
    page = await store.list_messages(MessageQuery(session="shop", limit=3))
    assert [one.id for _, one in page] == ids[:3]
    rest = await store.list_messages(MessageQuery(session="shop", before=page[-1][0]))
    assert [one.id for _, one in rest] == ids[3:]
    failed = await store.list_messages(MessageQuery(session="shop", states=(MessageState.FAILED, MessageState.SENT)))
    assert [one.id for _, one in failed] == [sent[1].id]
    with pytest.raises(NotFound):
        await store.list_messages(MessageQuery(session="nobody"))


async def test_lists_of_a_chat_and_a_time(store: Store) -> None:
    lease = await create_and_claim(store)
    sent = [message(to=str(n % 2), created_at=1000.0 + n) for n in range(6)]
    for one in sent:
        await store.enqueue(one, pending_limit=ROOM)

    async def numbers(**which: object) -> list[int]:
        found = await store.list_messages(MessageQuery(session="shop", **which))  # type: ignore[arg-type]
        return [[one.id for one in sent].index(listed.id) for _, listed in found]

    assert await numbers(chat="1") == [5, 3, 1]
    assert await numbers(chat="1", limit=2) == [5, 3]
    assert await numbers(since=1002.0, until=1004.0) == [3, 2]
    assert await numbers(chat="0", since=1001.0) == [4, 2]
    assert await numbers(chat="nobody") == []
    await fill_state(store, lease, sent[2].id, MessageState.SENDING, MessageState.FAILED)
    assert await numbers(chat="0", states=(MessageState.QUEUED,)) == [4, 0]


async def test_what_was_sent_is_found_by_the_platforms_id(store: Store) -> None:
    lease = await create_and_claim(store)
    other = await create_and_claim(store, "other")
    sent, read, waiting, foreign = message(), message(), message(), message("other")
    for one in (sent, read, waiting, foreign):
        await store.enqueue(one, pending_limit=ROOM)
    for number, (held, one) in enumerate([(lease, sent), (lease, read), (other, foreign)]):
        outcome = SendOutcome(id=one.id, state=MessageState.SENT, at=1.0, receipt=Receipt(f"p{number}", 1.0, "7"))
        await store.record_sends(held, [outcome])
    await store.record_sends(lease, [SendOutcome(id=read.id, state=MessageState.READ, at=2.0)])
    assert await store.find_sent(lease, ["p0", "p1", "p2", "nobody"]) == {"p0": sent.id}
    assert await store.find_sent(other, ["p0", "p2"]) == {"p2": foreign.id}
    assert await store.find_sent(lease, []) == {}


async def test_a_status_is_of_the_chat_as_the_platform_calls_it(store: Store) -> None:
    lease = await create_and_claim(store)
    one = message(to="+49 170")
    await store.enqueue(one, pending_limit=ROOM)
    outcome = SendOutcome(id=one.id, state=MessageState.SENT, at=1.0, receipt=Receipt("p", 1.0, "49170@x"))
    await store.record_sends(lease, [outcome], announce=True)
    assert [found.chat for found in await all_events(store)] == ["49170@x"]


async def test_states_are_events_for_those_who_ask(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_webhook(webhook("all"))
    quiet = message()
    await store.enqueue(quiet, pending_limit=ROOM)
    receipt = Receipt("77", 1500.0, "7")
    await store.record_sends(lease, [SendOutcome(id=quiet.id, state=MessageState.SENT, at=1500.0, receipt=receipt)])
    assert await all_events(store) == [], "no event was asked for"
    await store.create_webhook(webhook("states", events=(STATUS_EVENT,)))
    await store.create_webhook(webhook("other-chat", events=(STATUS_EVENT,), chats=("8",)))
    told, failed, cancelled, expired, lost = [message() for _ in range(5)]
    for one in (told, failed, cancelled, expired, lost):
        await store.enqueue(one, pending_limit=ROOM)
    await store.append(lease, [event(1)], None)
    await store.record_sends(
        lease,
        [
            SendOutcome(id=told.id, state=MessageState.SENDING, at=1500.0),
            SendOutcome(id=lost.id, state=MessageState.SENDING, at=1500.0),
        ],
    )
    await store.record_sends(
        lease,
        [
            SendOutcome(id=told.id, state=MessageState.SENT, at=1501.0, receipt=receipt),
            SendOutcome(id=failed.id, state=MessageState.FAILED, at=1502.0, error='"blocked"\n'),
        ],
    )
    await store.record_sends(lease, [SendOutcome(id=told.id, state=MessageState.READ, at=1503.0)])
    await store.record_sends(lease, [SendOutcome(id=told.id, state=MessageState.READ, at=1504.0)])
    await store.cancel_message(cancelled.id, now=1505.0)
    await store.cancel_message(cancelled.id, now=1505.0)
    await store.resolve_interrupted(lease, now=1506.0)
    await store.expire_messages(now=5000.0)
    found = await store.read_events(EventQuery(types=(STATUS_EVENT,)))
    assert [(one.body["id"], one.body["state"]) for one in found] == [
        (told.id, "sent"),
        (failed.id, "failed"),
        (told.id, "read"),
        (cancelled.id, "cancelled"),
        (lost.id, "unknown"),
        (expired.id, "expired"),
    ]
    assert (found[0].session, found[0].platform, found[0].chat, found[0].time) == ("shop", "telegram", "7", 1501.0)
    assert (found[0].body["message_id"], found[1].body["error"], found[0].raw) == ("77", '"blocked"\n', None)
    assert [one.key for one in await store.read_events(EventQuery(types=("*",)))] == ["1"]
    counts = await store.delivery_counts()
    assert (counts["all"][0], counts["states"][0], counts["other-chat"][0]) == (1, 6, 0)
    pending = await store.pending_deliveries("states", now=0.0, busy=(), limit=10)
    assert [row.event.id for row in pending] == [one.id for one in found]


async def test_states_are_events_if_always_wanted(store: Store) -> None:
    lease = await create_and_claim(store)
    one = message()
    await store.enqueue(one, pending_limit=ROOM)
    await store.record_sends(lease, [SendOutcome(id=one.id, state=MessageState.SENT, at=1.0)], announce=True)
    assert [found.type for found in await all_events(store)] == [STATUS_EVENT]
    await store.append(lease, [event(1)], None)
    assert [found.key for found in await all_events(store)] == [f"{one.id}:sent", "1"]
