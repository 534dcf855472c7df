"""Hands sessions over to other instances: a few at a time to level their numbers, or all of them to empty this one
(E5)."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from ..services import Services
from ..session.runner import SessionRunner
from ..session.stop import Intent
from .membership import Membership


class Leveler:
    """Owned by the engine, on a shared store. `running` is the supervisor's own dictionary."""

    def __init__(self, running: Mapping[str, SessionRunner], membership: Membership, services: Services) -> None:
        self._running = running
        self._membership = membership
        self._settings = services.settings
        self._wake = trio.Event()
        self._limiter = trio.CapacityLimiter(self._settings.start_concurrency)
        self._changed = trio.Event()

    def nudge(self) -> None:
        """This instance starts to drain."""
        self._wake.set()

    async def emptied(self) -> None:
        """Return when no session runs here. The caller sets the deadline."""
        while self._running:
            await self._changed.wait()

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            self._wake = trio.Event()
            with trio.move_on_after(self._settings.rebalance_interval):
                await self._wake.wait()
            if self._membership.draining:
                while self._running:
                    await self._empty()
            else:
                self._level()

    def _level(self) -> None:
        """Moves only connected sessions: the others wait for a person, or for a time that moving would cut short."""
        count = min(self._membership.surplus, self._settings.rebalance_batch)
        if count <= 0:
            return
        movable = [runner for runner in self._running.values() if runner.link is not None and not runner.stopping]
        # The youngest connections move: long-lived ones stay up.
        movable.sort(key=lambda runner: -(runner.connected_at or 0.0))
        for runner in movable[:count]:
            runner.stop(Intent.HAND_OVER)

    async def _empty(self) -> None:
        """Hands over as many sessions at once as another instance connects at once, so that each is disconnected only
        briefly."""
        async with trio.open_nursery() as nursery:
            for runner in list(self._running.values()):
                nursery.start_soon(self._hand_over, runner)
        self._changed.set()
        self._changed = trio.Event()

    async def _hand_over(self, runner: SessionRunner) -> None:
        async with self._limiter:
            runner.stop(Intent.HAND_OVER)
            await runner.ended.wait()
