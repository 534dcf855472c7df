"""Operator functions for a whole engine: its health, its memory, an immediate check."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import trio

from ...background.memory_reading import MemoryReport
from ...errors import NotFound, StoreUnavailable
from ...model.session import SessionChange, SessionQuery, SessionStatus
from ..owners import OwnerCalls


class InstanceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What one instance knows about itself, even while the store is unavailable."""

    instance: str
    started_at: float
    ready: bool
    running: int
    connected: int
    paused: int
    """Number of sessions that currently receive nothing because of their backlog."""
    tasks: int
    now: float
    """The time that stored times are compared with: the database's, if it has a clock of its own."""
    clock_skew: float
    """Seconds by which this machine's clock is ahead of `now`."""
    warnings: tuple[str, ...]
    """Sentences about problems that an operator should look at; the instance keeps working."""


class EngineHealth(InstanceHealth, frozen=True, kw_only=True):
    """Adds the facts that all instances share. `sessions` counts all stored sessions by platform and status."""

    store: str
    sessions: dict[str, dict[str, int]]
    down: dict[str, int]
    """By platform: enabled sessions that are DISCONNECTED and will not retry on their own."""
    pending_deliveries: int
    dead_letters: int
    oldest_delivery: float | None
    """When the oldest event that waits for a webhook was stored."""


class OperationsFeatures(OwnerCalls):
    """Inspects everything and changes little."""

    async def health(self) -> EngineHealth:
        """Health as of now. Raises StoreError."""
        sessions: dict[str, dict[str, int]] = {}
        down: dict[str, int] = {}
        for (platform, status, enabled), count in (await self._store.count_sessions()).items():
            of_platform = sessions.setdefault(platform, {})
            of_platform[status] = of_platform.get(status, 0) + count
            is_down = enabled and status == SessionStatus.DISCONNECTED
            down[platform] = down.get(platform, 0) + count * is_down
        facts, oldest = await self._facts.read()
        return EngineHealth(
            **msgspec.structs.asdict(self.health_here()),
            store=self._store.location,
            sessions=sessions,
            down=down,
            pending_deliveries=sum(one.pending for one in facts.values()),
            dead_letters=sum(one.dead for one in facts.values()),
            oldest_delivery=oldest,
        )

    async def check_store(self) -> None:
        """Write a small record. Raises StoreError when the database does not answer or accepts no writes, as on a full
        disk."""
        await self._store.check_writable()

    def health_here(self) -> InstanceHealth:
        """The part of the health that needs no store."""
        running = list(self._supervisor.running.values())
        return InstanceHealth(
            instance=self.instance,
            started_at=self.started_at,
            ready=self.ready,
            running=len(running),
            connected=sum(runner.link is not None for runner in running),
            paused=sum(runner.paused for runner in running),
            tasks=trio.lowlevel.current_statistics().tasks_living,
            now=self._clock(),
            clock_skew=self._clock_watch.skew,
            warnings=tuple(filter(None, [self._clock_watch.warning, self._store_warning])),
        )

    @property
    def _store_warning(self) -> str | None:
        trouble = self._board.trouble
        return None if trouble is None else f"the store takes no writes: {trouble}"

    async def memory(self) -> MemoryReport:
        """Measure memory now."""
        return await self._memory.measure()

    async def check_memory(self) -> MemoryReport:
        """Run one check of the memory guard now: measure, add to the trend, and act when memory is critical (G4)."""
        return await self._memory.check()

    async def check_backlogs(self) -> list[str]:
        """Count the events that wait for webhooks if necessary. Returns the sessions of this instance whose receiving
        is paused."""
        return await self._backlog.check()

    async def recover(self) -> list[str]:
        """Start enabled sessions that should run here and do not (B6). Returns the sessions that were started.

        Raises StoreUnavailable.
        """
        with trio.move_on_after(2 * self.settings.store_timeout):
            return await self._supervisor.recover()
        raise StoreUnavailable("sessions could not be checked in time")

    async def clean(self) -> list[str]:
        """Release what platforms hold for sessions that do not run here (A7). Returns these sessions."""
        return await self._cleaner.check()

    async def terminate_inactive(self) -> list[str]:
        """Disable every enabled session that is down and will not come back on its own; returns their ids (A7).

        Sessions that wait for a retry or for a person to scan are left alone.
        """
        terminated: list[str] = []
        after: str | None = None
        while page := await self._store.list_sessions(SessionQuery(enabled=True, after=after, limit=500)):
            after = page[-1].id
            for session in map(self._with_latest, page):
                down = session.health.status in (SessionStatus.DISCONNECTED, SessionStatus.AUTH_FAILURE)
                if not down or not session.health.terminal or session.wanted:  # its operator has just started it
                    continue
                with suppress(NotFound):
                    await self._store.update_session(session.id, SessionChange(enabled=False), now=self._clock())
                    self._supervisor.nudge(session.id)
                    terminated.append(session.id)
        return terminated
