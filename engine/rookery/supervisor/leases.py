"""Keeps the leases of the running sessions on a shared store (E5).

The engine trusts a lease only until (start of the claim or renewal + ttl - margin). At that time the session's own
scope is cancelled, whatever this process was doing meanwhile, and the session has the margin to close its link before
any other instance may begin. So a database that does not answer, or a process that was suspended and resumes, never
leads to two owners; the fence protects the rows even then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import trio

from ..errors import StoreError
from ..log import get_logger
from ..model.session import Lease
from ..services import Services
from ..session.runner import SessionRunner

RETRY_DELAY = 1.0
"""Seconds between attempts to renew while the store does not answer."""

log = get_logger("SESSION")


class LeaseKeeper:
    """Owned by the supervisor, whose dictionary `running` is. `lost` is called when another instance has taken a
    session."""

    def __init__(
        self,
        owner: str,
        running: Mapping[str, SessionRunner],
        services: Services,
        lost: Callable[[Lease], None],
    ) -> None:
        self._owner = owner
        self._running = running
        self._services = services
        self._settings = services.settings
        self._lost = lost

    def granted(self, runner: SessionRunner, since: float) -> None:
        """The store granted or extended the lease in answer to a request that began at `since` (trio time)."""
        if self._services.store.shared:
            runner.trust_until(since + self._settings.lease_ttl - self._settings.lease_margin)

    async def run(self) -> None:
        """Renew all leases in one statement, periodically, until cancelled."""
        settings = self._settings
        while True:
            started = trio.current_time()
            renewed = False
            runners = list(self._running.values())
            try:
                with trio.move_on_after(settings.lease_renew_interval):
                    held = await self._services.store.renew(
                        self._owner,
                        [runner.lease for runner in runners],
                        now=self._services.clock(),
                        ttl=settings.lease_ttl,
                    )
                    renewed = True
                    for runner in runners:
                        if runner.lease.session in held:
                            self.granted(runner, started)
                        elif not runner.stopping:
                            self._lost(runner.lease)
                if not renewed:
                    log.error("leases could not be renewed in time", sessions=len(runners))
            except StoreError as error:
                log.error("leases could not be renewed", sessions=len(runners), error=str(error))
            pause = settings.lease_renew_interval if renewed else min(RETRY_DELAY, settings.lease_renew_interval)
            await trio.sleep_until(max(started + pause, trio.current_time()))
