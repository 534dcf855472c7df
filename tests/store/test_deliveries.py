"""Conformance: webhooks, deliveries, dead letters."""

from __future__ import annotations

import msgspec
import pytest

from rookery.errors import AlreadyExists, NotFound
from rookery.model.subscription import QUIET_TYPES
from rookery.model.webhook import DeliveryOutcome, ReplayQuery
from rookery.store.contract import Store
from store.building import HOOK_SECRET, all_events, create_and_claim, event, new_session, webhook

NOW = 5000.0


async def waiting(
    store: Store, *busy: str, hook: str = "hook", now: float = NOW, limit: int = 100
) -> list[tuple[str, str]]:
    """(lane, key) of what may be delivered now."""
    found = await store.pending_deliveries(hook, now=now, busy=busy, limit=limit)
    assert [one.event.id for one in found] == sorted(one.event.id for one in found)
    return [(one.lane, one.event.key) for one in found]


async def record(store: Store, key: object, *, hook: str = "hook", **outcome: object) -> None:
    """What became of the attempt for the event with this key."""
    fields: dict[str, object] = {"delivered": False, "at": NOW, "error": "HTTP 500"}
    [id] = [found.id for found in await all_events(store) if found.key == str(key)]
    await store.record_deliveries([DeliveryOutcome(webhook=hook, event_id=id, **fields | outcome)])  # type: ignore[arg-type]


async def test_a_webhook_comes_back_as_it_was_stored(store: Store) -> None:
    await store.create_session(new_session())
    given = webhook(session="shop", events=("message", "edit"), enabled=False, updated_at=7.0)
    assert await store.create_webhook(given) == given
    assert await store.get_webhook("hook") == given
    assert HOOK_SECRET not in repr(given)
    with pytest.raises(AlreadyExists):
        await store.create_webhook(webhook())
    with pytest.raises(NotFound):
        await store.create_webhook(webhook("second", session="nobody"))
    changed = msgspec.structs.replace(given, url="https://example.org/2", events=None, session=None, enabled=True)
    assert await store.update_webhook(changed) == changed
    assert await store.get_webhook("hook") == changed
    assert await store.delete_webhook("hook") is True
    assert await store.delete_webhook("hook") is False
    for call in (store.get_webhook("hook"), store.update_webhook(given), store.replay("hook", ReplayQuery())):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(NotFound):
        await store.dead_letters("hook", after=0, limit=1)
    with pytest.raises(NotFound):
        await store.pending_deliveries("hook", now=1.0, busy=[], limit=1)


async def test_webhooks_are_listed_in_order_of_creation(store: Store) -> None:
    await store.create_session(new_session())
    for hook in (webhook("z"), webhook("m", session="shop"), webhook("a")):
        await store.create_webhook(hook)
    assert [hook.id for hook in await store.list_webhooks()] == ["z", "m", "a"]
    assert [hook.id for hook in await store.list_webhooks("shop")] == ["m"]


async def test_a_quiet_type_goes_only_to_the_webhooks_that_name_it(store: Store) -> None:
    lease, types = await create_and_claim(store), sorted(QUIET_TYPES)
    families = tuple({f"{type.partition('.')[0]}.*" for type in types})
    for hook in (
        webhook("all"),
        webhook("star", events=("*",)),
        webhook("families", events=families),
        webhook("named", events=tuple(types)),
    ):
        await store.create_webhook(hook)
    await store.append(lease, [event("loud"), *(event(type, type=type, chat=type) for type in types)], None)
    assert await waiting(store, hook="all") == await waiting(store, hook="star") == [("shop/7", "loud")]
    assert {key for _, key in await waiting(store, hook="families")} == {"loud", *types}
    assert {key for _, key in await waiting(store, hook="named")} == set(types)


async def test_an_event_goes_to_the_webhooks_that_want_it(store: Store) -> None:
    lease, other = await create_and_claim(store), await create_and_claim(store, "other")
    await store.append(lease, [event("before")], None)
    for hook in (
        webhook("all"),
        webhook("edits", events=("edit",)),
        webhook("own", session="shop"),
        webhook("off", enabled=False),
        webhook("none", events=()),
    ):
        await store.create_webhook(hook)
    await store.append(lease, [event(1), event(2, type="edit")], None)
    await store.append(lease, [event(2, type="edit")], None)  # known already: not delivered again
    await store.append(other, [event(3)], None)
    assert await waiting(store, hook="all") == [("shop/7", "1"), ("shop/7", "2"), ("other/7", "3")]
    assert await waiting(store, hook="edits") == [("shop/7", "2")]
    assert await waiting(store, hook="own") == [("shop/7", "1"), ("shop/7", "2")]
    assert await waiting(store, hook="off") == await waiting(store, hook="none") == []
    assert await store.delivery_counts() == {
        "all": (3, 0),
        "edits": (1, 0),
        "own": (2, 0),
        "off": (0, 0),
        "none": (0, 0),
    }


async def test_backlogs_are_those_of_the_slowest_enabled_webhook(store: Store) -> None:
    lease, other = await create_and_claim(store), await create_and_claim(store, "other")
    assert await store.backlogs() == {}
    assert await store.oldest_delivery() is None
    for hook in (webhook("all"), webhook("own", session="shop"), webhook("edits", events=("edit",))):
        await store.create_webhook(hook)
    await store.append(lease, [event(1), event(2, chat=None), event(3, chat="a/b", type="edit")], None)
    await store.append(other, [event(4)], None)
    assert await store.backlogs() == {"shop": 3, "other": 1}
    oldest = await store.oldest_delivery()
    assert oldest is not None
    await record(store, 1, hook="all", delivered=True)
    assert await store.backlogs() == {"shop": 3, "other": 1}
    await record(store, 2, hook="own", delivered=True)
    await record(store, 3, hook="all", delivered=False)  # a dead letter holds up no other event
    assert await store.backlogs() == {"shop": 2, "other": 1}
    assert await store.oldest_delivery() == oldest
    for hook in ("all", "own", "edits"):  # type: ignore[assignment]
        await store.update_webhook(msgspec.structs.replace(await store.get_webhook(hook), enabled=False))  # type: ignore[arg-type]
    assert await store.backlogs() == {}
    assert await store.oldest_delivery() is None


async def test_a_disabled_webhook_keeps_what_it_has_and_gets_nothing_new(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_webhook(webhook())
    await store.append(lease, [event(1)], None)
    await store.update_webhook(webhook(enabled=False))
    await store.append(lease, [event(2)], None)
    await store.update_webhook(webhook())
    await store.append(lease, [event(3)], None)
    assert await waiting(store) == [("shop/7", "1"), ("shop/7", "3")]


async def test_deliveries_come_in_order_from_lanes_that_are_free(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_webhook(webhook())
    await store.append(lease, [event(f"a{n}", chat="a") for n in range(4)], None)
    await store.append(lease, [event(f"b{n}", chat="b") for n in range(2)] + [event("c0", chat=None)], None)
    await store.append(lease, [event("a4", chat="a")], None)
    everything = [*(("shop/a", f"a{n}") for n in range(4)), ("shop/b", "b0"), ("shop/b", "b1"), ("shop/", "c0")]
    assert await waiting(store) == [*everything, ("shop/a", "a4")]
    assert await waiting(store, limit=2) == everything[:2]
    assert await waiting(store, limit=5) == everything[:5]
    assert await waiting(store, "shop/a") == everything[4:]
    assert await waiting(store, "shop/a", "shop/b", limit=1) == [("shop/", "c0")]
    assert await waiting(store, "shop/a", "shop/b", "shop/") == []


async def test_a_delivered_event_goes_away(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_webhook(webhook())
    await store.append(lease, [event(1), event(2), event(3)], None)
    await record(store, 2, delivered=True)
    assert await waiting(store) == [("shop/7", "1"), ("shop/7", "3")]
    await record(store, 1, delivered=True)
    await record(store, 1, delivered=True)  # repeated: nothing
    assert await waiting(store) == [("shop/7", "3")]
    await record(store, 3, delivered=True)
    assert await waiting(store) == []
    assert await store.delivery_counts() == {"hook": (0, 0)}
    await store.append(lease, [event(4)], None)
    assert await waiting(store) == [("shop/7", "4")]


async def test_a_failed_delivery_parks_its_lane_only(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_webhook(webhook())
    await store.append(lease, [event("a0", chat="a"), event("b0", chat="b"), event("a1", chat="a")], None)
    assert await store.next_retry_at("hook") is None
    await record(store, "a0", retry_at=NOW + 10)
    assert await waiting(store) == [("shop/b", "b0")]
    assert await store.next_retry_at("hook") == NOW + 10
    await store.append(lease, [event("a2", chat="a")], None)  # does not wake the lane
    assert await waiting(store, now=NOW + 9.9) == [("shop/b", "b0")]
    assert await waiting(store, now=NOW + 10) == [
        ("shop/a", "a0"), ("shop/b", "b0"), ("shop/a", "a1"), ("shop/a", "a2")
    ]  # fmt: skip
    [first, *_] = await store.pending_deliveries("hook", now=NOW + 10, busy=[], limit=10)
    assert first.attempts == 1
    await record(store, "a0", retry_at=NOW + 30)
    await record(store, "b0", retry_at=NOW + 20)
    assert await store.next_retry_at("hook") == NOW + 20
    assert await store.next_retry_at("hook", after=NOW + 20) == NOW + 30
    assert await waiting(store, now=NOW + 15) == []
    await record(store, "a0", delivered=True)  # the next one of the lane need not wait
    assert await waiting(store, now=NOW + 15) == [("shop/a", "a1"), ("shop/a", "a2")]


async def test_changing_a_webhook_makes_its_retries_due_at_once(store: Store) -> None:
    """Perhaps the address was wrong: what waits for its next attempt, for hours perhaps, is tried at once."""
    lease = await create_and_claim(store)
    hook = await store.create_webhook(webhook())
    await store.create_webhook(webhook("second"))
    await store.append(lease, [event("a0", chat="a"), event("b0", chat="b")], None)
    for name in ("hook", "second"):
        await record(store, "a0", hook=name, retry_at=NOW + 10)
        await record(store, "b0", hook=name, retry_at=NOW + 20)
    await store.update_webhook(msgspec.structs.replace(hook, url="http://right.example/"))
    assert await waiting(store) == [("shop/a", "a0"), ("shop/b", "b0")]
    assert [one.attempts for one in await store.pending_deliveries("hook", now=NOW, busy=[], limit=10)] == [1, 1]
    assert await waiting(store, hook="second") == []


async def test_an_outcome_for_a_webhook_that_is_gone_is_dropped(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_webhook(webhook())
    await store.append(lease, [event(1)], None)
    await store.delete_webhook("hook")
    await record(store, 1, delivered=True)
    await record(store, 1, retry_at=NOW + 1)
    await record(store, 1)
    await store.create_webhook(webhook())
    assert await waiting(store) == []


async def test_a_dead_letter_frees_its_lane_and_can_be_replayed(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_webhook(webhook())
    await store.append(lease, [event(1), event(2), event(3)], None)
    await record(store, 1, retry_at=NOW + 1)
    await record(store, 1, error="HTTP 410")
    await record(store, 2)
    assert await waiting(store) == [("shop/7", "3")]
    dead = await store.dead_letters("hook", after=0, limit=10)
    assert [(d.event.key, d.attempts, d.error, d.at) for d in dead] == [
        ("1", 2, "HTTP 410", NOW),
        ("2", 1, "HTTP 500", NOW),
    ]
    assert [d.event.key for d in await store.dead_letters("hook", after=0, limit=1)] == ["1"]
    assert [d.event.key for d in await store.dead_letters("hook", after=dead[0].event.id, limit=10)] == ["2"]
    assert await store.delivery_counts() == {"hook": (1, 2)}

    assert await store.replay("hook", ReplayQuery(event_ids=(dead[1].event.id, 10**6))) == 1
    assert await waiting(store) == [("shop/7", "2"), ("shop/7", "3")]
    [first, *_] = await store.pending_deliveries("hook", now=NOW, busy=[], limit=10)
    assert first.attempts == 0
    assert await store.replay("hook", ReplayQuery(event_ids=())) == 0
    assert await store.replay("hook", ReplayQuery()) == 1
    assert await waiting(store) == [("shop/7", "1"), ("shop/7", "2"), ("shop/7", "3")]
    assert await store.delivery_counts() == {"hook": (3, 0)}


async def test_a_replay_into_a_parked_lane_goes_first(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_webhook(webhook())
    await store.append(lease, [event(1), event(2)], None)
    await record(store, 1)
    await record(store, 2, retry_at=NOW + 50)
    assert await store.replay("hook", ReplayQuery()) == 1
    assert (await waiting(store))[0] == ("shop/7", "1")


async def test_many_outcomes_at_once(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_webhook(webhook())
    await store.create_webhook(webhook("second"))
    await store.append(lease, [event(n, chat=str(n % 3)) for n in range(12)], None)
    ids = {found.key: found.id for found in await all_events(store)}
    await store.record_deliveries(
        [DeliveryOutcome(webhook="hook", event_id=ids[str(n)], delivered=True, at=NOW) for n in range(6)]
        + [DeliveryOutcome(webhook="hook", event_id=ids["6"], delivered=False, at=NOW, retry_at=NOW + 5)]
        + [DeliveryOutcome(webhook="hook", event_id=ids["7"], delivered=False, at=NOW, error="x")]
    )
    assert await waiting(store) == [("shop/2", "8"), ("shop/1", "10"), ("shop/2", "11")]
    assert len(await waiting(store, hook="second")) == 12
    await store.record_deliveries([])
