"""Releases what providers hold for sessions that no longer run (A7), and stored files that are no longer needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import trio

from ..log import get_logger
from ..provider.capabilities import Cleanable
from ..provider.contract import Provider
from ..services import Services
from ..session.runner import SessionRunner
from .clock_watch import ClockWatch

log = get_logger("MEMORY")


class Cleaner:
    """Owned by the engine. `running` is the supervisor's own dictionary."""

    def __init__(
        self,
        providers: Iterable[Provider],
        running: Mapping[str, SessionRunner],
        services: Services,
        watch: ClockWatch,
    ) -> None:
        self._cleanable = [provider for provider in providers if isinstance(provider, Cleanable)]
        self._running = running
        self._services = services
        self._watch = watch
        self._lock = trio.Lock()

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await trio.sleep(self._services.settings.cleaner_interval)
            await self.check(by_age=self._watch.may_delete)

    async def check(self, *, by_age: bool = True) -> list[str]:
        """Run one cleaning pass. Returns the sessions for which something was released. A bug in one provider does not
        stop the others.

        `by_age`: also delete files whose retention has ended.
        """
        released: set[str] = set()
        async with self._lock:
            for provider in self._cleanable:
                try:
                    with trio.move_on_after(self._services.settings.logout_timeout):
                        released.update(await provider.clean(frozenset(self._running)))
                except Exception:
                    log.exception("resources of ended sessions could not be released", platform=provider.platform)
            if by_age:
                await self._services.vault.tidy()
        if released:
            log.info("resources of ended sessions were released", sessions=len(released))
        return sorted(released)
