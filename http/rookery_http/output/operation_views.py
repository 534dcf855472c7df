"""The service itself as the API shows it: health, checks, memory, pairing codes. See `views`."""

from __future__ import annotations

from typing import Any

import msgspec

from rookery.background import memory_reading as memory_facts
from rookery.background import minutes
from rookery.background.memory_reading import Level
from rookery.background.probes import CheckResult
from rookery.features.operating import overview

from ..config.advice import with_variables
from ..config.in_force import SettingInForce
from ..operate.finding import Finding
from ..operate.finding import Level as FindingLevel
from ..operate.log_tail import LogLine
from ..operate.task_tree import Task
from .values import Moment, moment


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The instance that answers, and facts that all instances share: sessions by platform and status, deliveries."""

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


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of the minute that began at `at`. `failed` sends ended as failed, expired or unknown; `refused` counts
    attempts to deliver; `changes` are of the status of sessions."""

    at: Moment
    received: int
    sent: int
    failed: int
    delivered: int
    refused: int
    changes: int

    @classmethod
    def of(cls, minute: minutes.Minute) -> Minute:
        return cls(**msgspec.structs.asdict(minute) | {"at": moment(minute.at)})


class InstanceLoad(msgspec.Struct, frozen=True, kw_only=True):
    """One instance; memory and disk in bytes, null where it keeps nothing on a disk."""

    instance: str
    draining: bool
    sessions: int
    connected: int
    memory: int
    memory_limit: int
    disk_free: int | None
    disk_total: int | None


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The whole deployment. `connected`, `needs_you` (a person has to scan or replace something), `on_the_way` and `down`
    count enabled sessions. `waiting_sessions` are those with waiting sends, the most first, at most 100. `lag` is the age
    in seconds of the oldest event that waits for an endpoint. `silent` are instances that did not report.
    `minutes` are the last hour of all instances, oldest first; the last one goes on."""

    now: Moment
    connected: int
    needs_you: int
    on_the_way: int
    down: int
    disabled: int
    waiting_sends: int
    waiting_sessions: list[str]
    undelivered: int
    dead_letters: int
    lag: float
    instances: list[InstanceLoad]
    silent: list[str]
    minutes: list[Minute]

    @classmethod
    def of(cls, found: overview.Overview) -> Overview:
        fields = {name: getattr(found, name) for name in cls.__struct_fields__}
        shown = InstanceLoad.__struct_fields__
        return cls(
            **fields
            | {
                "now": moment(found.now),
                "instances": [
                    InstanceLoad(**{name: getattr(load, name) for name in shown}) for load in found.instances
                ],
                "minutes": [Minute.of(minute) for minute in found.minutes],
            }
        )


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


class LogPage(msgspec.Struct, frozen=True):
    """Lines of this instance's log, oldest first. `next` is the value of `after` for later lines."""

    lines: list[LogLine]
    next: int


class SettingList(msgspec.Struct, frozen=True, kw_only=True):
    """The settings in force. `version` is Rookery's; `python` and `sqlite` are the versions that it runs on."""

    version: str
    python: str
    sqlite: str
    store: str
    settings: list[SettingInForce]


class Examination(msgspec.Struct, frozen=True):
    """The findings; `verdict` is the worst level."""

    verdict: FindingLevel
    findings: list[Finding]


class TerminatedSessions(msgspec.Struct, frozen=True):
    """The sessions that were disabled."""

    terminated: list[str]


class PairingLink(msgspec.Struct, frozen=True):
    """Where the owner of the phone finds the code, and until when."""

    path: str
    expires_at: Moment


class PairingCode(msgspec.Struct, frozen=True):
    """A code that authorises the session until `expires_at`."""

    code: str
    expires_at: Moment


class Alive(msgspec.Struct, frozen=True, omit_defaults=True):
    """`warnings` are sentences about problems that an operator should look at."""

    status: str
    warnings: tuple[str, ...] = ()
