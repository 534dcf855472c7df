"""Where several engines share a store: listens for the others' changes, and polls in case a notification got lost (E5).

Correctness does not depend on this module: leases and fences ensure it. This module only makes things happen sooner.
"""

from __future__ import annotations

import trio

from ..errors import StoreError
from ..log import get_logger
from ..model.instance import StoreChange
from ..services import Services
from ..store.contract.notifications import Notifying
from ..supervisor.supervisor import Supervisor
from .calls import Router
from .leveler import Leveler
from .membership import Membership

log = get_logger("SESSION")

DEAF_POLL_INTERVAL = 1.0
"""Maximum number of seconds between two looks at the store while notifications may be missing."""


class Cluster:
    """Turns changes by other engines into this engine's own signals. Owned by the engine, for shared stores."""

    def __init__(
        self, instance: str, supervisor: Supervisor, membership: Membership, router: Router, services: Services
    ) -> None:
        self.membership = membership
        self.router = router
        self.leveler = Leveler(supervisor.running, membership, services)
        self._instance = instance
        self._supervisor = supervisor
        self._services = services

    async def run(self) -> None:
        """Run until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.membership.run)
            nursery.start_soon(self.leveler.run)
            nursery.start_soon(self.router.run)
            store = self._services.store
            notifying = store if isinstance(store, Notifying) else None
            if notifying is not None:
                nursery.start_soon(notifying.watch, self._on_change)
            interval = self._services.settings.cluster_poll_interval
            looked_at = trio.current_time()
            while True:
                await trio.sleep(min(interval, DEAF_POLL_INTERVAL))
                deaf = notifying is not None and not notifying.hears
                if not deaf and trio.current_time() - looked_at < interval:
                    continue
                looked_at = trio.current_time()
                if deaf:
                    self._look_for_calls()
                    self._services.signals.erased.fire()
                self._look_again()
                with trio.move_on_after(interval):
                    await self._look_for_sends()

    def _on_change(self, change: StoreChange) -> None:
        signals = self._services.signals
        match change.kind:
            case "session" if change.id is not None:
                self._supervisor.nudge(change.id)
                signals.sessions.fire()
            case "messages" if change.id is not None:
                if runner := self._supervisor.running.get(change.id):
                    runner.outbox.wake()
            case "message" if change.id is not None:
                signals.message_final(change.id)
            case "events":
                signals.events_stored(None)
            case "erased":
                signals.erased.fire()
                signals.webhooks.fire()
            case "webhooks" | "duties":
                signals.webhooks.fire()
            case "instances":
                self.membership.nudge()
            case "calls":
                if change.id == self._instance:
                    self.router.wake()
            case "call" if change.id is not None:
                self.router.answered(change.id)
            case _:
                self._look_at_everything()

    def _look_at_everything(self) -> None:
        """Notifications may have been lost."""
        self._look_for_calls()
        self._look_again()
        for runner in self._supervisor.running.values():
            runner.outbox.wake()
        self._services.signals.erased.fire()
        self._services.signals.webhooks.fire()

    def _look_again(self) -> None:
        # Without the webhooks: their signal ends the pause before an endpoint that fails, and the dispatcher reads them
        # with each renewal anyway.
        self._supervisor.rescan()
        self._services.signals.sessions.fire()
        self._services.signals.events_stored(None)

    def _look_for_calls(self) -> None:
        self.membership.nudge()
        self.router.wake()

    async def _look_for_sends(self) -> None:
        """Wake the outboxes whose sessions have stored sends, found by one query for all of them."""
        try:
            found = await self._services.store.unfinished_sends(self._instance)
        except StoreError as error:
            log.debug("waiting sends could not be looked up", error=str(error))
            return
        for id, unfinished in found.items():
            if unfinished.queued and (runner := self._supervisor.running.get(id)) is not None:
                runner.outbox.wake()
