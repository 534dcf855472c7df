"""Dead links are found by probes, silence alone does not count, and healthy links are not disturbed (G1-G3)."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from rookery import Session
from rookery.background.probes import RARELY
from rookery.errors import ProviderError, RateLimited
from rookery.provider.contract import Inbox
from support.fake_platform import CALM, FakeLink, FakePlatform, add, connected, history_of, open_fake_engine, status_of

WARMUP, QUICK, DEEP = CALM.health_warmup, CALM.health_interval, CALM.deep_check_interval


class AskedLink(FakeLink):
    """A link that counts how often it is asked, and answers as its platform says."""

    def __init__(self, platform: AskedPlatform, session: Session, inbox: Inbox) -> None:
        super().__init__(platform, session, inbox)
        self.asked = platform

    async def check(self) -> None:
        self.asked.checks.append((trio.current_time(), self.session.id))
        if self.session.id in self.asked.looks_dead:
            raise ProviderError("looks dead")

    async def probe(self) -> None:
        self.asked.probes.append((trio.current_time(), self.session.id))
        self.asked.under_way += 1
        self.asked.most_under_way = max(self.asked.most_under_way, self.asked.under_way)
        try:
            if self.session.id in self.asked.silent:
                await trio.sleep_forever()
            await trio.sleep(0.25)
        finally:
            self.asked.under_way -= 1


class AskedPlatform(FakePlatform):
    def __init__(self) -> None:
        super().__init__()
        self.make_link = lambda _, session, inbox: AskedLink(self, session, inbox)
        self.checks: list[tuple[float, str]] = []
        self.probes: list[tuple[float, str]] = []
        self.looks_dead: set[str] = set()
        self.silent: set[str] = set()
        self.under_way = 0
        self.most_under_way = 0


class HurriedLink(AskedLink):
    """The platform is there, and does not want to be asked so often."""

    async def probe(self) -> None:
        await trio.lowlevel.checkpoint()
        raise RateLimited("slow down", retry_after=5.0)


async def test_nothing_is_asked_before_the_warm_up_and_then_everybody_in_turn(autojump_clock: MockClock) -> None:
    platform = AskedPlatform()
    ids = [f"s{n}" for n in range(50)]
    async with open_fake_engine(platform) as engine:
        await add(engine, *ids)
        await connected(engine, *ids)
        started = trio.current_time()
        await trio.sleep(WARMUP - 1)
        assert platform.checks == platform.probes == []
        await trio.sleep(1 + 2 * DEEP)
        first = {id: min(at for at, other in platform.probes if other == id) - started for id in ids}
        assert all(WARMUP <= at <= WARMUP + DEEP + 2 for at in first.values())
        assert len({round(at) for at in first.values()}) > 20, "they are spread over the interval"
        assert platform.most_under_way < 10


async def test_a_link_that_does_not_answer_is_replaced_after_three_probes(autojump_clock: MockClock) -> None:
    platform = AskedPlatform()
    platform.silent.add("dead")
    async with open_fake_engine(platform) as engine:
        await add(engine, "dead", "alive")
        await connected(engine, "dead", "alive")
        # The third probe begins two intervals after the first, which comes within one; each gives up after its deadline.
        await trio.sleep(WARMUP + 3 * DEEP + CALM.probe_timeout + CALM.backoff_network + 5)
        assert ("RECONNECTING", "PROBE_FAILED") in await history_of(engine, "dead")
        assert len(platform.attempt_times("dead")) >= 2
        assert len(platform.attempt_times("alive")) == 1
        assert (await engine.get_session("alive")).health.last_error is None


async def test_failures_that_are_not_in_a_row_restart_nothing(autojump_clock: MockClock) -> None:
    platform = AskedPlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        for _ in range(5):
            platform.looks_dead.add("a")
            for _ in range(2):
                assert [result.ok for result in await engine.check_now()] == [True]
            platform.looks_dead.clear()
            platform.silent.add("a")
            for _ in range(2):
                [result] = await engine.check_now(["a"])
                assert result.ok is False
                assert result.error == f"no answer within {CALM.probe_timeout:g} s"
            platform.silent.clear()
            [result] = await engine.check_now(["a"])
            assert result.ok is True
        assert len(platform.attempt_times()) == 1


async def test_a_quick_look_counts_too(autojump_clock: MockClock) -> None:
    platform = AskedPlatform()
    platform.looks_dead.add("a")
    settings = CALM
    async with open_fake_engine(platform, settings=settings) as engine:
        await add(engine)
        await connected(engine)
        await trio.sleep(WARMUP + 5 * QUICK + 5)
        assert ("RECONNECTING", "PROBE_FAILED") in await history_of(engine)


async def test_proof_of_life(autojump_clock: MockClock) -> None:
    platform = AskedPlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        life = engine.proof_of_life("a")
        assert life is not None
        assert life.last_probe is None
        await engine.check_now()
        assert life.last_probe is not None
        assert life.probe_latency == 0.25
        assert engine.telemetry.counters["probes"]["fake", "deep", "ok"] == 1


async def test_sessions_that_cannot_be_probed_are_not_judged(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine, "a", "b")
        await connected(engine, "a", "b")
        await engine.stop("b")
        await trio.sleep(0.1)
        assert [(result.session, result.ok) for result in await engine.check_now(["a", "b"])] == [
            ("a", None),
            ("b", None),
        ]
        await trio.sleep(WARMUP + 10 * DEEP)
        assert len(platform.attempt_times("a")) == 1
        assert await status_of(engine, "b") == ("DISCONNECTED", "DISABLED")


@pytest.mark.slow
async def test_a_zombie_among_a_thousand_idle_sessions_is_found_and_no_other_restarted(
    autojump_clock: MockClock,
) -> None:
    platform = AskedPlatform()
    ids = [f"s{n:04}" for n in range(1000)]
    platform.silent.add("s0500")
    async with open_fake_engine(platform) as engine:
        await add(engine, *ids)
        await connected(engine, *ids, seconds=120)
        await trio.sleep(WARMUP + 3 * DEEP + CALM.probe_timeout + CALM.backoff_network + 5)
        restarted = {id for id in ids if len(platform.attempt_times(id)) > 1}
        assert restarted == {"s0500"}
        assert ("RECONNECTING", "PROBE_FAILED") in await history_of(engine, "s0500")
        assert len(platform.probes) >= 2000


@pytest.mark.slow
async def test_many_that_do_not_answer_are_found_in_the_same_time_as_one(autojump_clock: MockClock) -> None:
    platform = AskedPlatform()
    ids = [f"s{n:03}" for n in range(500)]
    platform.silent.update(ids)
    async with open_fake_engine(platform) as engine:
        await add(engine, *ids)
        await connected(engine, *ids)
        started = trio.current_time()
        assert not any(result.ok for result in await engine.check_now())
        assert trio.current_time() - started < 2 * CALM.probe_timeout
        await trio.sleep(WARMUP + 3 * DEEP + 2 * CALM.probe_timeout)
        for id in ids:
            assert ("RECONNECTING", "PROBE_FAILED") in await history_of(engine, id)


async def test_a_rate_limit_counts_as_an_answer(autojump_clock: MockClock) -> None:
    platform = AskedPlatform()
    platform.make_link = lambda _, session, inbox: HurriedLink(platform, session, inbox)
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        for _ in range(2 * CALM.probe_failures):
            [result] = await engine.check_now()
            assert (result.ok, result.error) == (None, "slow down")
        await trio.sleep(WARMUP + 5 * DEEP)
        assert len(platform.attempt_times()) == 1


async def test_a_session_that_is_named_twice_is_asked_once(autojump_clock: MockClock) -> None:
    platform = AskedPlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        assert len(await engine.check_now(["a", "a", "a"])) == len(platform.probes) == 1


class AwareLink(FakeLink):
    """A link that reports its own fault at once."""

    asked = 0

    def fault(self) -> str | None:
        AwareLink.asked += 1
        return "looks dead" if self.session.id == "dead" else None


class ProvingLink(AskedLink):
    """A link whose own traffic is answered all the time, until its session is silent."""

    last = -float("inf")

    @property
    def answered_at(self) -> float:
        if self.session.id not in self.asked.silent:
            self.last = trio.current_time()
        return self.last


async def test_a_link_whose_traffic_is_answered_is_probed_rarely(autojump_clock: MockClock) -> None:
    platform = AskedPlatform()
    platform.make_link = lambda _, session, inbox: ProvingLink(platform, session, inbox)
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        await trio.sleep(WARMUP + 5 * RARELY * DEEP)
        assert 4 <= len(platform.probes) <= 6
        assert len(platform.checks) >= 3 * RARELY, "the quick looks go on"


async def test_a_link_whose_traffic_is_not_answered_any_more_is_found_as_soon_as_one_without(
    autojump_clock: MockClock,
) -> None:
    platform = AskedPlatform()
    platform.make_link = lambda _, session, inbox: ProvingLink(platform, session, inbox)
    async with open_fake_engine(platform) as engine:
        await add(engine, "dead", "alive")
        await connected(engine, "dead", "alive")
        await trio.sleep(WARMUP + 3.4 * DEEP)
        platform.silent.add("dead")
        await trio.sleep(3 * DEEP + CALM.probe_timeout + CALM.backoff_network + 5)
        assert ("RECONNECTING", "PROBE_FAILED") in await history_of(engine, "dead")
        assert len(platform.attempt_times("alive")) == 1


async def test_a_link_that_answers_other_traffic_but_no_probes_is_replaced_after_three(
    autojump_clock: MockClock,
) -> None:
    class Half(ProvingLink):
        answered_at = property(lambda _: trio.current_time())

    platform = AskedPlatform()
    platform.make_link = lambda _, session, inbox: Half(platform, session, inbox)
    platform.silent.add("dead")
    async with open_fake_engine(platform) as engine:
        await add(engine, "dead")
        await connected(engine, "dead")
        await trio.sleep(WARMUP + (RARELY + 3) * DEEP + CALM.probe_timeout + CALM.backoff_network + 5)
        assert ("RECONNECTING", "PROBE_FAILED") in await history_of(engine, "dead")


async def test_a_link_that_knows_what_is_wrong_with_it_ends_after_three_looks(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.make_link = AwareLink
    AwareLink.asked = 0
    async with open_fake_engine(platform) as engine:
        await add(engine, "dead", "alive")
        await connected(engine, "dead", "alive")
        [result] = await engine.check_now(["alive"])
        assert (result.kind, result.ok) == ("quick", True)
        await trio.sleep(WARMUP + 5 * QUICK + 5)
        assert ("RECONNECTING", "PROBE_FAILED") in await history_of(engine, "dead")
        assert len(platform.attempt_times("alive")) == 1
        assert AwareLink.asked > 8


async def test_a_check_that_its_caller_gave_up_keeps_nothing_from_being_checked(autojump_clock: MockClock) -> None:
    platform = AskedPlatform()
    platform.silent.add("a")
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        with trio.move_on_after(1):
            await engine.check_now()
        platform.silent.clear()
        asked = len(platform.probes)
        await trio.sleep(WARMUP + DEEP + 5)
        assert len(platform.probes) > asked


class SpawnedChecks(trio.abc.Instrument):
    """Counts the tasks that check a session."""

    count = 0

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self.count += "HealthChecker" in task.name


async def test_looks_that_wait_for_nothing_need_no_task(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    platform.make_link = AwareLink
    AwareLink.asked = 0
    async with open_fake_engine(platform) as engine:
        await add(engine, "a", "b")
        await connected(engine, "a", "b")
        spawned = SpawnedChecks()
        trio.lowlevel.add_instrument(spawned)
        await trio.sleep(WARMUP + 10 * QUICK)
        trio.lowlevel.remove_instrument(spawned)
        assert AwareLink.asked >= 18
        assert spawned.count == 0
