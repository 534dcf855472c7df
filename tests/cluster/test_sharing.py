"""Engines share the sessions evenly, move a few at a time, and leave none without an owner."""

from __future__ import annotations

import pytest
import trio

from rookery import Engine, SessionStatus
from rookery.errors import InvalidInput, LimitReached
from rookery.store.open import MemoryStore
from store.backends import PostgresBackend
from support.engines.shared_engines import QUICK, beats, open_shared, running
from support.fake_platform import FakePlatform
from support.waiting import until

IDS = [f"s{number:02}" for number in range(12)]


async def add(engine: Engine, *ids: str) -> None:
    for id in ids:
        await engine.create_session(id=id, platform="fake")


def attempts(platforms: list[FakePlatform]) -> list[tuple[float, str]]:
    return sorted(attempt for platform in platforms for attempt in platform.attempts)


async def test_a_newcomer_gets_its_share_a_few_at_a_time(postgres: PostgresBackend) -> None:
    one, two = FakePlatform(), FakePlatform()
    async with open_shared(postgres, one, "one") as first:
        await add(first, *IDS)
        await until(lambda: running(first) == set(IDS))
        before = len(attempts([one, two]))
        async with open_shared(postgres, two, "two") as second:
            lowest = len(IDS)

            def level() -> bool:
                nonlocal lowest
                lowest = min(lowest, len(running(first)) + len(running(second)))
                return len(running(first)) == len(running(second)) == len(IDS) // 2

            await until(level)
            # Never more than two steps of three were on their way at once.
            assert lowest >= len(IDS) - 2 * QUICK.rebalance_batch
            assert len(attempts([one, two])) - before == len(IDS) // 2, "each moved once, the others not at all"
            await beats(first, 3)
            await beats(second, 3)
            assert len(attempts([one, two])) - before == len(IDS) // 2, "and then it is quiet"
            assert [(one.name, one.sessions) for one in await first.instances()] == [("one", 6), ("two", 6)]
            history = await first.history(next(iter(running(second))))
            assert "HANDED_OVER" in {change.reason.value for change in history}
        await until(lambda: running(first) == set(IDS), seconds=15)
    assert one.open_links == two.open_links == 0


async def test_a_planned_stop_hands_over_at_once(postgres: PostgresBackend) -> None:
    one, two = FakePlatform(), FakePlatform()
    never = {"lease_ttl": 3600.0}  # so that no lease ends by itself
    async with open_shared(postgres, two, "two", **never) as second:  # type: ignore[arg-type]
        async with open_shared(postgres, one, "one", **never) as first:  # type: ignore[arg-type]
            await add(first, *IDS)
            await until(lambda: len(running(first)) + len(running(second)) == len(IDS))
            await until(lambda: len(running(first)) > 0)
        await until(lambda: running(second) == set(IDS), seconds=30)
        assert [one.name for one in await second.instances()] == ["two"]


async def test_new_sessions_are_shared_out_at_once(postgres: PostgresBackend) -> None:
    one, two, three = platforms = FakePlatform(), FakePlatform(), FakePlatform()
    async with (
        open_shared(postgres, one, "one") as first,
        open_shared(postgres, two, "two") as second,
        open_shared(postgres, three, "three") as third,
    ):
        engines = (first, second, third)
        await until(lambda: all(len(engine.census.instances) == 3 for engine in engines))
        await add(first, *IDS)
        await until(lambda: sum(len(running(engine)) for engine in engines) == len(IDS), seconds=30)
        assert max(len(running(engine)) for engine in engines) <= 6
        await until(lambda: all(len(running(engine)) == 4 for engine in engines))
    assert all(count <= 1 for platform in platforms for count in platform.most_open.values())


async def test_what_the_others_have_no_room_for_is_taken(postgres: PostgresBackend) -> None:
    one, two = FakePlatform(), FakePlatform()
    async with (
        open_shared(postgres, one, "one") as first,
        open_shared(postgres, two, "two", max_concurrent_sessions=2) as second,
    ):
        await until(lambda: len(first.census.instances) == 2)
        await add(first, *IDS)
        await until(lambda: (len(running(first)), len(running(second))) == (10, 2))


async def test_the_limit_is_of_each_instance(postgres: PostgresBackend) -> None:
    one, two = FakePlatform(), FakePlatform()
    async with (
        open_shared(postgres, one, "one", max_concurrent_sessions=3) as first,
        open_shared(postgres, two, "two", max_concurrent_sessions=3) as second,
    ):
        await until(lambda: len(first.census.instances) == 2)
        await add(first, *IDS[:6])
        with pytest.raises(LimitReached):
            await first.create_session(id="one-too-many", platform="fake")
        await until(lambda: (len(running(first)), len(running(second))) == (3, 3))


async def test_what_another_instance_does_not_claim_is_taken_after_a_while(postgres: PostgresBackend) -> None:
    """An instance that says that it lives and claims nothing, as one that is stuck."""
    platform = FakePlatform()
    stuck = postgres.make()
    async with stuck.open(), open_shared(postgres, platform, "one") as engine, trio.open_nursery() as nursery:

        async def say_so() -> None:
            from rookery.model.instance import Instance

            while True:
                await stuck.beat(Instance(name="stuck"), ttl=5.0, patience=5.0)
                await trio.sleep(0.2)

        nursery.start_soon(say_so)
        await until(lambda: len(engine.census.instances) == 2)
        await add(engine, *IDS)
        await until(lambda: len(running(engine)) == len(IDS))
        times = sorted(at for at, *_ in platform.attempts)
        assert times[6] - times[5] >= 0.5 * engine.settings.claim_patience, (
            "its own half first, the rest when no other instance took it"
        )
        attempts = len(platform.attempts)
        await beats(engine, 7)
        assert len(platform.attempts) == attempts, "nothing goes to and fro"
        nursery.cancel_scope.cancel()


async def test_only_connected_sessions_move(postgres: PostgresBackend) -> None:
    one, two = FakePlatform(), FakePlatform()
    gate = trio.Event()

    async def wait(*_: object) -> None:
        await gate.wait()

    for id in IDS:
        one.plan(id, wait)
    async with open_shared(postgres, one, "one") as first:
        await add(first, *IDS)
        await until(lambda: len(one.attempts) == len(IDS))
        async with open_shared(postgres, two, "two") as second:
            await beats(second)
            await beats(first)
            assert not running(second)
            gate.set()
            await until(lambda: len(running(first)) == len(running(second)) == 6)


async def test_draining_empties_an_instance_for_good(postgres: PostgresBackend) -> None:
    one, two = FakePlatform(), FakePlatform()
    async with open_shared(postgres, two, "two") as second, open_shared(postgres, one, "one") as first:
        await add(second, *IDS)
        await until(lambda: len(running(first)) == len(running(second)) == 6)
        assert first.ready
        report = await first.drain()
        assert (report.instance, report.handed_over, report.left, report.others) == ("one", 6, 0, 1)
        assert not first.ready
        await until(lambda: running(second) == set(IDS), seconds=15)
        assert [(one.name, one.draining, one.sessions) for one in await second.instances()] == [
            ("one", True, 0),
            ("two", False, 12),
        ]
        again = await first.drain()
        assert (again.handed_over, again.left) == (0, 0)
        await add(first, "later")  # it still answers
        await second.wait_status("later", SessionStatus.CONNECTED)
        assert "later" in running(second)
        attempts = len(one.attempts)
        await beats(first)
        assert len(one.attempts) == attempts


async def test_draining_ends_at_its_deadline(postgres: PostgresBackend) -> None:
    platform, judged = FakePlatform(), trio.Event()

    async def slowly(_: object) -> None:
        with trio.move_on_after(30) as scope:
            scope.shield = True
            await judged.wait()

    platform.on_close = slowly
    async with open_shared(postgres, platform, "one") as engine:
        await add(engine, "a")
        await until(lambda: running(engine) == {"a"})
        report = await engine.drain(0)
        assert (report.left, report.others) == (1, 0), "it does not count itself"
        report = await engine.drain(0.1)
        assert (report.left, report.others) == (1, 0)
        judged.set()
        await until(lambda: not engine.running_here())  # it goes on


async def test_draining_without_a_shared_store_is_refused() -> None:
    from rookery import open_engine

    async with open_engine(providers=[FakePlatform()], store=MemoryStore()) as engine:
        with pytest.raises(InvalidInput, match="--wait"):
            await engine.drain()
        assert [(one.name, one.draining) for one in await engine.instances()] == [(engine.instance, False)]
