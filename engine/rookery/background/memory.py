"""Watches the memory of the engine and its workers, and acts before the kernel does (G4, A6)."""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Callable, Iterable

import trio

from ..errors import LimitReached
from ..log import get_logger
from ..provider.capabilities import WorkerHosting
from ..provider.contract import Provider
from ..runtime.threads import on_files
from ..services import Services
from .memory_reading import (
    Level,
    MemoryReport,
    ProcessMemory,
    container_limit,
    growth_per_hour,
    level_of,
    resident_memory,
    unique_memory,
)

ADMISSION_AGE = 5.0  # seconds for which a measurement may be used to admit a session
HORIZON = 24.0  # hours: a worker that would reach its limit within this time is replaced before it does

log = get_logger("MEMORY")


class MemoryGuard:
    """Owned by the engine. `monotonic` (seconds) is when a sample of the trend was taken."""

    def __init__(
        self,
        providers: Iterable[Provider],
        services: Services,
        *,
        monotonic: Callable[[], float] = trio.current_time,
    ) -> None:
        self._hosts = [provider for provider in providers if isinstance(provider, WorkerHosting)]
        self._services = services
        self._settings = services.settings
        self._monotonic = monotonic
        self._samples: dict[int, deque[tuple[float, int]]] = {}
        self._turn = trio.Lock()  # a forced check and the periodic one exclude each other
        self._resident = 0
        self._resident_limit = services.settings.memory_limit
        self._measured_at = -float("inf")

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await trio.sleep(self._settings.memory_interval)
            await self.check()

    async def measure(self) -> MemoryReport:
        """Measure now, without adding to the trend."""
        workers = [worker for host in self._hosts for worker in host.workers()]
        pids = [os.getpid(), *(worker.pid for worker in workers)]
        if workers:  # milliseconds for each: keep this out of the way of the sessions
            used = await on_files(lambda: [unique_memory(pid) for pid in pids])
        else:
            await trio.lowlevel.checkpoint()
            used = [unique_memory(pids[0])]
        limit = self._limit()
        engine = self._process("engine", pids[0], used[0] or 0, limit, ())
        measured = tuple(
            self._process(worker.id, worker.pid, size, self._settings.memory_worker_limit, worker.sessions)
            for worker, size in zip(workers, used[1:], strict=True)
            if size is not None
        )
        total = engine.unique + sum(worker.unique for worker in measured)
        growths = [process.growth for process in (engine, *measured) if process.growth is not None]
        return MemoryReport(
            at=self._services.clock(),
            total=total,
            limit=limit,
            level=self._level(total, limit),
            growth=sum(growths) if growths else None,
            engine=engine,
            workers=measured,
        )

    async def check(self) -> MemoryReport:
        """Run one periodic check: measure, record, warn, and act when memory is critical."""
        async with self._turn:
            return await self._check()

    async def _check(self) -> MemoryReport:
        report = await self.measure()
        self._remember(report)
        for worker in report.workers:
            if worker.level is Level.CRITICAL or self._leaks(worker):
                why = "it leaks" if worker.level is not Level.CRITICAL else "it is at its memory limit"
                await self._replace(worker, why)
        if report.level is Level.OK:
            return report
        log.warning(
            "memory is short", level=report.level.value, total=report.total, limit=report.limit, growth=report.growth
        )
        if report.level is Level.CRITICAL:
            self._services.telemetry.count("memory_actions", "collect")
            await trio.to_thread.run_sync(gc.collect)
            report = await self.measure()
            if report.level is Level.CRITICAL and report.workers:
                await self._replace(max(report.workers, key=lambda worker: worker.unique), "memory is short in total")
        return report

    def admit(self) -> None:
        """Raises LimitReached when there is no memory for one more session. Fast, and never overestimates the free
        memory."""
        now = trio.current_time()
        if now - self._measured_at > ADMISSION_AGE:
            self._measured_at = now
            workers = [worker for host in self._hosts for worker in host.workers()]
            self._resident = sum(map(resident_memory, [os.getpid(), *(worker.pid for worker in workers)]))
            self._resident_limit = self._limit()  # reads half a dozen files
        limit = self._resident_limit
        if self._level(self._resident, limit) is Level.CRITICAL:
            raise LimitReached(
                f"{self._resident} bytes of memory are in use and the limit is {limit} (`memory_limit`, or the "
                "container's): stop another session or raise the limit",
                limit="memory_limit",
            )

    def _limit(self) -> int:
        return min(self._settings.memory_limit, container_limit() or self._settings.memory_limit)

    def _process(self, id: str, pid: int, used: int, limit: int, sessions: tuple[str, ...]) -> ProcessMemory:
        growth = growth_per_hour(tuple(self._samples.get(pid, ())))
        return ProcessMemory(id, pid, used, limit, self._level(used, limit), sessions, growth)

    def _level(self, used: int, limit: int) -> Level:
        return level_of(used, limit, self._settings.memory_warning, self._settings.memory_critical)

    def _remember(self, report: MemoryReport) -> None:
        processes = (report.engine, *report.workers)
        for pid in self._samples.keys() - {process.pid for process in processes}:
            del self._samples[pid]
        for process in processes:
            samples = self._samples.setdefault(process.pid, deque(maxlen=self._settings.memory_trend_window))
            samples.append((self._monotonic(), process.unique))

    def _leaks(self, worker: ProcessMemory) -> bool:
        """True when the worker grows steadily, already uses more than half of its limit, and would reach the limit
        within a day."""
        samples = self._samples.get(worker.pid, ())
        if worker.growth is None or len(samples) < self._settings.memory_trend_window // 2:
            return False
        return worker.unique > worker.limit / 2 and worker.unique + worker.growth * HORIZON > worker.limit

    async def _replace(self, worker: ProcessMemory, why: str) -> None:
        log.error("a worker is replaced", worker=worker.id, reason=why, unique=worker.unique, limit=worker.limit)
        self._services.telemetry.count("memory_actions", "restart_worker")
        self._samples.pop(worker.pid, None)
        for host in self._hosts:
            await host.replace_worker(worker.id, why)
