"""A lease is trusted only until it may end, whatever kept it from being renewed."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from rookery import Engine, Reason, SessionStatus
from rookery.errors import StoreUnavailable
from store.backends import PostgresBackend, run_sql
from support.engines.shared_engines import QUICK, count_calls, open_shared, running, with_reason
from support.fake_platform import FakeLink, FakePlatform, connected
from support.waiting import until, until_found
from support.webhook_receiver import open_webhook_receiver


class TimedPlatform(FakePlatform):
    """Remembers when links closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed_at: list[float] = []
        self.on_close = self._note

    async def _note(self, link: FakeLink) -> None:
        self.closed_at.append(trio.current_time())


async def refuse(*_: object, **__: object) -> Any:
    raise StoreUnavailable("the database does not answer")


def lose_database(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    for method in ("renew", "claim", "release", "list_sessions", "record_statuses"):
        monkeypatch.setattr(engine.store, method, refuse)


@pytest.mark.parametrize("renewed_before", [False, True])
async def test_without_renewals_a_session_ends_before_its_lease(
    postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch, renewed_before: bool
) -> None:
    """Counted from the claim, or from the last renewal."""
    one, two = TimedPlatform(), TimedPlatform()
    async with open_shared(postgres, one, "one") as first:
        if not renewed_before:
            monkeypatch.setattr(first.store, "renew", refuse)
        await first.create_session(id="a", platform="fake")
        await until(lambda: running(first) == {"a"})
        if renewed_before:
            renewals = count_calls(monkeypatch, first.store, "renew")
            await until(lambda: renewals)
        lose_database(monkeypatch, first)
        async with open_shared(postgres, two, "two") as second:
            ended = trio.current_time()
            await until(lambda: running(second) == {"a"})
            assert len(one.closed_at) == 1
            assert one.closed_at[0] < two.attempts[0][0], "the old link was closed before the new one was opened"
            assert trio.current_time() - ended < QUICK.lease_ttl + 20.0, "not only at the next recovery check"
            lost = await with_reason(second, "a", Reason.LEASE_LOST)
            assert lost.status is SessionStatus.RECONNECTING
            assert "one did not keep its lease" in lost.detail


async def test_renewals_that_hang_end_a_session_too(postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = TimedPlatform()
    async with open_shared(postgres, platform, "one") as engine:
        await engine.create_session(id="a", platform="fake")
        await until(lambda: running(engine) == {"a"})
        renew = engine.store.renew

        async def hang(*_: object, **__: object) -> Any:
            await trio.sleep_forever()

        monkeypatch.setattr(engine.store, "renew", hang)
        await until(lambda: platform.closed_at, seconds=QUICK.lease_ttl + 1)
        monkeypatch.setattr(engine.store, "renew", renew)
        await until(lambda: running(engine) == {"a"})
        lost = await with_reason(engine, "a", Reason.LEASE_LOST)
        assert "did not answer in time to keep the lease" in lost.detail
        await connected(engine)
        assert [change.reason for change in await engine.history("a")].count(Reason.LEASE_LOST) == 1


async def test_a_session_taken_by_another_instance_ends_at_the_next_renewal(postgres: PostgresBackend) -> None:
    platform = TimedPlatform()
    thief = postgres.make()
    async with thief.open(), open_shared(postgres, platform, "one") as engine:
        await engine.create_session(id="a", platform="fake")
        await connected(engine)
        await trio.to_thread.run_sync(
            run_sql,
            postgres.url,
            f"UPDATE {postgres.schema}.sessions SET owner = 'thief', fence = fence + 1, "
            "lease_until = clock_timestamp() + '1 s' RETURNING uid",
        )
        await until(lambda: platform.closed_at, seconds=2)
        assert (await engine.get_session("a")).owner == "thief"
        await until(lambda: running(engine) == {"a"})
        await until_found(
            lambda: engine.history("a"), lambda rows: any("thief did not keep" in change.detail for change in rows)
        )


async def test_an_endpoint_ends_with_its_duty(postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """An instance that cannot renew its duty stops delivering before another one begins."""
    platform = FakePlatform()

    def delivers(engine: Engine) -> bool:
        return bool(engine.delivering_here())

    async with (
        open_webhook_receiver() as receiver,
        open_shared(postgres, platform, "one") as first,
        open_shared(postgres, FakePlatform(), "two") as second,
    ):
        await first.create_webhook(url=receiver.url)
        await until(lambda: delivers(first) or delivers(second))
        now, other = (first, second) if delivers(first) else (second, first)
        monkeypatch.setattr(now.store, "take_duties", refuse)
        await until(lambda: not delivers(now), seconds=QUICK.lease_ttl)
        assert not delivers(other)
        await until(lambda: delivers(other), seconds=QUICK.lease_ttl + 1)
        monkeypatch.undo()
        looks = [count_calls(monkeypatch, engine.store, "take_duties") for engine in (now, other)]
        await until(lambda: all(len(times) >= 2 for times in looks))
        assert delivers(other)
        assert not delivers(now)


async def test_a_session_says_when_its_owner_is_not_heard_from(
    postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last beat of an instance and the end of its leases the last status is not the truth."""
    async with (
        open_shared(postgres, FakePlatform(), "one", lease_ttl=20.0) as first,
        open_shared(postgres, FakePlatform(), "two", lease_ttl=20.0) as second,
    ):
        await first.create_session(id="a", platform="fake")
        await until(lambda: running(first) | running(second) == {"a"})
        owner, other = (first, second) if running(first) else (second, first)
        await until_found(lambda: other.get_session("a"), lambda session: session.health.detail == "connected as @a")
        for method in ("beat", "renew"):
            monkeypatch.setattr(owner.store, method, refuse)
        await until(lambda: not other.census.lives(owner.instance))
        session = await other.get_session("a")
        assert f"{owner.instance} that runs it is not heard from" in session.health.detail
        assert session.owner == owner.instance
