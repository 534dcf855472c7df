"""Reads and judges memory. Reading is the only I/O; judging is pure."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path, PurePosixPath
from statistics import median

import msgspec
import psutil

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")

UNLIMITED = 1 << 60
"""Control groups of version 1 write a huge number for "no limit"."""


MOST_SAMPLES = 100
"""Maximum number of samples from which growth is computed; the cost is quadratic."""


class Level(StrEnum):
    """How close something is to its limit."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"


class ProcessMemory(msgspec.Struct, frozen=True):
    """One process. Ending it would free `unique` bytes. `growth` is in bytes per hour, None while too little is
    known."""

    id: str
    pid: int
    unique: int
    limit: int
    level: Level
    sessions: tuple[str, ...] = ()
    growth: float | None = None


class MemoryReport(msgspec.Struct, frozen=True):
    """All processes of one engine. `limit` is the setting or the container's, whichever is lower."""

    at: float
    total: int
    limit: int
    level: Level
    growth: float | None
    engine: ProcessMemory
    workers: tuple[ProcessMemory, ...]


def unique_memory(pid: int) -> int | None:
    """Bytes that belong to this process alone; None when the process is gone."""
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        try:
            return int(process.memory_full_info().uss)
        except psutil.AccessDenied:
            return int(process.memory_info().rss)
    return None


def resident_memory(pid: int) -> int:
    """Bytes in memory, including shared ones: fast to read, and never less than `unique_memory`. 0 when the process is
    gone."""
    with contextlib.suppress(psutil.Error, OSError):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def container_limit(paths: Sequence[Path] | None = None) -> int | None:
    """The lowest memory limit of the control groups that this process runs in, in bytes; None without a limit."""
    limits = []
    for path in limit_files() if paths is None else paths:
        with contextlib.suppress(OSError, ValueError):
            limit = int(path.read_text().strip())  # "max" is a ValueError
            if 0 < limit < UNLIMITED:
                limits.append(limit)
    return min(limits, default=None)


def limit_files(own: Path = OWN_CGROUPS, mounted: Path = CGROUPS) -> list[Path]:
    """Files that may hold limits: those of this process's group and of each group above it that is visible from here.

    Version 2 has limits in `memory.max`, version 1 in `memory.limit_in_bytes` of the controller `memory` (kernel
    documentation, cgroup-v2 and cgroup-v1/memory). Inside a container the process's own group is usually mounted as the
    root, whatever its name.
    """
    found = [mounted / "memory.max", mounted / "memory/memory.limit_in_bytes"]
    with contextlib.suppress(OSError, ValueError):
        for line in own.read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers == "":
                roots, name = [mounted, mounted / "unified"], "memory.max"
            elif "memory" in controllers.split(","):
                roots, name = [mounted / controllers, mounted / "memory"], "memory.limit_in_bytes"
            else:
                continue
            beneath = PurePosixPath(group.lstrip("/"))
            found += [root / part / name for root in roots for part in (beneath, *beneath.parents)]
    return list(dict.fromkeys(found))


def level_of(used: int, limit: int, warning: float, critical: float) -> Level:
    """Compare with the thresholds, which are shares of the limit."""
    if used >= critical * limit:
        return Level.CRITICAL
    return Level.WARNING if used >= warning * limit else Level.OK


def growth_per_hour(samples: Sequence[tuple[float, int]]) -> float | None:
    """The Theil-Sen slope: the median of the slopes of all pairs, so that a few outliers do not matter.

    `samples` are (seconds, bytes). None for fewer than six samples; from very many, an evenly spaced selection is used.
    """
    if len(samples) < 6:
        return None
    samples = samples[:: -(-len(samples) // MOST_SAMPLES)]
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for i, earlier in enumerate(samples)
        for later in samples[i + 1 :]
        if later[0] > earlier[0]
    ]
    return median(slopes) * 3600 if slopes else None
