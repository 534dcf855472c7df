"""A lease is trusted only until it may end, whatever kept it from being renewed."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from rookery import Engine, Reason, SessionStatus
from rookery.errors import StoreUnavailable
from store.backends import PostgresBackend
from support.engines.shared_engines import QUICK, open_shared, running
from support.fake_platform import FakeLink, FakePlatform
from support.waiting import until
from support.webhook_receiver import open_webhook_receiver

WRITTEN = 0.3
"""Seconds after which a reported status is in the store."""


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
            await trio.sleep(2 * QUICK.lease_renew_interval)
        lose_database(monkeypatch, first)
        async with open_shared(postgres, two, "two") as second:
            ended = trio.current_time()
            await until(lambda: running(second) == {"a"})
            assert len(one.closed_at) == 1
            assert one.closed_at[0] < two.attempts[0][0], "the old link was closed before the new one was opened"
            assert trio.current_time() - ended < QUICK.lease_ttl + 20.0, "not only at the next recovery check"
            await trio.sleep(WRITTEN)
            reasons = [(change.status, change.reason) for change in await second.history("a")]
            assert (SessionStatus.RECONNECTING, Reason.LEASE_LOST) in reasons
            detail = next(one.detail for one in await second.history("a") if one.reason is Reason.LEASE_LOST)
            assert "one did not keep its lease" in detail


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
        await trio.sleep(WRITTEN)
        [lost] = [change for change in await engine.history("a") if change.reason is Reason.LEASE_LOST]
        assert "did not answer in time to keep the lease" in lost.detail


async def test_a_session_taken_by_another_instance_ends_at_the_next_renewal(postgres: PostgresBackend) -> None:
    platform = TimedPlatform()
    thief = postgres.make()
    async with thief.open(), open_shared(postgres, platform, "one") as engine:
        await engine.create_session(id="a", platform="fake")
        await until(lambda: running(engine) == {"a"})
        await trio.sleep(WRITTEN)
        await thief._value(  # type: ignore[attr-defined]
            "UPDATE rookery.sessions SET owner = 'thief', fence = fence + 1, lease_until = clock_timestamp() + '1 s' "
            "RETURNING uid"
        )
        await until(lambda: platform.closed_at, seconds=2)
        assert (await engine.get_session("a")).owner == "thief"
        await until(lambda: running(engine) == {"a"})
        await trio.sleep(WRITTEN)
        assert any("thief did not keep" in change.detail for change in await engine.history("a"))


async def test_an_endpoint_ends_with_its_duty(postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that cannot say any more that it delivers stops before another one begins."""
    platform = FakePlatform()

    def delivers(engine: Engine) -> bool:
        return any(not scope.cancel_called for _, scope in engine._dispatcher._endpoints.values())

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
        await trio.sleep(2 * QUICK.lease_renew_interval)
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
        await trio.sleep(WRITTEN)
        owner, other = (first, second) if running(first) else (second, first)
        assert (await other.get_session("a")).health.detail == "connected as @a"
        for method in ("beat", "renew"):
            monkeypatch.setattr(owner._store, method, refuse)
        membership = other._cluster.membership  # type: ignore[union-attr]
        await until(lambda: not membership.census.lives(owner.instance))
        session = await other.get_session("a")
        assert f"{owner.instance} that runs it is not heard from" in session.health.detail
        assert session.owner == owner.instance
