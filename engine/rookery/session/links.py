"""The links of one session, one after the other: each is opened in its turn, used, and closed within a deadline."""

from __future__ import annotations

from collections.abc import Callable

import trio

from ..errors import ProviderError
from ..model.session import Session
from ..outbound.outbox import Outbox
from ..provider.contract import Link, Provider
from ..runtime.signals import Flag
from ..services import Services
from .failure_kinds import StartupTimeout, leaves, weightiest
from .inbox import SessionInbox


class SessionLinks:
    """Owned by the session's task, which calls the coroutines; any task may call the other methods.

    `on_connected` is called with each link once it is connected; `is_paused` says whether receiving is held back.
    """

    __slots__ = (
        "_inbox",
        "_is_paused",
        "_on_connected",
        "_outbox",
        "_provider",
        "_scope",
        "_services",
        "_settings",
        "_verdict",
        "connected_at",
        "link",
        "nursery",
    )

    def __init__(
        self,
        provider: Provider,
        inbox: SessionInbox,
        outbox: Outbox,
        services: Services,
        *,
        on_connected: Callable[[Link], None],
        is_paused: Callable[[], bool],
    ) -> None:
        self.link: Link | None = None  # while it is connected
        self.nursery: trio.Nursery | None = None  # of that link, for tasks that must end with it
        self.connected_at: float | None = None  # trio time
        self._provider = provider
        self._inbox = inbox
        self._outbox = outbox
        self._services = services
        self._settings = services.settings
        self._on_connected = on_connected
        self._is_paused = is_paused
        self._scope: trio.CancelScope | None = None  # from the opening of a link to its end
        self._verdict: ProviderError | None = None

    def end(self) -> None:
        """Close the link, or give up opening it."""
        if self._scope is not None:
            self._scope.cancel()

    def fail(self, error: ProviderError) -> None:
        """End a connected link as if it had raised `error`."""
        if self.link is not None and self._scope is not None:
            self._verdict = error
            self._scope.cancel()

    def allow(self, seconds: float) -> None:
        """The link that is being opened may take this many seconds from now."""
        if self._scope is not None and self.link is None:
            self._scope.deadline = trio.current_time() + seconds
            self._services.gate.leave(self)  # a session that waits for a person must not keep others from starting

    async def wait_turn(self, *, again: bool, hurry: Flag) -> None:
        """Wait until a link may be opened; `use_link` must follow at once.

        `again` after a failure: the session queues behind other failed ones, unless `hurry` is set meanwhile; then it
        queues like a first start.
        """
        if again:
            taken = False
            async with trio.open_nursery() as nursery:

                async def cut_short() -> None:
                    await hurry.wait()
                    nursery.cancel_scope.cancel()

                nursery.start_soon(cut_short)
                await self._services.gate.enter(self, again=True)
                taken = True
                nursery.cancel_scope.cancel()
            if taken:
                return
        await self._services.gate.enter(self, again=False)

    async def use_link(self, session: Session) -> Exception:
        """Run one link from opening to end; returns why it ended."""
        gate, telemetry = self._services.gate, self._services.telemetry
        failures: list[Exception] = []
        opened = False
        self._verdict = None
        telemetry.count("connects", session.platform)
        try:
            with trio.CancelScope(deadline=trio.current_time() + self._settings.startup_timeout) as scope:
                self._scope = scope
                started = trio.current_time()
                async with self._provider.open_link(session, self._inbox) as link:
                    opened = True
                    scope.deadline = float("inf")
                    telemetry.observe("connect", trio.current_time() - started, session.platform)
                    gate.leave(self)
                    try:
                        await self._use(link)
                    except* Exception as group:
                        failures.extend(leaves(group))  # kept here too, in case closing hangs
                        raise
                    finally:
                        scope.deadline = trio.current_time() + self._settings.link_close_timeout
        except* Exception as group:
            failures.extend(leaves(group))
        finally:
            gate.leave(self)
            self._scope = None
        if failures:
            return weightiest(failures)
        if scope.cancelled_caught and self._verdict is not None:
            return self._verdict
        if scope.cancelled_caught and not opened:
            return StartupTimeout(f"no connection within {self._settings.startup_timeout:g} s")
        return ProviderError("the connection ended")

    async def _use(self, link: Link) -> None:
        self.connected_at = trio.current_time()
        self._on_connected(link)
        async with trio.open_nursery() as nursery:
            self.link, self.nursery = link, nursery
            self._inbox.open()
            if self._is_paused():
                self._inbox.pause()
            try:
                self._outbox.attach(link, nursery)
                await link.run()
            finally:
                # Inside the nursery, while it still accepts tasks: afterwards other tasks may run before this one does.
                self.link = self.nursery = None
                self._outbox.detach()
                self._inbox.close()
            nursery.cancel_scope.cancel()
