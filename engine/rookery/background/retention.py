"""Deletes old data and expires messages that waited too long, in small steps."""

from __future__ import annotations

from collections.abc import Callable

import trio

from ..errors import StoreError
from ..log import get_logger
from ..runtime.clock import BEAT, next_beat
from ..runtime.signals import Signals
from ..settings import EngineSettings
from ..store.contract import Store
from ..store.pieces import in_pieces
from .clock_watch import ClockWatch

EXPIRY_INTERVAL = BEAT

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
            await next_beat(interval)
            try:
                if not self._watch.may_delete:
                    continue  # the clock watch logs the reason
                await in_pieces(self._expire)
                if trio.current_time() >= prune_at:
                    prune_at = trio.current_time() + self._settings.prune_interval
                    await self._prune()
            except StoreError as error:
                log.warning("nothing could be pruned", error=str(error))

    async def _expire(self, limit: int) -> int:
        announce = self._settings.status_events
        expired = await self._store.expire_messages(now=self._clock(), limit=limit, announce=announce)
        if expired:
            self._signals.events_stored(None)
        return expired

    async def _prune(self) -> None:
        now = self._clock()
        before = now - self._settings.event_retention
        await in_pieces(lambda limit: self._store.prune_events(before=before, limit=limit))
        oldest, keep = now - self._settings.audit_retention, self._settings.audit_entries
        await in_pieces(lambda limit: self._store.prune_audit(before=oldest, keep=keep, limit=limit))
        await in_pieces(lambda limit: self._store.tidy_chats(now=now, before=before, limit=limit))
        sends_before = now - self._settings.message_retention
        await in_pieces(lambda limit: self._store.prune_messages(before=sends_before, limit=limit))
