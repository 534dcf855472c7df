"""Conformance: what a webhook keeps beyond its address, chats, replay by condition, and how its deliveries go."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rookery.errors import NotFound
from rookery.model.webhook import DeliveryAttempt, DeliveryNote, DeliveryOutcome, ReplayQuery, WebhookFacts
from rookery.store.contract import Store
from store.building import all_events, create_and_claim, event, webhook

SECRETS = {"Authorization": "Bearer THE-HEADER-THAT-MUST-NOT-BE-ON-DISK"}


async def test_a_webhook_comes_back_with_everything(store: Store) -> None:
    full = webhook(
        chats=("7", "ü"),
        headers=SECRETS,
        timeout=2.5,
        previous_secret="whsec_OLD",
        previous_until=5000.0,
        events=("message",),
    )
    assert await store.create_webhook(full) == full
    assert await store.get_webhook("hook") == full
    plain = webhook(updated_at=2000.0)
    await store.update_webhook(plain)
    assert await store.list_webhooks() == [plain]


async def test_only_the_chats_of_a_webhook(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_webhook(webhook("some", chats=("7", "9")))
    await store.create_webhook(webhook("both", chats=("7",), events=("message",)))
    await store.create_webhook(webhook("all"))
    events = [event(1), event(2, chat="8"), event(3, chat=None), event(4, chat="9"), event(5, type="receipt")]
    await store.append(lease, events, None)
    found = {}
    for id in ("some", "both", "all"):
        rows = await store.pending_deliveries(id, now=0.0, busy=(), limit=10)
        found[id] = [row.event.key for row in rows]
    assert found == {"some": ["1", "4", "5"], "both": ["1"], "all": ["1", "2", "3", "4", "5"]}


async def test_dead_letters_are_replayed_by_session_and_time(store: Store) -> None:
    await store.create_webhook(webhook())
    for id in ("a", "ab"):
        await store.append(await create_and_claim(store, id), [event(number) for number in range(3)], None)
    ids = {}
    for number, row in enumerate(await store.pending_deliveries("hook", now=0.0, busy=(), limit=10)):
        ids[row.event.session, row.event.key] = row.event.id
        outcome = DeliveryOutcome(webhook="hook", event_id=row.event.id, delivered=False, at=100.0 + number)
        await store.record_deliveries([outcome])

    async def replay(**which: Any) -> int:
        return await store.replay("hook", ReplayQuery(**which))

    assert await replay(session="nobody") == 0
    assert await replay(session="b") == 0
    assert await replay(since=200.0) == 0
    assert await replay(until=100.0) == 0
    assert await replay(event_ids=(ids["ab", "0"],), session="a") == 0
    assert await replay(session="a", since=101.0, until=102.0) == 1
    assert await replay(session="a") == 2
    assert await replay(since=104.0) == 2
    assert await replay() == 1
    assert (await store.webhook_facts())["hook"].pending == 6
    with pytest.raises(NotFound):
        await store.replay("nobody", ReplayQuery(session="a"))


async def test_how_deliveries_go(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_webhook(webhook())
    assert await store.webhook_facts() == {"hook": WebhookFacts()}
    await store.append(lease, [event(number) for number in range(3)], None)
    [first, *_] = await store.pending_deliveries("hook", now=0.0, busy=(), limit=10)
    await store.record_deliveries([DeliveryOutcome(webhook="hook", event_id=first.event.id, delivered=False, at=1.0)])
    await store.note_deliveries({"hook": DeliveryNote(last_success_at=10.0)})
    await store.note_deliveries({"hook": DeliveryNote(last_error="answered 500", last_error_at=11.0)})
    await store.note_deliveries({"nobody": DeliveryNote(last_success_at=10.0)})
    facts = (await store.webhook_facts())["hook"]
    assert (facts.pending, facts.dead) == (2, 1)
    assert facts.oldest_pending_at is not None
    assert (facts.last_success_at, facts.last_error, facts.last_error_at) == (10.0, "answered 500", 11.0)
    await store.create_webhook(webhook("other"))
    busy = DeliveryNote(delivered=5, failed=1, last_status=204, rate=0.6, at=20.0)
    await store.note_deliveries({"hook": busy, "other": busy, "nobody": busy})
    await store.note_deliveries({"hook": DeliveryNote(failed=2, at=22.0)})
    await store.note_deliveries({"other": DeliveryNote(rate=0.1, at=23.0)})
    await store.note_deliveries({})
    noted = await store.webhook_facts()
    facts, other = noted["hook"], noted["other"]
    assert (facts.delivered, facts.failed, facts.last_status, facts.rate, facts.noted_at) == (5, 3, None, 0.6, 22.0)
    assert (other.delivered, other.failed, other.last_status, other.rate, other.noted_at) == (5, 1, 204, 0.1, 23.0)
    assert (facts.last_error, facts.last_success_at, other.pending, other.dead) == ("answered 500", 10.0, 0, 0)
    await store.update_webhook(webhook(enabled=False))
    assert (await store.webhook_facts())["hook"] == facts, "a change forgets nothing"


def attempt(event_id: int, **changes: Any) -> DeliveryAttempt:
    fields: dict[str, Any] = {"attempt": 1, "at": 10.0, "seconds": 0.25, "delivered": True, "status": 200}
    return DeliveryAttempt(event_id=event_id, **fields | changes)


async def test_the_last_attempts_are_kept_newest_first(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_webhook(webhook())
    await store.create_webhook(webhook("other"))
    with pytest.raises(NotFound):
        await store.recent_attempts("nobody")
    assert await store.recent_attempts("hook") == []
    await store.append(lease, [event(1), event(2, chat=None, type="receipt")], None)
    first, second = [found.id for found in await all_events(store)]
    failed = attempt(first, attempt=3, delivered=False, status=None, error="no answer within 5 s", answer="ö?", at=11.5)
    gone = attempt(second + 1000)
    await store.note_deliveries(
        {
            "hook": DeliveryNote(
                delivered=1, attempts=(failed, gone, attempt(second)), latency_p50=0.5, latency_p99=2.0
            ),
            "nobody": DeliveryNote(attempts=(attempt(first),)),
        }
    )
    newest, older = await store.recent_attempts("hook")
    assert newest == attempt(second, session="shop", type="receipt", chat=None)
    assert older == msgspec.structs.replace(failed, session="shop", type="message", chat="7")
    await store.note_deliveries({"hook": DeliveryNote(failed=1, at=5.0)})
    facts = await store.webhook_facts()
    assert (facts["hook"].latency_p50, facts["hook"].latency_p99) == (0.5, 2.0), (
        "a note without attempts says nothing of it"
    )
    assert (facts["other"].latency_p50, facts["other"].latency_p99) == (None, None)
    for number in range(3):
        many = tuple(attempt(first, attempt=30 * number + place) for place in range(30))
        await store.note_deliveries({"hook": DeliveryNote(attempts=many), "other": DeliveryNote(attempts=many[:1])})
    kept = [found.attempt for found in await store.recent_attempts("hook")]
    assert kept == list(range(89, 39, -1))
    assert len(await store.recent_attempts("other")) == 3


async def test_erased_events_take_their_attempts_with_them(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_webhook(webhook())
    await store.append(lease, [event(1), event(2, chat="8")], None)
    ids = [found.id for found in await all_events(store)]
    private = tuple(attempt(id, answer="what they said") for id in ids)
    await store.note_deliveries({"hook": DeliveryNote(attempts=private)})
    await store.erase_chat("shop", "7")
    assert [found.event_id for found in await store.recent_attempts("hook")] == [ids[1]]
