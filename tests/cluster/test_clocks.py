"""Instances whose clocks are wrong: the database's time decides (K2)."""

from __future__ import annotations

import time

import pytest
import trio

from rookery import Engine, MessageState
from rookery.model.event import EventQuery
from store.backends import PostgresBackend
from support.engines.shared_engines import count_calls, open_shared, running
from support.fake_platform import FakePlatform, event
from support.waiting import until

DAY = 86_400.0


@pytest.mark.parametrize("ahead", [8 * DAY, -8 * DAY])
async def test_a_wrong_clock_deletes_and_repeats_nothing(
    postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    """Alone, so that it has to do the work itself."""
    platform = FakePlatform()
    async with open_shared(postgres, platform, "one", clock=lambda: time.time() + ahead, prune_interval=0.2) as engine:
        assert abs(engine.now() - time.time()) < 2
        assert abs(engine.started_at - time.time()) < 2
        assert engine.health_here().clock_skew == pytest.approx(ahead, abs=2)
        assert "the database's" in engine.health_here().warnings[0]
        await engine.create_session(id="a", platform="fake")
        await until(lambda: running(engine) == {"a"})
        await platform.link().inbox.commit([event(1)], "1")
        first = await engine.submit("a", to="7", text="x", idempotency_key="k")
        await until(lambda: len(platform.sent) == 1)
        pruned = count_calls(monkeypatch, engine.store, "prune_messages")
        await until(lambda: len(pruned) >= 2)  # the second one began after all of the above
        assert [e.key for e in await engine.read_events(EventQuery(types=("message",)))] == ["1"]
        again = await engine.submit("a", to="7", text="x", idempotency_key="k")
        assert (again.id, len(platform.sent)) == (first.id, 1)
        assert abs(again.created_at - time.time()) < 5
        [row] = await engine.instances()
        assert row.clock_skew == pytest.approx(ahead, abs=2)


async def test_a_scheduled_send_waits_for_the_databases_time(postgres: PostgresBackend) -> None:
    platform, other = FakePlatform(), FakePlatform()
    async with (
        open_shared(postgres, platform, "right") as right,
        open_shared(postgres, other, "wrong", clock=lambda: time.time() + 7200) as wrong,
    ):
        await right.create_session(id="a", platform="fake")
        await until(lambda: running(right) | running(wrong) == {"a"})
        later = await wrong.submit("a", to="7", text="later", send_at=time.time() + 3600)
        soon = await wrong.submit("a", to="7", text="soon", send_at=time.time() + 1.5, ttl=60)
        await until(lambda: platform.sent or other.sent)
        assert time.time() - soon.created_at >= 1.4
        assert (await right.get_message(later.id)).state is MessageState.SCHEDULED
        assert [m.id for _, m in platform.sent + other.sent] == [soon.id]


async def test_duties_go_to_the_instance_with_the_better_clock(postgres: PostgresBackend) -> None:
    def delivers(engine: Engine) -> bool:
        return bool(engine.delivering_here())

    ahead = 0.0
    async with open_shared(postgres, FakePlatform(), "one", clock=lambda: time.time() + ahead) as one:
        await one.create_webhook(url="http://127.0.0.1:9/")
        await until(lambda: delivers(one))
        async with open_shared(postgres, FakePlatform(), "two") as two:
            await until(lambda: len(one.census.instances) == 2)
            ahead = 3600.0
            await until(lambda: delivers(two))
            assert not delivers(one)
            assert "other instances do its duties" in one.health_here().warnings[0]
            assert two.health_here().warnings == ()
        await until(lambda: delivers(one))


async def test_a_slow_answer_does_not_make_the_time_inexact(postgres: PostgresBackend) -> None:
    async with open_shared(postgres, FakePlatform(), "one") as engine:
        before = engine.now() - time.time()
        beat = engine.store.beat

        async def slow(*arguments: object, **options: object) -> object:
            census = await beat(*arguments, **options)  # type: ignore[arg-type]
            await trio.sleep(2)
            return census

        engine.store.beat = slow  # type: ignore[method-assign,assignment]
        await engine.instances()
        assert engine.now() - time.time() == pytest.approx(before, abs=0.1)
