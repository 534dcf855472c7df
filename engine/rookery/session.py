"""Keeps one session connected until it is stopped or cannot go on."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec
import trio

from .backoff import Backoff
from .cleanup import clean_up
from .condition import Condition
from .errors import Failure, LeaseLost, ProviderError, RateLimited, StoreError, TerminalError, printable
from .failures import StartupTimeout, kind_of, leaves, reason_of, weightiest
from .inbox import SessionInbox
from .log import get_logger
from .model import Action, Health, Lease, Reason, Session, SessionStatus
from .outbox import Outbox
from .provider import Link, LogoutCapable, Named, Provider
from .sending import Sender
from .services import Services

STORE_RETRY_DELAY = 1.0  # seconds

LEASE_LOST = "the lease was not renewed in time"
"""Why a session connects again, when the database says that nobody else had it meanwhile."""

log = get_logger("SESSION")


class Intent(StrEnum):
    """Why a running session is stopped."""

    DISABLE = "disable"
    SHUTDOWN = "shutdown"
    HAND_OVER = "hand_over"
    LOGOUT = "logout"
    DELETE = "delete"
    LEASE_LOST = "lease_lost"


_FAREWELLS = {
    Intent.DISABLE: (Reason.DISABLED, "stopped by the operator"),
    Intent.SHUTDOWN: (Reason.SHUTDOWN, "the engine is shutting down; the session comes back with the next start"),
    Intent.HAND_OVER: (Reason.HANDED_OVER, "handed over to another instance"),
    Intent.LOGOUT: (Reason.LOGOUT, "logged out by the operator"),
}


class SessionRunner:
    """One claimed session. `run` is the task; the other methods are synchronous and may be called from any task.

    Owns the lease: `run` gives it back when it ends, unless it was lost.
    """

    def __init__(self, session: Session, provider: Provider, services: Services) -> None:
        self.session = session
        self.lease = Lease(session.id, session.uid, session.owner or "", session.fence)
        self._provider = provider
        self._services = services
        self._settings = services.settings
        self._scope = trio.CancelScope()
        self._link_scope: trio.CancelScope | None = None
        self._link: Link | None = None
        self._link_nursery: trio.Nursery | None = None
        self._wake = trio.Event()
        self._intent: Intent | None = None
        self._replaced = False
        self._verdict: ProviderError | None = None
        self._logging_out = False
        self._failed = False
        self._condition = Condition(session, self.lease, services)
        self._backoff = Backoff(services.settings)
        self.ended = trio.Event()  # set by the supervisor when the task is gone
        self.lease_ran_out: str | None = None  # why it, or the one before it here, could not keep its lease
        self.connected_at: float | None = None  # trio time
        self.logged_out: bool | None = None  # None: nobody tried
        sender = Sender(self.lease, session.platform, services)
        self.inbox = SessionInbox(
            self.lease,
            session,
            services,
            report=self.report,
            trouble=self._trouble,
            on_credentials=self._remember,
            confirmations=sender.confirmations,
        )
        self.outbox = Outbox(self.lease, services.store, sender)

    @property
    def link(self) -> Link | None:
        """The connected link, if there is one."""
        return self._link

    @property
    def _health(self) -> Health:
        return self._condition.health

    @property
    def paused(self) -> bool:
        """True while receiving is held back because of the backlog."""
        return self._condition.pause is not None

    @property
    def stopping(self) -> bool:
        """True once somebody asked it to stop."""
        return self._intent is not None

    def stop(self, intent: Intent) -> None:
        """Disconnect and end. The first intent wins, except that a lost lease overrides all."""
        if self._intent is None or intent is Intent.LEASE_LOST:
            self._intent = intent
        if intent is Intent.LEASE_LOST:
            self.lease_ran_out = self.lease_ran_out or LEASE_LOST
        if self._intent in (Intent.LOGOUT, Intent.DELETE) and self._link is not None and self._link_nursery is not None:
            if not self._logging_out:
                self._logging_out = True
                self._link_nursery.start_soon(self._log_out, self._link)
        else:
            self._scope.cancel()

    def trust_until(self, deadline: float) -> None:
        """The lease is good until then (trio time); a session that is still running at that moment ends as lost."""
        if not self._scope.cancel_called:  # what ran out stays so: nobody knows what happened meanwhile
            self._scope.deadline = deadline

    def replace(self, session: Session) -> None:
        """The operator asked for a restart, or changed what the link was opened with: connect anew, at once."""
        self.session = session
        self._backoff.reset()
        self._replaced = True
        self._wake.set()
        if self._link_scope is not None:
            self._link_scope.cancel()

    def fail(self, error: ProviderError) -> None:
        """The health checks found the link dead: end it, as if it had raised `error`."""
        if self._link is not None and self._link_scope is not None:
            self._verdict = error
            self._link_scope.cancel()

    def retry(self, session: Session) -> None:
        """The operator asked for an attempt now: cut a wait short and forget earlier failures. A live link is left alone."""
        self.session = session
        if self._link is None:
            self._backoff.reset()
            self._wake.set()

    def pause(self, why: str) -> None:
        """Receive no more than what is under way until `resume`; sends go on."""
        if not self.paused:
            log.warning(why, session=self.session.id)
            self._condition.pause = why
            if self._link is not None:
                self.inbox.pause()
                self._tell_connected(self._link)

    def resume(self) -> None:
        """Receive again."""
        if self.paused:
            log.info("receiving goes on", session=self.session.id)
            self._condition.pause = None
            self.inbox.resume()
            if self._link is not None:
                self._tell_connected(self._link)

    def _tell_connected(self, link: Link) -> None:
        detail = f"connected as {link.account}" if isinstance(link, Named) else "connected"
        self.report(SessionStatus.CONNECTED, Reason.CONNECTED, detail)

    def report(
        self,
        status: SessionStatus,
        reason: Reason,
        detail: str,
        *,
        action: Action = Action.NONE,
        next_retry_at: float | None = None,
        allow: float | None = None,
    ) -> None:
        """Say what the session is doing now. Never blocks."""
        if allow is not None and self._link_scope is not None and self._link is None:
            self._link_scope.deadline = trio.current_time() + allow
            self._services.gate.leave(self)  # whoever waits for a person keeps nobody else from starting
        self._condition.change(
            status, reason, detail, commands=self.session.commands, action=action, next_retry_at=next_retry_at
        )

    def _trouble(self, error: str) -> None:
        self._condition.trouble(error, commands=self.session.commands)

    async def run(self) -> None:
        """Until stopped, or until the session cannot go on.

        Raises whatever is neither a provider's nor the store's failure of this one session; the supervisor logs it.
        """
        try:
            commands = self.session.commands
            with self._scope:
                await self._resolve_interrupted()
                await self._keep_connected()
                commands = self.session.commands
                await self._settle_after_logout()
            if trio.current_time() >= self._scope.deadline:
                self._intent = Intent.LEASE_LOST
                self.lease_ran_out = "the database did not answer in time to keep the lease"
                log.error("the lease ran out", session=self.session.id)
            await self._clean_up_after_logout(commands)
        except LeaseLost:
            self._intent = Intent.LEASE_LOST
            self.lease_ran_out = LEASE_LOST
        except Exception:
            self._failed = True
            raise
        finally:
            with self._services.shields.open(self._settings.store_timeout):
                await self._finish()

    async def _resolve_interrupted(self) -> None:
        """Tell what an earlier owner had in its hands when it died; nothing is sent before that is stored."""
        while True:
            try:
                if await self._services.store.resolve_interrupted(
                    self.lease, now=self._services.clock(), announce=self._services.settings.status_events
                ):
                    self._services.signals.events_stored(self.session.id)
            except LeaseLost:
                raise
            except StoreError as error:
                self._trouble(str(error))
                await trio.sleep(STORE_RETRY_DELAY)
            else:
                return

    async def _keep_connected(self) -> None:
        before = self.session.health
        restored = not before.terminal and before.reason not in (Reason.CREATED, Reason.DISABLED)
        ran_out, self.lease_ran_out = self.lease_ran_out, None
        if self.session.taken_from is not None:
            ran_out = f"the instance {self.session.taken_from} did not keep its lease"
        if ran_out is not None and restored:
            self._condition.last_error = ran_out
            self.report(SessionStatus.RECONNECTING, Reason.LEASE_LOST, f"connecting again: {ran_out}")
        else:
            self.report(
                SessionStatus.RECONNECTING if restored else SessionStatus.INITIALIZING,
                Reason.RESTORING if restored else Reason.STARTING,
                "connecting again" if restored else "connecting",
            )
        while True:
            failure = await self._connect_once()
            if self.connected_at is not None and trio.current_time() - self.connected_at >= self._settings.stable_after:
                self._backoff.reset()
            self.connected_at = None
            if self._replaced:
                self.report(SessionStatus.RECONNECTING, Reason.RESTARTING, "restarted by the operator")
                continue
            delay = self._assess(failure)
            if delay is None:
                return
            with trio.move_on_after(delay):
                await self._wake.wait()

    async def _connect_once(self) -> Exception:
        """One link, from the gate to its end; returns why it ended."""
        gate = self._services.gate
        failures: list[Exception] = []
        opened = False
        platform = self.session.platform
        await gate.enter(self, again=self._backoff.attempt > 0)
        self._replaced = False  # what was asked for up to now is granted by the link that opens now
        self._verdict = None
        self._wake = trio.Event()
        self._services.telemetry.count("connects", platform)
        try:
            with trio.CancelScope(deadline=trio.current_time() + self._settings.startup_timeout) as scope:
                self._link_scope = scope
                started = trio.current_time()
                async with self._provider.open_link(self.session, self.inbox) as link:
                    opened = True
                    scope.deadline = float("inf")
                    self._services.telemetry.observe("connect", trio.current_time() - started, platform)
                    gate.leave(self)
                    try:
                        await self._use(link)
                    except* Exception as group:
                        failures.extend(leaves(group))  # kept here too, in case that closing hangs
                        raise
                    finally:
                        scope.deadline = trio.current_time() + self._settings.link_close_timeout
        except* Exception as group:
            failures.extend(leaves(group))
        finally:
            gate.leave(self)
            self._link_scope = None
        if failures:
            return weightiest(failures)
        if scope.cancelled_caught and self._verdict is not None:
            return self._verdict
        if scope.cancelled_caught and not opened:
            return StartupTimeout(f"no connection within {self._settings.startup_timeout:g} s")
        return ProviderError("the connection ended")

    async def _use(self, link: Link) -> None:
        self.connected_at = trio.current_time()
        self._condition.last_error = None
        self._tell_connected(link)
        async with trio.open_nursery() as nursery:
            self._link, self._link_nursery = link, nursery
            if self.paused:
                self.inbox.pause()
            try:
                self.outbox.attach(link, nursery)
                await link.run()
            finally:
                # In here, while the nursery still takes tasks: afterwards others may run before this task does.
                self._link = self._link_nursery = None
                self.outbox.detach()
                self.inbox.resume()  # what the link stores while it closes is not held back
            nursery.cancel_scope.cancel()

    def _assess(self, failure: Exception) -> float | None:
        """Decide what a failure means: the seconds to wait, or None when this is the end."""
        condition = self._condition
        condition.last_error = printable(str(failure))
        match failure:
            case LeaseLost():
                raise failure
            case TerminalError():
                status = (
                    SessionStatus.AUTH_FAILURE if failure.reason is Reason.INVALID_TOKEN else SessionStatus.DISCONNECTED
                )
                self.report(status, failure.reason, str(failure), action=failure.action)
                return None
            case ProviderError() | StoreError():
                pass
            case _:
                condition.last_error = f"internal error: {type(failure).__name__}"
                log.error("a link failed in an unexpected way", session=self.session.id, exc_info=failure)
        kind, reason = kind_of(failure), reason_of(failure)
        self._services.telemetry.count("link_failures", self.session.platform, reason.value)
        delay = self._backoff.fail(
            kind,
            retry_after=failure.retry_after if isinstance(failure, ProviderError) else None,
            queueing=isinstance(failure, RateLimited) and failure.queueing,
        )
        if delay is None:
            self.report(
                SessionStatus.DISCONNECTED,
                Reason.RECONNECT_EXHAUSTED,
                f"gave up after {self._settings.reconnect_attempts} attempts in a row; the last: {condition.last_error}",
                action=Action.RETRY,
            )
            return None
        self.report(
            SessionStatus.RECONNECTING,
            reason,
            condition.last_error,
            action=Action.STOP_OTHER_CLIENT if kind is Failure.CONFLICT else Action.NONE,
            next_retry_at=self._services.clock() + delay,
        )
        return delay

    async def _log_out(self, link: Link) -> None:
        """Runs in the link's nursery, so that no caller's cancellation ends it half-way."""
        try:
            if isinstance(link, LogoutCapable):
                self.logged_out = False
                with trio.move_on_after(self._settings.logout_timeout):
                    await link.logout()
                    self.logged_out = True
        except Exception as error:  # one session's logout touches nothing else (D1)
            log.warning("the platform refused the logout", session=self.session.id, error=str(error))
        finally:
            self._scope.cancel()

    def _remember(self, credentials: Mapping[str, str]) -> None:
        """The next link is opened with what the last one stored."""
        self.session = msgspec.structs.replace(self.session, credentials=dict(credentials))

    @property
    def _to_be_cleaned(self) -> bool:
        """The authorisation ended, and cleaning up is wanted (D2)."""
        if not self._settings.auto_cleanup_on_logout or self._intent in (Intent.LEASE_LOST, Intent.DELETE):
            return False
        return self._intent is Intent.LOGOUT or (self._health.terminal and self._health.reason is Reason.LOGOUT)

    async def _settle_after_logout(self) -> None:
        """A moment for what still happens at the platform (D1), unless the operator starts the session again."""
        if self._to_be_cleaned:
            with trio.move_on_after(self._settings.logout_settle):
                await self._wake.wait()

    async def _clean_up_after_logout(self, commands: int) -> None:
        """Release what belonged to the authorisation and disable the session (D2)."""
        if not self._to_be_cleaned or self.session.commands != commands:
            return
        await clean_up(self._provider, self.session, self.inbox, self._services)

    async def _finish(self) -> None:
        if self._intent is not Intent.LEASE_LOST:
            try:
                await self.outbox.settle()
                if self._intent in _FAREWELLS and not self._health.terminal:
                    action = Action.NONE
                    if self._intent is Intent.LOGOUT:  # terminal: there must be a way back, also where it stays enabled
                        action = Action.SCAN_QR if self.logged_out else Action.RETRY
                    self.report(SessionStatus.DISCONNECTED, *_FAREWELLS[self._intent], action=action)
                await self._services.board.settle(self.session.id)
                # Until its row is gone nobody else shall start a deleted session. And what failed unexpectedly would do so
                # anywhere: it keeps its lease until the recovery check, instead of going round the instances.
                if self._intent is not Intent.DELETE and not (self._failed and self._services.store.shared):
                    await self._services.store.release(self.lease)
            except StoreError as error:
                log.error("the end of a session could not be stored", session=self.session.id, error=str(error))
        self._services.board.forget(self.session.id)
