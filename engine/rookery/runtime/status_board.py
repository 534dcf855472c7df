"""Writes reported session statuses in batches, so that a thousand sessions that change at once cost few
transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import trio

from ..errors import RookeryError, StoreError
from ..log import get_logger
from ..model.session import HISTORY_LENGTH, Health, Lease, StatusWrite
from ..settings import EngineSettings
from .signals import Signals

RETRY_DELAY = 0.5  # seconds between attempts while the store does not answer

log = get_logger("SESSION")


class StatusStore(Protocol):
    """The part of a store that the board writes to; see `store.contract.sessions`."""

    async def record_statuses(self, writes: Sequence[StatusWrite]) -> set[str]: ...


class StatusBoard:
    """Reported statuses on their way to the store.

    `put` never blocks. While the store is unavailable, the newest statuses of each session are kept (as many as its
    history holds) and written when it is back. A status whose lease is stale is dropped and reported to its session
    through `on_lost`.
    """

    def __init__(
        self, store: StatusStore, settings: EngineSettings, signals: Signals, on_lost: Callable[[Lease], None]
    ) -> None:
        self._store = store
        self._settings = settings
        self._signals = signals
        self._on_lost = on_lost
        self._waiting: dict[str, list[StatusWrite]] = {}
        self._wake = trio.Event()
        self._writing: frozenset[str] = frozenset()
        self._settling: dict[str, trio.Event] = {}  # set when nothing of the session is waiting or being written
        self.latest: dict[str, Health] = {}
        self.trouble: str | None = None  # why the last write of statuses failed

    def put(self, write: StatusWrite) -> None:
        """Queue one status."""
        self.latest[write.lease.session] = write.health
        writes = self._waiting.setdefault(write.lease.session, [])
        writes.append(write)
        del writes[:-HISTORY_LENGTH]
        self._wake.set()

    async def settle(self, session: str) -> None:
        """Return when no status of this session is waiting any more. The caller sets the deadline."""
        while session in self._waiting or session in self._writing:
            await self._settling.setdefault(session, trio.Event()).wait()

    def forget(self, session: str) -> None:
        """Drop the statuses of a session that ended here."""
        self._waiting.pop(session, None)
        self._tell_settled((session,))
        self.latest.pop(session, None)

    async def run(self) -> None:
        """Write until cancelled. Owned by the engine; outlives the sessions."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            batch, self._waiting = self._waiting, {}
            self._writing = frozenset(batch)
            try:
                await self._write(batch)
            finally:
                self._writing = frozenset()
                self._tell_settled(batch)

    def _tell_settled(self, sessions: Iterable[str]) -> None:
        """Wake the tasks that wait for these sessions. Each has its own event: thousands may end at the same time."""
        if not self._settling:
            return
        for session in sessions:
            if session not in self._waiting and session not in self._writing:
                settled = self._settling.pop(session, None)
                if settled is not None:
                    settled.set()

    async def _write_each(self, batch: dict[str, list[StatusWrite]], error: RookeryError) -> None:
        """One of the statuses cannot be stored: write each separately, so that the others are not affected."""
        if len(batch) > 1:
            for session, writes in batch.items():
                await self._write({session: writes})
            return
        for session, writes in batch.items():
            log.error("a status cannot be stored", session=session, statuses=len(writes), error=str(error))

    async def _write(self, batch: dict[str, list[StatusWrite]]) -> None:
        try:
            with trio.fail_after(self._settings.store_timeout):
                lost = await self._store.record_statuses([write for writes in batch.values() for write in writes])
        except (StoreError, trio.TooSlowError) as error:
            log.warning("statuses are waiting: the store does not answer", sessions=len(batch), error=str(error))
            for session, writes in batch.items():
                self._waiting[session] = (writes + self._waiting.get(session, []))[-HISTORY_LENGTH:]
            self.trouble = str(error) or "the store did not answer in time"
            await trio.sleep(RETRY_DELAY)
            self._wake.set()
            return
        except RookeryError as error:
            await self._write_each(batch, error)
            return
        self.trouble = None
        for session in lost:
            self._on_lost(batch[session][0].lease)
        for session in batch.keys() - lost:
            self._signals.events_stored(session)
        self._signals.sessions.fire()
