"""What the API shows of the service itself: health, checks, memory, pairing codes. See `views`."""

from __future__ import annotations

from typing import Any

import msgspec

from rookery.background import memory_reading as memory_facts
from rookery.background.memory_reading import Level
from rookery.background.probes import CheckResult

from ..config.advice import with_variables
from ..operate.task_tree import Task
from .values import Moment, moment


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The instance that answers, and what all instances share: sessions by platform and status, deliveries."""

    instance: str
    started_at: Moment
    ready: bool
    store: str
    sessions: dict[str, dict[str, int]]
    running: int
    connected: int
    pending_deliveries: int
    dead_letters: int
    clock_skew: float  # seconds that this machine's clock is ahead of the database's
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, health: Any) -> Health:
        """From the engine's own structure of the same fields; what it adds is not shown until it is named here."""
        fields = {name: getattr(health, name) for name in cls.__struct_fields__}
        return cls(**fields | {"started_at": moment(health.started_at)})


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One session's check; `ok` is null when there was nothing to ask, or when the platform asked to wait."""

    session: str
    kind: str
    ok: bool | None
    latency: float | None  # seconds
    error: str | None

    @classmethod
    def of(cls, result: CheckResult) -> Check:
        return cls(
            session=result.session,
            kind=result.kind,
            ok=result.ok,
            latency=result.latency,
            error=with_variables(result.error),
        )


class CheckResults(msgspec.Struct, frozen=True):
    checks: list[Check]


class ProcessMemory(msgspec.Struct, frozen=True, kw_only=True):
    """One process: `unique` bytes would be freed by ending it, `growth` is bytes an hour."""

    id: str
    pid: int
    unique: int
    limit: int
    level: Level
    sessions: list[str]
    growth: float | None

    @classmethod
    def of(cls, process: memory_facts.ProcessMemory) -> ProcessMemory:
        return cls(**msgspec.structs.asdict(process) | {"sessions": list(process.sessions)})


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """All processes of this instance, in bytes."""

    at: Moment
    total: int
    limit: int
    level: Level
    growth: float | None
    engine: ProcessMemory
    workers: list[ProcessMemory]

    @classmethod
    def of(cls, report: memory_facts.MemoryReport) -> Memory:
        return cls(
            at=moment(report.at),
            total=report.total,
            limit=report.limit,
            level=report.level,
            growth=report.growth,
            engine=ProcessMemory.of(report.engine),
            workers=[ProcessMemory.of(worker) for worker in report.workers],
        )


class Recovered(msgspec.Struct, frozen=True):
    """The sessions that were started on this instance."""

    started: list[str]


class Cleaned(msgspec.Struct, frozen=True):
    """The sessions of which something was released on this instance."""

    released: list[str]


class TaskTree(msgspec.Struct, frozen=True):
    """The tasks of this instance, parents before their children."""

    tasks: list[Task]


class TerminatedSessions(msgspec.Struct, frozen=True):
    """The sessions that were disabled."""

    terminated: list[str]


class PairingCode(msgspec.Struct, frozen=True):
    """A code that authorises the session until `expires_at`."""

    code: str
    expires_at: Moment


class Alive(msgspec.Struct, frozen=True, omit_defaults=True):
    """`warnings` are sentences about what an operator should look at."""

    status: str
    warnings: tuple[str, ...] = ()
