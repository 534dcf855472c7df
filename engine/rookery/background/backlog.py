"""Pauses receiving for sessions whose webhooks cannot keep up (A6, F5): what is not received stays with the platform.

Nothing is counted when an event is stored. A session's backlog cannot have grown by more than what was stored since it was
counted, so the store is asked only when that sum reaches the limit, or while a session is paused.
"""

from __future__ import annotations

from collections.abc import Mapping

import trio

from ..errors import StoreError
from ..log import get_logger
from ..services import Services
from ..session.runner import SessionRunner

log = get_logger("DELIVERY")


class BacklogWatch:
    """Owned by the engine. `running` is the supervisor's own dictionary."""

    def __init__(self, running: Mapping[str, SessionRunner], services: Services) -> None:
        self._running = running
        self._services = services
        self._settings = services.settings
        self._lock = trio.Lock()
        self._counted: dict[
            SessionRunner, tuple[int, int]
        ] = {}  # the backlog, and what had been stored when it was counted

    async def run(self) -> None:
        """Until cancelled."""
        if not self._settings.max_event_backlog:
            return
        while True:
            try:
                await self.check()
            except StoreError as error:
                log.warning("the backlog of events cannot be counted", error=str(error))
            await trio.sleep(self._settings.backlog_interval)

    async def check(self) -> list[str]:
        """Count if need be, pause and resume; returns the sessions that are paused. Raises StoreError."""
        limit = self._settings.max_event_backlog
        if not limit:
            return []
        async with self._lock:
            runners = list(self._running.values())
            if any(runner.paused or self._most(runner) >= limit for runner in runners):
                before = {runner: runner.inbox.stored for runner in runners}
                counts = await self._services.store.backlogs()
                self._counted = {
                    runner: (counts.get(runner.session.id, 0), stored) for runner, stored in before.items()
                }
                for runner in runners:
                    self._judge(runner, self._counted[runner][0], limit)
        return sorted(runner.session.id for runner in runners if runner.paused)

    def _most(self, runner: SessionRunner) -> float:
        """What the backlog can be at most; infinite for a session that was never counted."""
        count, stored = self._counted.get(runner, (float("inf"), 0))
        return count + runner.inbox.stored - stored

    def _judge(self, runner: SessionRunner, count: int, limit: int) -> None:
        if count >= limit:
            if not runner.paused:
                self._services.telemetry.count("backlog_pauses", runner.session.platform)
            runner.pause(
                f"receiving pauses: {count} events wait for a webhook and `max_event_backlog` is {limit}; "
                "it goes on by itself once they are delivered"
            )
        elif runner.paused:
            runner.resume()
