"""Deletes old data and expires messages that waited too long, in small steps."""

from __future__ import annotations

from collections.abc import Callable

import trio

from ..errors import StoreError
from ..log import get_logger
from ..runtime.signals import Signals
from ..settings import EngineSettings
from ..store.contract import Store
from .clock_watch import ClockWatch

BATCH = 1000
"""Maximum number of rows deleted in one transaction, so that no writer waits long."""

EXPIRY_INTERVAL = 10.0  # seconds

log = get_logger("MEMORY")


class Housekeeper:
    """Owned by the engine. Deletes and expires nothing while `watch` does not trust the clock."""

    def __init__(
        self, store: Store, settings: EngineSettings, signals: Signals, clock: Callable[[], float], watch: ClockWatch
    ) -> None:
        self._store = store
        self._settings = settings
        self._signals = signals
        self._clock = clock
        self._watch = watch

    async def run(self) -> None:
        """Run until cancelled. The first pass comes after one interval, to keep the start fast."""
        interval = min(EXPIRY_INTERVAL, self._settings.prune_interval)
        prune_at = trio.current_time() + self._settings.prune_interval
        while True:
            await trio.sleep(interval)
            try:
                if not self._watch.may_delete:
                    continue  # the clock watch logs the reason
                if await self._store.expire_messages(now=self._clock(), announce=self._settings.status_events):
                    self._signals.events_stored(None)
                if trio.current_time() >= prune_at:
                    prune_at = trio.current_time() + self._settings.prune_interval
                    await self._prune()
            except StoreError as error:
                log.warning("nothing could be pruned", error=str(error))

    async def _prune(self) -> None:
        now = self._clock()
        while await self._store.prune_events(before=now - self._settings.event_retention, limit=BATCH) == BATCH:
            await trio.lowlevel.checkpoint()
        await self._store.prune_audit(before=now - self._settings.audit_retention, keep=self._settings.audit_entries)
        while await self._store.tidy_chats(now=now, before=now - self._settings.event_retention) >= BATCH:
            await trio.lowlevel.checkpoint()
        while await self._store.prune_messages(before=now - self._settings.message_retention, limit=BATCH) == BATCH:
            await trio.lowlevel.checkpoint()
