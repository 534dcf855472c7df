"""Finds sends that no task will finish, and passes them to the outbox of their session.

A write can arrive long after its caller has given up: the database stalled, or a proxy delayed the statement. Then a
row says SENDING or QUEUED and no outbox knows of it. Notifications and a new link find most of these; this sweep finds
the rest. Callers that wait for a send read it then, in case its end was not heard of here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import trio

from ..errors import StoreError
from ..log import get_logger
from ..runtime.clock import next_beat
from ..runtime.signals import Signals
from ..store.contract import Store
from .outbox import Outbox

SWEEP_INTERVAL = 5.0  # seconds
ACTIVE_SECONDS = 300.0
"""For so long after the last write of a message an engine that is alone with its store sweeps this often, else at each
beat."""

log = get_logger("SESSION")


class Sending(Protocol):
    """A session that runs here."""

    @property
    def outbox(self) -> Outbox: ...


class StraySweep:
    """Owned by the engine; `running` are its sessions by id."""

    def __init__(self, owner: str, running: Mapping[str, Sending], store: Store, signals: Signals) -> None:
        self._owner = owner
        self._running = running
        self._store = store
        self._signals = signals

    async def run(self) -> None:
        """Sweep until cancelled."""
        seen, until = self._signals.sends.version, 0.0
        while True:
            if seen != self._signals.sends.version:
                seen, until = self._signals.sends.version, trio.current_time() + ACTIVE_SECONDS
            if self._store.shared or self._signals.is_watched or trio.current_time() < until:
                await trio.sleep(SWEEP_INTERVAL)
            else:
                await next_beat(2 * SWEEP_INTERVAL)
            self._signals.doubt_messages()
            if not self._running:
                continue
            try:
                found = await self._store.unfinished_sends(self._owner)
            except StoreError as error:
                log.debug("sends that are under way could not be read", error=str(error))
                continue
            for session, unfinished in found.items():
                if session in self._running:
                    try:
                        await self._running[session].outbox.reconcile(unfinished)
                    except StoreError as error:  # including a lost lease: the session's next owner does the same
                        log.debug("sends could not be resolved", session=session, error=str(error))
