"""Conformance: the event log."""

from __future__ import annotations

import time
from typing import Any

import pytest
import trio

from rookery.errors import RookeryError
from rookery.model.event import EventQuery, NewEvent
from rookery.model.webhook import DeliveryOutcome
from rookery.store.contract import Store
from store.building import all_events, create_and_claim, event, event_keys, webhook


async def test_an_event_comes_back_as_it_was_stored(store: Store) -> None:
    lease = await create_and_claim(store)
    given = NewEvent("k", "reaction", 12.5, "7", None, '{"text":"ü"}'.encode(), b'{"a":[1,null]}', 3)
    assert await store.append(lease, [given], "5") == 1
    [found] = await all_events(store)
    assert (found.session, found.platform, found.type, found.key) == ("shop", "telegram", "reaction", "k")
    assert (found.time, found.chat, found.sender) == (12.5, "7", None)
    assert (found.body, found.raw) == ({"text": "ü"}, {"a": [1, None]})
    assert await store.last_event_id() == found.id
    assert (await store.get_session("shop")).cursor == "5"


async def test_one_odd_row_does_not_stop_readers(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.append(lease, [NewEvent("k", "t", 1.0, None, None, b"not json", b"")], None)
    [found] = await all_events(store)
    assert (found.body, found.raw) == ({"value": "not json"}, None)


@pytest.mark.parametrize(
    "odd", [b'{"text":"\xff"}', b"[" * 3_000 + b"]" * 3_000, b"1e400", b"\0"], ids=["bytes", "deep", "1e400", "nul"]
)
async def test_a_document_that_decoders_refuse_does_not_stop_readers(store: Store, odd: bytes) -> None:
    lease = await create_and_claim(store)
    await store.append(lease, [NewEvent("k", "t", 1.0, None, None, odd, odd), event(1)], None)
    [found, _] = await all_events(store)
    text = odd.decode(errors="replace")
    assert (found.body, found.raw) == ({"value": text}, text)


async def test_the_same_key_is_the_same_event(store: Store) -> None:
    lease, other = await create_and_claim(store), await create_and_claim(store, "other")
    assert await store.append(lease, [event(1), event(2), event(1)], "2") == 2
    assert await store.append(lease, [event(2), event(3)], "3") == 1
    assert await store.append(lease, [event(1), event(2)], "3") == 0
    assert await store.append(lease, [event(1, epoch=1)], "1") == 1
    assert await store.append(other, [event(1)], "1") == 1
    assert await event_keys(store) == ["1", "2", "3", "1", "1"]


async def test_a_cursor_is_stored_without_events_and_kept_without_a_new_one(store: Store) -> None:
    lease = await create_and_claim(store)
    assert await store.append(lease, [], "7") == 0
    assert await store.append(lease, [event(1)], None) == 1
    assert (await store.get_session("shop")).cursor == "7"


async def test_events_cursor_and_deliveries_are_stored_together_or_not_at_all(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_webhook(webhook())
    await store.append(lease, [event(1)], "1")
    broken = event(3, chat="\ud800")  # no database takes a lone surrogate
    with pytest.raises(RookeryError):
        await store.append(lease, [event(2), broken], "3")
    assert await event_keys(store) == ["1"]
    assert (await store.get_session("shop")).cursor == "1"
    assert await store.delivery_counts() == {"hook": (1, 0)}
    assert await store.append(lease, [event(2)], "2") == 1
    assert await store.delivery_counts() == {"hook": (2, 0)}


async def test_events_are_read_by_cursor_session_and_type(store: Store) -> None:
    lease, other = await create_and_claim(store), await create_and_claim(store, "other")
    assert await store.last_event_id() == 0
    await store.append(lease, [event(1), event(2, type="edit")], None)
    await store.append(other, [event(1)], None)
    await store.append(lease, [event(3)], None)
    ids = [found.id for found in await all_events(store)]
    assert ids == sorted(ids)

    async def read(**query: object) -> list[int]:
        return [ids.index(found.id) for found in await store.read_events(EventQuery(**query))]  # type: ignore[arg-type]

    assert await read(limit=3) == [0, 1, 2]
    assert await read(after=ids[1]) == [2, 3]
    assert await read(after=ids[3]) == []
    assert await read(session="shop") == [0, 1, 3]
    assert await read(session="shop", after=ids[0], limit=1) == [1]
    assert await read(types=("edit",)) == [1]
    assert await read(types=("edit", "message"), session="other") == [2]
    assert await read(types=()) == []


async def test_a_reader_that_follows_misses_nothing(store: Store) -> None:
    """Several sessions write at once; a reader that only looks above the highest id it knows sees every event."""
    leases = [await create_and_claim(store, f"s{number}") for number in range(8)]
    seen: list[tuple[str, str]] = []
    written = trio.Event()

    async def follow() -> None:
        after = 0
        while True:
            final = written.is_set()
            events = await store.read_events(EventQuery(after=after, limit=1000))
            seen.extend((found.session, found.key) for found in events)
            if events:
                assert [found.id for found in events] == sorted(found.id for found in events)
                after = events[-1].id
            elif final:
                return

    async with trio.open_nursery() as readers:
        readers.start_soon(follow)
        async with trio.open_nursery() as writers:
            for lease in leases:

                @writers.start_soon
                async def write(lease: object = lease) -> None:
                    for number in range(25):
                        await store.append(lease, [event(2 * number), event(2 * number + 1)], str(number))  # type: ignore[arg-type]

        written.set()
    assert len(seen) == len(set(seen)) == 8 * 50
    for lease in leases:
        assert [int(key) for session, key in seen if session == lease.session] == list(range(50))


async def test_pruning_goes_by_age_and_limit(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.append(lease, [event(number) for number in range(10)], None)
    assert await store.prune_events(before=time.time() - 60, limit=100) == 0
    assert await store.prune_events(before=time.time() + 60, limit=4) == 4
    assert await event_keys(store) == ["4", "5", "6", "7", "8", "9"]
    assert await store.prune_events(before=time.time() + 60, limit=100) == 6
    assert await store.prune_events(before=time.time() + 60, limit=100) == 0


async def test_ids_go_on_growing_after_everything_was_pruned(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.append(lease, [event(1), event(2)], None)
    highest = await store.last_event_id()
    assert await store.prune_events(before=time.time() + 60, limit=100) == 2
    await store.append(lease, [event(3)], None)
    assert await store.last_event_id() > highest


async def test_pruning_keeps_what_a_delivery_needs(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_webhook(webhook())
    await store.append(lease, [event(number) for number in range(4)], None)
    pending, delivered, dead, parked = [found.id for found in await all_events(store)]
    now = time.time()
    await store.record_deliveries(
        [
            DeliveryOutcome(webhook="hook", event_id=delivered, delivered=True, at=now),
            DeliveryOutcome(webhook="hook", event_id=dead, delivered=False, at=now, error="gone"),
            DeliveryOutcome(webhook="hook", event_id=parked, delivered=False, at=now, retry_at=now + 9),
        ]
    )
    assert await store.prune_events(before=now - 1, limit=100) == 0
    # Dead letters older than the bound go with their events; the pending ones stay whatever their age.
    assert await store.prune_events(before=now + 60, limit=100) == 2
    assert [found.id for found in await all_events(store)] == [pending, parked]
    assert await store.delivery_counts() == {"hook": (2, 0)}


async def test_pruning_goes_on_while_dead_letters_hold_events_back(store: Store) -> None:
    lease = await create_and_claim(store)
    for name in ("hook", "other"):
        await store.create_webhook(webhook(name))
    await store.append(lease, [event(number) for number in range(6)], None)
    now = time.time()
    ids = [found.id for found in await all_events(store)]
    await store.record_deliveries(
        [
            DeliveryOutcome(webhook=name, event_id=id, delivered=False, at=now, error="gone")
            for id in reversed(ids)  # the letters are not in the order of the events
            for name in ("hook", "other")
        ]
    )
    steps = 0
    while await store.prune_events(before=now + 60, limit=4) >= 4:
        steps += 1
        assert steps < 10
    assert await all_events(store) == []


async def test_the_newest_events_below_an_id_come_in_the_order_of_the_log(store: Store) -> None:
    lease, other = await create_and_claim(store), await create_and_claim(store, "other")
    await store.append(lease, [event(number) for number in range(1, 6)], None)
    await store.append(other, [event(6)], None)
    ids = [found.id for found in await all_events(store)]

    async def keys(**query: Any) -> list[str]:
        return [found.key for found in await store.read_events(EventQuery(**query))]

    assert await keys(before=2**53, limit=2) == ["5", "6"]
    assert await keys(before=ids[4], limit=2) == ["3", "4"]
    assert await keys(before=ids[4], after=ids[2]) == ["4"]
    assert await keys(before=2**53, session="shop", limit=2) == ["4", "5"]
    assert await keys(before=ids[0]) == []


async def test_the_first_event_since_a_time(store: Store) -> None:
    assert await store.first_event_since(0.0) >= 0
    lease = await create_and_claim(store)
    await store.append(lease, [event(1), event(2)], None)
    ids = [found.id for found in await all_events(store)]
    assert await store.first_event_since(time.time() - 3600) <= ids[0]
    assert await store.first_event_since(time.time() + 3600) > ids[-1]
