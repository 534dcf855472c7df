"""Queues scheduled messages when their time has come (F4)."""

from __future__ import annotations

from math import inf

import trio

from ..errors import StoreError
from ..log import get_logger
from ..services import Services
from ..store.pieces import in_pieces
from ..supervisor.supervisor import Supervisor

LOOK_INTERVAL = 30.0
"""Maximum seconds between looks: another instance may have stored an earlier message, and wall clocks can be set."""

STORE_RETRY_DELAY = 1.0  # seconds

log = get_logger("SESSION")


class Schedule:
    """Owned by the engine. Every instance does this for all sessions: releasing a message twice changes nothing."""

    def __init__(self, supervisor: Supervisor, services: Services) -> None:
        self._supervisor = supervisor
        self._store = services.store
        self._signals = services.signals
        self._clock = services.clock

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            version, self._signals.next_release = self._signals.schedule.version, inf
            try:
                await in_pieces(self._release)
                next_at = await self._store.next_scheduled_at()
            except StoreError as error:
                log.warning("scheduled sends cannot be read", error=str(error))
                await trio.sleep(STORE_RETRY_DELAY)
                continue
            patience = self._patience(next_at)
            self._signals.next_release = self._clock() + patience
            with trio.move_on_after(patience):
                await self._signals.schedule.newer_than(version)

    async def _release(self, limit: int) -> int:
        """Queue up to `limit` messages that are due; returns their number."""
        released = await self._store.release_scheduled(now=self._clock(), limit=limit)
        for session in dict.fromkeys(released):
            if runner := self._supervisor.running.get(session):
                runner.outbox.wake()
        return len(released)

    def _patience(self, next_at: float | None) -> float:
        if next_at is None:
            # Only this engine adds messages to an unshared store.
            return LOOK_INTERVAL if self._store.shared or self._signals.is_schedule_doubtful else inf
        return min(LOOK_INTERVAL, max(0.0, next_at - self._clock()))
