"""Pauses receiving for sessions whose webhooks cannot keep up (A6, F5): the platform keeps the events that are not
received.

Storing an event counts nothing. A session's backlog cannot have grown by more than the number of events stored since
the last count. Each count therefore allows a session as many events as remain below the limit; the watch counts again
when the session has stored these, or while it is paused. A session that starts may store nothing before its first
count. Without such a session the watch sleeps.
"""

from __future__ import annotations

from collections.abc import Mapping

import trio

from ..errors import StoreError
from ..log import get_logger
from ..services import Services
from ..session.runner import SessionRunner

PAUSE = 0.05  # minimum seconds between two counts, however many sessions ask
BLIND_SHARE = 0.05
"""Share of the limit that a session may store while its backlog cannot be counted; then the watch tries to count
again."""

log = get_logger("DELIVERY")


class BacklogWatch:
    """Owned by the engine. `running` is the supervisor's own dictionary."""

    def __init__(self, running: Mapping[str, SessionRunner], services: Services) -> None:
        self._running = running
        self._services = services
        self._settings = services.settings
        self._lock = trio.Lock()

    async def run(self) -> None:
        """Run until cancelled."""
        if not self._settings.max_event_backlog:
            return
        while True:
            version, begun = self._services.signals.backlog.version, self._services.signals.uncounted.version
            try:
                with trio.fail_after(self._settings.store_timeout):
                    await self.check()
            except (StoreError, trio.TooSlowError) as error:
                log.warning("the backlog of events cannot be counted", error=str(error))
                for runner in self._running.values():
                    if runner.inbox.uncounted:  # events that can be stored are stored
                        runner.inbox.allow(max(1.0, self._settings.max_event_backlog * BLIND_SHARE))
            await trio.sleep(PAUSE)
            if not any(runner.paused or runner.inbox.uncounted for runner in self._running.values()):
                await self._services.signals.uncounted.newer_than(begun)
            with trio.move_on_after(self._settings.backlog_interval):
                await self._services.signals.backlog.newer_than(version)

    async def check(self) -> list[str]:
        """Count if necessary, then pause and resume sessions. Returns the paused sessions. Raises StoreError."""
        limit = self._settings.max_event_backlog
        if not limit:
            return []
        async with self._lock:
            runners = list(self._running.values())
            if any(runner.paused or runner.inbox.uncounted for runner in runners):
                before = {runner: runner.inbox.stored for runner in runners}
                counts = await self._services.store.backlogs()
                for runner, stored in before.items():
                    meanwhile = runner.inbox.stored - stored
                    self._judge(runner, counts.get(runner.session.id, 0) + meanwhile, limit)
        return sorted(runner.session.id for runner in runners if runner.paused)

    def _judge(self, runner: SessionRunner, count: int, limit: int) -> None:
        if count >= limit:
            if not runner.paused:
                self._services.telemetry.count("backlog_pauses", runner.session.platform)
            runner.pause(
                f"receiving pauses: {count} events wait for a webhook and `max_event_backlog` is {limit}; "
                "it goes on by itself once they are delivered"
            )
            return
        runner.inbox.allow(limit - count)
        if runner.paused:
            runner.resume()
