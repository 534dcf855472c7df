"""The memory guard: thresholds, a robust trend, and which worker it replaces (G4, A6)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec
import pytest
import trio
from trio.testing import MockClock

from rookery.background import memory as memory_module
from rookery.background import memory_reading as memory_facts
from rookery.background.memory_reading import (
    MOST_SAMPLES,
    Level,
    container_limit,
    growth_per_hour,
    level_of,
    limit_files,
    resident_memory,
    unique_memory,
)
from rookery.errors import LimitReached
from rookery.provider.capabilities import WorkerInfo
from support.fake_platform import CALM, FakePlatform, add, connected, open_fake_engine

MIB = 1024**2


@pytest.mark.parametrize(
    ("used", "level"),
    [
        (0, Level.OK),
        (79, Level.OK),
        (80, Level.WARNING),
        (94, Level.WARNING),
        (95, Level.CRITICAL),
        (200, Level.CRITICAL),
    ],
)
def test_levels(used: int, level: Level) -> None:
    assert level_of(used, 100, 0.8, 0.95) is level


def test_growth_ignores_outliers_and_needs_samples() -> None:
    steady = [(3600.0 * n / 12, 100 * MIB + n * MIB) for n in range(12)]
    assert growth_per_hour(steady[:5]) is None
    assert growth_per_hour(steady) == pytest.approx(12 * MIB)
    odd = [*steady[:4], (steady[4][0], 900 * MIB), *steady[5:]]
    assert growth_per_hour(odd) == pytest.approx(12 * MIB, rel=0.1)
    assert growth_per_hour([(float(n), 7 * MIB) for n in range(12)]) == 0


def test_container_limits_of_both_versions(tmp_path: Path) -> None:
    v2, v1 = tmp_path / "v2", tmp_path / "v1"
    assert container_limit((v2, v1)) is None
    v1.write_text("9223372036854771712\n")
    assert container_limit((v2, v1)) is None
    v1.write_text("536870912\n")
    assert container_limit((v2, v1)) == 512 * MIB
    v2.write_text("max\n")
    assert container_limit((v2, v1)) == 512 * MIB
    v2.write_text("268435456\n")
    assert container_limit((v2, v1)) == 256 * MIB


def test_the_growth_of_a_very_long_window_costs_no_more_than_that_of_a_short_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pairs = 0

    def count(slopes: Sequence[float]) -> float:
        nonlocal pairs
        pairs = len(slopes)
        return median(slopes)

    monkeypatch.setattr(memory_facts, "median", count)
    assert growth_per_hour([(300.0 * n, 100 * MIB + n) for n in range(2_000)]) == pytest.approx(12)
    assert pairs <= MOST_SAMPLES**2 / 2


@pytest.mark.parametrize(
    "nonsense", ["", "max", "-1", "0", "1e9", "12 MiB", "\0", "9" * 5000, "\u0661\u0662x", "9223372036854771712"]
)
def test_a_limit_that_says_nothing_is_none(tmp_path: Path, nonsense: str) -> None:
    path = tmp_path / "memory.max"
    path.write_text(nonsense)
    assert container_limit((path,)) is None
    path.write_bytes(b"\xff\xfe")
    assert container_limit((path, tmp_path, tmp_path / "none")) is None


def test_the_limit_of_a_group_beneath_the_root(tmp_path: Path) -> None:
    own = tmp_path / "own"

    def limit(cgroup: str) -> int | None:
        own.write_text(cgroup)
        return container_limit(limit_files(own, tmp_path))

    for name in ("system.slice/rookery.service/memory.max", "memory/docker/x/memory.limit_in_bytes"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(str(256 * MIB))
    assert limit("0::/\n") is None
    assert limit("0::/system.slice/rookery.service\n") == 256 * MIB
    assert limit("0::/system.slice/rookery.service/beneath\n") == 256 * MIB
    assert limit("12:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n0::/\n") == 256 * MIB
    (tmp_path / "system.slice/memory.max").write_text(str(128 * MIB))
    assert limit("0::/system.slice/rookery.service\n") == 128 * MIB, "the lowest on the way counts"
    for nonsense in ("", "nonsense", "::", "0::\n", "0::/../..\n", "4:memory\n"):
        assert limit(nonsense) is None
    own.unlink()
    assert container_limit(limit_files(own, tmp_path)) is None


def test_this_process_has_memory_and_a_dead_one_has_none() -> None:
    mine = unique_memory(os.getpid())
    assert mine is not None
    assert MIB < mine <= resident_memory(os.getpid()) * 1.2
    assert unique_memory(2**22 + 1) is None
    assert resident_memory(2**22 + 1) == 0


class HostingPlatform(FakePlatform):
    """Pretends that some process is its worker; remembers the calls that it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: dict[str, int] = {}
        self.replaced: list[tuple[str, str]] = []

    def workers(self) -> Sequence[WorkerInfo]:
        return [WorkerInfo(id, 1000 + n, (f"session-{n}",)) for n, id in enumerate(self.sizes)]

    async def replace_worker(self, id: str, reason: str) -> None:
        self.replaced.append((id, reason))
        self.sizes[id] = 50 * MIB


@pytest.fixture
def hosting(monkeypatch: pytest.MonkeyPatch) -> HostingPlatform:
    platform = HostingPlatform()

    def size(pid: int) -> int:
        return 100 * MIB if pid == os.getpid() else list(platform.sizes.values())[pid - 1000]

    monkeypatch.setattr(memory_module, "unique_memory", size)
    monkeypatch.setattr(memory_module, "resident_memory", size)
    monkeypatch.setattr(memory_module, "container_limit", lambda: None)
    return platform


async def test_the_report_names_everything(hosting: HostingPlatform) -> None:
    hosting.sizes = {"w1": 60 * MIB, "w2": 450 * MIB}
    async with open_fake_engine(hosting) as engine:
        report = await engine.memory()
    assert report.total == 610 * MIB
    assert (report.limit, report.level) == (2048 * MIB, Level.OK)
    assert [(worker.id, worker.level, worker.sessions) for worker in report.workers] == [
        ("w1", Level.OK, ("session-0",)),
        ("w2", Level.WARNING, ("session-1",)),
    ]


async def test_a_worker_at_its_limit_is_replaced_and_only_that(hosting: HostingPlatform) -> None:
    hosting.sizes = {"w1": 60 * MIB, "w2": 490 * MIB}
    async with open_fake_engine(hosting) as engine:
        await engine.check_memory()
        await engine.check_memory()
        assert engine.telemetry.counters["memory_actions"]["restart_worker",] == 1
    assert hosting.replaced == [("w2", "it is at its memory limit")]


async def test_a_leak_is_found_by_its_trend_before_the_limit(hosting: HostingPlatform, mock_clock: MockClock) -> None:
    hosting.sizes = {"steady": 300 * MIB, "leaking": 100 * MIB}
    async with open_fake_engine(hosting) as engine:
        for _ in range(40):
            mock_clock.jump(300)
            hosting.sizes["leaking"] += 5 * MIB
            await engine.check_memory()
            if hosting.replaced:
                break
    assert hosting.replaced == [("leaking", "it leaks")]
    assert hosting.sizes["steady"] == 300 * MIB


async def test_short_in_total_replaces_the_largest(hosting: HostingPlatform) -> None:
    hosting.sizes = {"small": 60 * MIB, "large": 300 * MIB}
    settings = msgspec.structs.replace(CALM, memory_limit=400 * MIB)
    async with open_fake_engine(hosting, settings=settings) as engine:
        await engine.check_memory()
        assert (await engine.memory()).level is Level.OK
    assert hosting.replaced == [("large", "memory is short in total")]


async def test_a_session_beyond_the_memory_limit_is_refused_and_disturbs_no_other(hosting: HostingPlatform) -> None:
    settings = msgspec.structs.replace(CALM, memory_limit=150 * MIB)
    async with open_fake_engine(hosting, settings=settings) as engine:
        await add(engine, "first")
        await connected(engine, "first")
        hosting.sizes = {"w": 100 * MIB}
        engine._memory._measured_at = -float("inf")
        with pytest.raises(LimitReached, match="`memory_limit`") as caught:
            await add(engine, "second")
        assert caught.value.limit == "memory_limit"
        await add(engine, "third", enabled=False)
        with trio.fail_after(30):
            await connected(engine, "first")
