"""Instances on every store; calls between them on the one that several can share."""

from __future__ import annotations

import pytest
import trio

from rookery.errors import SecretKeyError
from rookery.model.instance import Instance, InstanceCall, StoreChange
from rookery.model.session import Reason, SessionChange, SessionStatus
from rookery.store.contract import Store
from rookery.store.contract.calls import CallStore
from store.backends import PostgresBackend, run_sql
from store.building import claim, create_and_claim, new_session, set_status

ONE, TWO = Instance(name="one", capacity=7, started_at=5.0), Instance(name="two", sessions=3)


async def beat(store: Store, instance: Instance, *, ttl: float = 60.0, patience: float = 60.0) -> list[Instance]:
    return list((await store.beat(instance, ttl=ttl, patience=patience)).instances)


async def test_an_instance_sees_itself(store: Store) -> None:
    assert await beat(store, ONE) == [ONE]
    assert await beat(store, ONE) == [ONE]
    await store.leave("one")
    await store.leave("one")


async def test_instances_see_each_other(postgres: PostgresBackend) -> None:
    one, two = postgres.make(), postgres.make()
    async with one.open(), two.open():
        assert await beat(two, TWO) == [TWO]
        assert await beat(one, ONE) == [ONE, TWO]
        assert await beat(two, Instance(name="two", draining=True)) == [ONE, Instance(name="two", draining=True)]
        await one.leave("one")
        assert await beat(two, TWO) == [TWO]


async def test_an_instance_without_beats_is_gone(postgres: PostgresBackend) -> None:
    store = postgres.make()
    async with store.open():
        await beat(store, ONE, ttl=0.0)
        assert await beat(store, TWO) == [TWO]
        assert await beat(store, ONE) == [ONE, TWO]


async def test_what_there_is_to_share(postgres: PostgresBackend) -> None:
    store = postgres.make()
    async with store.open():
        for number in range(5):
            await store.create_session(new_session(f"s{number}", enabled=number != 0))
        census = await store.beat(ONE, ttl=60.0, patience=60.0)
        assert (census.wanted, census.free) == (4, 4)
        lease = await claim(store, "s1")
        await claim(store, "s2", ttl=0.0)
        census = await store.beat(ONE, ttl=60.0, patience=60.0)
        assert (census.wanted, census.free) == (4, 3)  # an expired lease is free
        await set_status(store, lease, SessionStatus.DISCONNECTED, Reason.BANNED)
        census = await store.beat(ONE, ttl=60.0, patience=60.0)
        assert (census.wanted, census.free) == (3, 3)


async def test_an_unclaimed_session_is_overdue_after_the_patience(postgres: PostgresBackend) -> None:
    store = postgres.make()
    async with store.open():
        now = float(await trio.to_thread.run_sync(run_sql, postgres.url, "SELECT extract(epoch FROM now())::float8"))  # type: ignore[arg-type]
        for id in ("free", "held", "expired"):
            await store.create_session(new_session(id, updated_at=now))
        lease = await claim(store, "held")
        await claim(store, "expired", ttl=0.0)
        assert (await store.beat(ONE, ttl=60.0, patience=30.0)).overdue == 0
        assert (await store.beat(ONE, ttl=60.0, patience=0.0)).overdue == 2
        await store.update_session("free", SessionChange(command=True), now=now + 3600.0)
        assert (await store.beat(ONE, ttl=60.0, patience=0.0)).overdue == 1
        await store.release(lease)


async def test_other_instances_are_notified_of_arrivals_departures_and_drains(postgres: PostgresBackend) -> None:
    store = postgres.make()
    told: list[StoreChange] = []
    news = trio.Event()

    def on_change(change: StoreChange) -> None:
        told.append(change)
        news.set()

    async def expect(*changes: StoreChange) -> None:
        nonlocal news
        with trio.fail_after(30):
            while not set(changes) <= set(told):
                news = trio.Event()
                await news.wait()
        assert told.count(changes[0]) == 1
        told.clear()

    async with store.open(), trio.open_nursery() as nursery:
        await nursery.start(store.watch, on_change)  # type: ignore[attr-defined]
        await expect(StoreChange("everything"))
        await beat(store, ONE)
        await expect(StoreChange("instances"))
        await beat(store, ONE)
        await beat(store, Instance(name="one", sessions=9))
        await beat(store, Instance(name="one", draining=True))
        await expect(StoreChange("instances"))
        await store.leave("one")
        await expect(StoreChange("instances"))
        await store.submit_call(a_call("c1", owner="one"))  # type: ignore[attr-defined]
        await expect(StoreChange("calls", "one"))
        await store.answer_call("c1", b"x")  # type: ignore[attr-defined]
        await expect(StoreChange("call", "c1"))
        nursery.cancel_scope.cancel()


def a_call(id: str, *, owner: str = "one", seconds: float = 60.0) -> InstanceCall:
    return InstanceCall(id=id, owner=owner, method="look", arguments=b"the arguments", seconds=seconds)


async def test_a_call_is_taken_once_and_answered_once(postgres: PostgresBackend) -> None:
    store = postgres.make()
    async with store.open():
        assert isinstance(store, CallStore)
        await store.submit_call(a_call("c1"))
        await store.submit_call(a_call("c1"))  # repeated after a cancellation
        await store.submit_call(a_call("c2", owner="two"))
        await store.submit_call(a_call("c3"))
        assert await store.fetch_answer("c1") is None
        taken = await store.take_calls("one", limit=9)
        assert [(call.id, call.method, call.arguments) for call in taken] == [
            ("c1", "look", b"the arguments"),
            ("c3", "look", b"the arguments"),
        ]
        assert 50.0 < taken[0].seconds <= 60.0
        assert await store.take_calls("one", limit=9) == []
        assert await store.answer_call("c1", b"the answer")
        assert await store.fetch_answer("c1") == b"the answer"
        assert await store.fetch_answer("c1") is None
        assert not await store.answer_call("c1", b"late")


async def test_a_withdrawn_call_never_happens(postgres: PostgresBackend) -> None:
    store = postgres.make()
    async with store.open():
        for id in ("c1", "c2"):
            await store.submit_call(a_call(id))  # type: ignore[attr-defined]
        await store.take_calls("one", limit=1)  # type: ignore[attr-defined]
        assert not await store.withdraw_call("c1")  # type: ignore[attr-defined]  # it may have happened
        assert await store.withdraw_call("c2")  # type: ignore[attr-defined]
        assert not await store.withdraw_call("c2")  # type: ignore[attr-defined]
        assert await store.take_calls("one", limit=9) == []  # type: ignore[attr-defined]


async def test_an_overdue_call_is_not_given_out(postgres: PostgresBackend) -> None:
    store = postgres.make()
    async with store.open():
        await store.submit_call(a_call("c1", seconds=0.0))  # type: ignore[attr-defined]
        assert await store.take_calls("one", limit=9) == []  # type: ignore[attr-defined]
        assert not await store.answer_call("c1", b"late")  # type: ignore[attr-defined]
        assert await store.withdraw_call("c1")  # type: ignore[attr-defined]


async def test_calls_are_encrypted(postgres: PostgresBackend) -> None:
    store, other = postgres.make(), postgres.make()
    large = b"x" * 1_000_000
    async with store.open(), other.open():
        await create_and_claim(store)
        await store.submit_call(a_call("c1"))  # type: ignore[attr-defined]
        await store.answer_call("c1", b"the secret answer" + large)  # type: ignore[attr-defined]
        columns = "SELECT encode(arguments || answer, 'escape') FROM {}.calls"
        raw = await trio.to_thread.run_sync(run_sql, postgres.url, columns.format(postgres.schema))
        assert isinstance(raw, str)
        assert "the" not in raw[:100]
        assert await other.fetch_answer("c1") == b"the secret answer" + large  # type: ignore[attr-defined]
        await store.submit_call(a_call("c2"))  # type: ignore[attr-defined]
        other._secrets = type(other._secrets)(["another key"])  # type: ignore[attr-defined]
        with pytest.raises(SecretKeyError, match="same `secret_key`"):
            await other.take_calls("one", limit=9)  # type: ignore[attr-defined]
