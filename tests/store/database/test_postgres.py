"""What only the PostgreSQL store has: several engines at once, leases that expire, notifications."""

from __future__ import annotations

import time

import pytest
import trio

from rookery.errors import DutyLost, InvalidInput, LeaseLost
from rookery.model.event import EventQuery
from rookery.model.instance import Duty, StoreChange
from rookery.model.message import MessageState, SendOutcome
from rookery.model.session import Lease, SessionChange
from rookery.model.webhook import DeliveryOutcome
from rookery.store.contract import Store
from rookery.store.contract.notifications import Notifying
from store.backends import PostgresBackend, run_sql, until_asleep
from store.building import (
    all_events,
    claim,
    create_and_claim,
    event,
    fill_state,
    message,
    new_session,
    webhook,
)
from support.waiting import until_found


async def test_two_instances_claim_each_session_once(postgres: PostgresBackend) -> None:
    one, two = postgres.make(), postgres.make()
    async with one.open(), two.open():
        for number in range(60):
            await one.create_session(new_session(f"s{number}"))
        claimed: list[Lease] = []

        async def take(store: Store, owner: str) -> None:
            while found := await store.claim(owner, limit=7, now=0.0, ttl=60.0):
                claimed.extend(Lease(s.id, s.uid, owner, s.fence) for s in found)

        async with trio.open_nursery() as nursery:
            for store, owner in ((one, "one"), (two, "two"), (one, "three"), (two, "four")):
                nursery.start_soon(take, store, owner)
        assert len(claimed) == len({lease.session for lease in claimed}) == 60
        assert {lease.fence for lease in claimed} == {1}


async def test_a_lease_that_was_lost_is_given_back_as_such(postgres: PostgresBackend) -> None:
    store = postgres.make()
    async with store.open():
        old = await create_and_claim(store)
        await store.release(Lease(old.session, old.uid, "somebody else", old.fence), lost=True)  # changes nothing
        assert await store.claim("two", limit=1, now=0.0, ttl=60.0) == []
        await store.release(old, lost=True)
        [found] = await store.claim("two", limit=1, now=0.0, ttl=60.0)
        assert (found.fence, found.taken_from) == (old.fence + 1, "one")


async def test_a_lease_expires_by_the_clock_of_the_database(postgres: PostgresBackend) -> None:
    store = postgres.make()
    async with store.open():
        old = await create_and_claim(store)
        assert await store.claim("two", limit=1, now=time.time() + 9e9, ttl=60.0) == []  # our clock does not matter
        assert await store.renew("one", [old], now=0.0, ttl=0.05) == {"shop"}
        found = await until_found(lambda: store.claim("two", limit=1, now=0.0, ttl=60.0), seconds=30)
        assert found[0].fence == old.fence + 1
        assert (found[0].owner, found[0].taken_from) == ("two", "one")
        assert await store.renew("one", [old], now=0.0, ttl=60.0) == set()
        with pytest.raises(LeaseLost):
            await store.append(old, [event(1)], "1")


async def test_a_renewed_lease_does_not_expire(postgres: PostgresBackend) -> None:
    store = postgres.make()
    async with store.open():
        await store.create_session(new_session())
        lease = await claim(store, ttl=1.0)
        began = time.monotonic()
        while time.monotonic() - began < 1.5:
            assert await store.renew("one", [lease], now=0.0, ttl=1.0) == {"shop"}
            assert await store.claim("two", limit=1, now=0.0, ttl=1.0) == []


async def test_event_ids_become_visible_in_order_across_instances(postgres: PostgresBackend) -> None:
    stores = [postgres.make() for _ in range(3)]
    async with stores[0].open(), stores[1].open(), stores[2].open():
        leases = [await create_and_claim(stores[0], f"s{number}") for number in range(6)]
        seen: list[int] = []
        written = trio.Event()

        async def follow() -> None:
            while True:
                final = written.is_set()
                found = await stores[2].read_events(EventQuery(after=seen[-1] if seen else 0, limit=1000))
                seen.extend(one.id for one in found)
                if final and not found:
                    return

        async def write(store: Store, lease: Lease) -> None:
            for number in range(40):
                await store.append(lease, [event(f"{number}-{part}") for part in range(number % 4)], str(number))

        async with trio.open_nursery() as readers:
            readers.start_soon(follow)
            async with trio.open_nursery() as writers:
                for number, lease in enumerate(leases):
                    writers.start_soon(write, stores[number % 2], lease)
            written.set()
        assert seen == [one.id for one in await all_events(stores[0])]
        assert len(seen) == 6 * 60


async def test_a_batch_is_isolated_from_stale_and_impossible_neighbours(postgres: PostgresBackend) -> None:
    store = postgres.make()
    async with store.open():
        leases = [await create_and_claim(store, f"s{number}") for number in range(12)]
        await store.delete_session("s3")
        results: dict[int, object] = {}

        async def write(number: int) -> None:
            bad = number == 5
            try:
                results[number] = await store.append(leases[number], [event(1, chat="\0" if bad else "7")], "1")
            except (LeaseLost, InvalidInput) as error:
                results[number] = type(error)

        async with trio.open_nursery() as nursery:
            for number in range(12):
                nursery.start_soon(write, number)
        assert results == {number: {3: LeaseLost, 5: InvalidInput}.get(number, 1) for number in range(12)}
        assert len(await all_events(store)) == 10


async def test_a_lease_that_is_taken_in_this_very_moment_is_noticed(postgres: PostgresBackend) -> None:
    """A writer that waits for the row of its session looks at the lease again."""
    store = postgres.make()
    async with store.open():
        lease = await create_and_claim(store)
        sent, _ = await store.enqueue(message(), pending_limit=9)
        take = f"UPDATE {postgres.schema}.sessions SET fence = fence + 1, owner = 'two'; SELECT pg_sleep(0.5)"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, run_sql, postgres.url, take)
            await until_asleep(postgres.url, 1)
            with pytest.raises(LeaseLost):
                await store.append(lease, [event(1)], "1")
        current = Lease("shop", lease.uid, "two", lease.fence + 1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, run_sql, postgres.url, take)
            await until_asleep(postgres.url, 1)
            with pytest.raises(LeaseLost):
                await store.record_sends(current, [SendOutcome(id=sent.id, state=MessageState.SENT, at=1.0)])
        assert await all_events(store) == []
        assert (await store.get_message(sent.id)).state is MessageState.QUEUED


async def test_lanes_stay_right_when_instances_append_and_deliver_at_once(postgres: PostgresBackend) -> None:
    one, two = postgres.make(), postgres.make()
    async with one.open(), two.open():
        leases = [await create_and_claim(one, f"s{number}") for number in range(4)]
        await one.create_webhook(webhook())
        expected = 4 * 30 * 2
        delivered: set[int] = set()

        async def write(lease: Lease) -> None:
            for number in range(30):
                await one.append(lease, [event(f"{number}a", chat="1"), event(f"{number}b", chat="2")], None)

        async def deliver(store: Store, number: int) -> None:
            while len(delivered) < expected:
                found = await store.pending_deliveries("hook", now=1e12, busy=[], limit=3 + number)
                outcomes = [
                    DeliveryOutcome(
                        webhook="hook",
                        event_id=one.event.id,
                        delivered=(one.event.id + one.attempts) % 3 != 0,
                        at=1.0,
                        retry_at=2.0,
                    )
                    for one in found
                ]
                await store.record_deliveries(outcomes)
                delivered.update(outcome.event_id for outcome in outcomes if outcome.delivered)

        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                for lease in leases:
                    nursery.start_soon(write, lease)
                for number, store in enumerate((one, two, two)):
                    nursery.start_soon(deliver, store, number)
        assert await one.delivery_counts() == {"hook": (0, 0)}
        lanes = await one._value("SELECT count(*) FROM rookery.lanes")  # type: ignore[attr-defined]
        assert lanes == 0


async def test_only_the_holder_of_a_duty_records_deliveries(postgres: PostgresBackend) -> None:
    """An instance that stalled for longer than its duty lasts reports a failure that happened long ago."""
    store = postgres.make()
    async with store.open():
        lease = await create_and_claim(store)
        await store.create_webhook(webhook())
        await store.append(lease, [event(1)], None)
        [waiting] = await store.pending_deliveries("hook", now=1.0, busy=[], limit=1)
        failed = DeliveryOutcome(webhook="hook", event_id=waiting.event.id, delivered=False, at=1.0)
        late, duty = Duty("one", "webhook:hook"), Duty("two", "webhook:hook")
        assert await store.take_duties(late.owner, [late.name], ttl=0.0) == {late.name}
        with pytest.raises(DutyLost, match="webhook:hook"):  # it expired, though no other instance has it
            await store.record_deliveries([failed], duty=late)
        assert await store.take_duties(duty.owner, [duty.name], ttl=60.0) == {duty.name}
        with pytest.raises(DutyLost):
            await store.record_deliveries([failed], duty=late)
        assert await store.delivery_counts() == {"hook": (1, 0)}
        delivered = DeliveryOutcome(webhook="hook", event_id=waiting.event.id, delivered=True, at=2.0)
        await store.record_deliveries([delivered], duty=duty)
        assert await store.delivery_counts() == {"hook": (0, 0)}


async def test_a_duty_has_one_owner_until_its_time_is_over(postgres: PostgresBackend) -> None:
    store = postgres.make()
    async with store.open():
        assert await store.take_duties("one", ["a", "b"], ttl=60.0) == {"a", "b"}
        assert await store.take_duties("one", ["a", "b"], ttl=60.0) == {"a", "b"}
        assert await store.take_duties("two", ["b", "c"], ttl=0.0) == {"c"}
        await store.drop_duties("two", ["b"])  # not its own
        await store.drop_duties("one", ["a"])
        assert await store.take_duties("three", ["a", "b", "c"], ttl=60.0) == {"a", "c"}
        assert await store.take_duties("three", [], ttl=60.0) == set()


async def test_every_instance_is_notified_of_changes(postgres: PostgresBackend) -> None:
    one, two = postgres.make(), postgres.make()
    told: list[StoreChange] = []
    news = trio.Event()

    def on_change(change: StoreChange) -> None:
        nonlocal news
        told.append(change)
        news.set()
        news = trio.Event()

    async def expect(*wanted: StoreChange) -> None:
        with trio.fail_after(30):
            while not set(wanted) <= set(told):
                await news.wait()
        told.clear()

    async with one.open(), two.open(), trio.open_nursery() as nursery:
        assert isinstance(two, Notifying)
        await nursery.start(two.watch, on_change)
        await expect(StoreChange("everything"))
        await one.create_session(new_session())
        await expect(StoreChange("session", "shop"))
        lease = await claim(one)
        await one.append(lease, [event(1)], None)
        await expect(StoreChange("events"))
        await one.enqueue(message(), pending_limit=9)  # its own owner needs no call
        foreign, _ = await two.enqueue(message(), pending_limit=9)
        await expect(StoreChange("messages", "shop"))
        assert told.count(StoreChange("messages", "shop")) == 0
        await fill_state(one, lease, foreign.id, MessageState.SENDING)
        await one.record_sends(lease, [SendOutcome(id=foreign.id, state=MessageState.SENT, at=1.0)])
        await expect(StoreChange("message", foreign.id))
        await one.create_webhook(webhook())
        await expect(StoreChange("webhooks"))
        await one.update_session("shop", SessionChange(enabled=False), now=1.0)
        await expect(StoreChange("session", "shop"))
        await one.release(lease)
        await expect(StoreChange("session", "shop"))
        await one.take_duties("one", ["d"], ttl=60.0)
        await one.drop_duties("one", ["d"])
        await expect(StoreChange("duties"))
        await trio.to_thread.run_sync(
            run_sql,
            postgres.url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'rookery' AND query LIKE 'LISTEN%'",
        )
        await expect(StoreChange("everything"))
        await one.delete_session("shop")
        await expect(StoreChange("session", "shop"))
        nursery.cancel_scope.cancel()


async def test_an_account_is_run_by_one_of_the_sessions_that_are_held(postgres: PostgresBackend) -> None:
    one, two = postgres.make(), postgres.make()
    async with one.open(), two.open():
        shop, twin = await create_and_claim(one, "shop"), await create_and_claim(one, "twin")
        phone = await create_and_claim(one, "phone", platform="whatsapp")
        assert await one.occupy(shop, "42") is None
        assert await one.occupy(shop, "42") is None
        assert await two.occupy(twin, "42") == "shop"
        assert await two.occupy(twin, "43") is None
        assert await two.occupy(phone, "42") is None, "another platform"
        assert await two.occupy(twin, "42") == "shop"
        await one.release(shop)
        assert await two.occupy(twin, "42") is None
        with pytest.raises(LeaseLost):
            await one.occupy(shop, "42")
        shop = await claim(one, owner="two")
        assert await one.occupy(shop, "42") == "twin"
        assert await one.occupy(shop, "43") is None, "twin runs another one now"
        await two.release(twin, lost=True)
        assert await one.occupy(shop, "42") is None, "a lease that expired holds nothing"


async def test_concurrent_claims_of_one_account_have_one_winner(postgres: PostgresBackend) -> None:
    stores = [postgres.make() for _ in range(3)]
    async with stores[0].open(), stores[1].open(), stores[2].open():
        leases = [await create_and_claim(stores[0], f"s{number}") for number in range(12)]
        answers: dict[str, str | None] = {}

        async def occupy(store: Store, lease: Lease) -> None:
            answers[lease.session] = await store.occupy(lease, "42")

        async with trio.open_nursery() as nursery:
            for number, lease in enumerate(leases):
                nursery.start_soon(occupy, stores[number % 3], lease)
        (winner,) = [session for session, other in answers.items() if other is None]
        assert {other for other in answers.values() if other is not None} == {winner}
