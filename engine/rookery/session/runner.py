"""Keeps one session connected until it is stopped or cannot go on."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import trio

from ..errors import LeaseLost, ProviderError, StoreError, TerminalError, printable
from ..log import get_logger
from ..model.session import Action, Health, Lease, PairingCode, Reason, Session, SessionStatus
from ..outbound.outbox import Outbox
from ..provider.capabilities import LogoutCapable, Named, Pairing, QueryAnswering, Waiting
from ..provider.contract import Link, Provider
from ..services import Services
from .backoff import Backoff
from .health import Condition
from .inbox import SessionInbox
from .links import SessionLinks
from .logout import clean_up
from .stop import FAREWELLS, Intent
from .verdict import judge

LEASE_LOST = "the lease was not renewed in time"
"""Reason shown when a session reconnects and the database confirms that no other instance held it in between."""

log = get_logger("SESSION")


class SessionRunner:
    """One claimed session. `run` is its task; the other methods are synchronous and may be called from any task.

    Owns the lease: `run` releases it at the end, unless it was lost.
    """

    def __init__(self, session: Session, provider: Provider, services: Services) -> None:
        self.session = session
        self.lease = Lease(session.id, session.uid, session.owner or "", session.fence)
        self._provider = provider
        self._services = services
        self._settings = services.settings
        self._scope = trio.CancelScope()
        self._wake = trio.Event()
        self._intent: Intent | None = None
        self._replaced = False
        self._logging_out = False
        self._failed = False
        self._condition = Condition(session, self.lease, services)
        self._backoff = Backoff(services.settings)
        self.ended = trio.Event()  # set by the supervisor when the task is gone
        self.lease_ran_out: str | None = None  # why this runner, or the one before it here, could not keep its lease
        self.logged_out: bool | None = None  # None: no logout was attempted
        self.outbox = Outbox(
            self.lease,
            session.platform,
            services,
            on_refused=self.fail,
            answers_query=provider.answers_query if isinstance(provider, QueryAnswering) else None,
        )
        self.inbox = SessionInbox(
            self.lease,
            session,
            services,
            report=self.report,
            trouble=self._trouble,
            on_credentials=self._remember,
            confirmations=self.outbox.record.confirmations,
        )
        self._connection = SessionLinks(
            provider,
            self.inbox,
            self.outbox,
            services,
            on_connected=self._on_connected,
            is_paused=lambda: self.paused,
        )

    @property
    def link(self) -> Link | None:
        """The connected link, if there is one."""
        return self._connection.link

    @property
    def connected_at(self) -> float | None:
        """When the link connected, in trio time; None while there is no connected link."""
        return self._connection.connected_at

    @property
    def _health(self) -> Health:
        return self._condition.health

    @property
    def paused(self) -> bool:
        """True while receiving is held back because of the backlog."""
        return self._condition.pause is not None

    @property
    def stopping(self) -> bool:
        """True once a stop was requested."""
        return self._intent is not None

    def stop(self, intent: Intent) -> None:
        """Disconnect and end. The first intent wins, except that a lost lease overrides all."""
        if self._intent is None or intent is Intent.LEASE_LOST:
            self._intent = intent
        if intent is Intent.LEASE_LOST:
            self.lease_ran_out = self.lease_ran_out or LEASE_LOST
        link, nursery = self._connection.link, self._connection.nursery
        if self._intent in (Intent.LOGOUT, Intent.DELETE) and link is not None and nursery is not None:
            if not self._logging_out:
                self._logging_out = True
                nursery.start_soon(self._log_out, link)
        else:
            self._scope.cancel()

    def trust_until(self, deadline: float) -> None:
        """The lease is valid until `deadline` (trio time). A session that is still running then ends as lost."""
        if not self._scope.cancel_called:  # an expired lease stays expired: what happened since is unknown
            self._scope.deadline = deadline
            self.inbox.trusted_until = deadline

    def replace(self, session: Session) -> None:
        """The operator asked for a restart, or changed what the link was opened with: reconnect at once."""
        self.session = session
        self._backoff.reset()
        self._replaced = True
        self._wake.set()
        self._connection.end()

    def fail(self, error: ProviderError) -> None:
        """The health checks found the link dead: end it as if it had raised `error`."""
        self._connection.fail(error)

    def retry(self, session: Session) -> None:
        """The operator asked for an attempt now: end the current wait, whether it is the engine's or the link
        library's, and forget earlier failures. A live link is left alone."""
        self.session = session
        link = self.link
        if link is None:
            self._backoff.reset()
            self._wake.set()
        elif isinstance(link, Waiting) and link.waiting:
            self.replace(session)

    def pause(self, why: str) -> None:
        """Receive only what is already under way until `resume`; sends continue."""
        if not self.paused:
            log.warning(why, session=self.session.id)
            self._condition.pause = why
            if self.link is not None:
                self.inbox.pause()
                self._tell_connected(self.link)

    def resume(self) -> None:
        """Receive again."""
        if self.paused:
            log.info("receiving goes on", session=self.session.id)
            self._condition.pause = None
            self.inbox.resume()
            if self.link is not None:
                self._tell_connected(self.link)

    def _on_connected(self, link: Link) -> None:
        self._condition.last_error = None
        self._tell_connected(link)

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
        code: Pairing | None = None,
    ) -> None:
        """Report what the session is doing now. Never blocks."""
        if allow is not None:
            self._connection.allow(allow)
        self._condition.change(
            status,
            reason,
            detail,
            commands=self.session.commands,
            action=action,
            next_retry_at=next_retry_at,
            code=None
            if code is None
            else PairingCode(code.kind, code.code, code.expires_at, getattr(code, "round", None)),
        )

    def _trouble(self, error: str | None) -> None:
        self._condition.trouble(error, commands=self.session.commands)

    async def run(self) -> None:
        """Run until stopped, or until the session cannot go on.

        Raises every error that is not a provider or store failure of this one session; the supervisor logs it.
        """
        try:
            commands = self.session.commands
            with self._scope:
                await self.outbox.record.resolve_interrupted(self._trouble)  # nothing may be sent before this is stored
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

    @property
    def _unreadable(self) -> Exception | None:
        """Return the error in a stored row that makes it impossible to open a link; None when the row is fine."""
        if self.session.unreadable is None:
            return None
        words = f"{self.session.unreadable}. Store them anew, or start with the right key"
        return TerminalError(words, reason=Reason.CONFIGURATION, action=Action.FIX_CONFIGURATION)

    async def _keep_connected(self) -> None:
        ran_out, self.lease_ran_out = self.lease_ran_out, None
        self._condition.begin(self.session, ran_out)
        while True:
            await self._connection.wait_turn(again=self._backoff.attempt > 0, hurry=self._wake)
            self._replaced = False  # the link that opens now satisfies every restart requested so far
            self._wake = trio.Event()
            failure = self._unreadable or await self._connection.use_link(self.session)
            since, self._connection.connected_at = self._connection.connected_at, None
            if since is not None and trio.current_time() - since >= self._settings.stable_after:
                self._backoff.reset()
            if self._replaced:
                self.report(SessionStatus.RECONNECTING, Reason.RESTARTING, "restarted by the operator")
                continue
            self._condition.last_error = printable(str(failure))
            verdict = judge(
                failure, self._backoff, self._services, session=self.session.id, platform=self.session.platform
            )
            self._condition.last_error = verdict.last_error
            self.report(
                verdict.status,
                verdict.reason,
                verdict.detail,
                action=verdict.action,
                next_retry_at=verdict.next_retry_at,
            )
            if verdict.delay is None:
                return
            with trio.move_on_after(verdict.delay):
                await self._wake.wait()

    async def _log_out(self, link: Link) -> None:
        """Runs in the link's nursery, so that cancelling a caller does not interrupt it half-way."""
        try:
            if isinstance(link, LogoutCapable):
                self.logged_out = False
                with trio.move_on_after(self._settings.logout_timeout):
                    await link.logout()
                    self.logged_out = True
        except Exception as error:  # a failed logout must not affect other sessions (D1)
            log.warning("the platform refused the logout", session=self.session.id, error=str(error))
        finally:
            self._scope.cancel()

    def _remember(self, credentials: Mapping[str, str]) -> None:
        """Open the next link with the credentials that the last one stored."""
        self.session = msgspec.structs.replace(self.session, credentials=dict(credentials))

    @property
    def _to_be_cleaned(self) -> bool:
        """True when the authorisation has ended and the settings ask for cleaning up (D2)."""
        if not self._settings.auto_cleanup_on_logout or self._intent in (Intent.LEASE_LOST, Intent.DELETE):
            return False
        return self._intent is Intent.LOGOUT or (self._health.terminal and self._health.reason is Reason.LOGOUT)

    async def _settle_after_logout(self) -> None:
        """Give the platform a moment to finish the logout (D1), unless the operator starts the session again."""
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
                if self._intent in FAREWELLS and not self._health.terminal:
                    action = Action.NONE
                    if self._intent is Intent.LOGOUT:  # terminal: there must be a way back, even if it stays enabled
                        action = Action.SCAN_QR if self.logged_out else Action.RETRY
                    self.report(SessionStatus.DISCONNECTED, *FAREWELLS[self._intent], action=action)
                await self._services.board.settle(self.session.id)
                # No other instance may start a deleted session until its row is gone. An unexpected failure would recur
                # on any instance: the session keeps its lease until the recovery check, instead of moving from instance
                # to instance.
                if self._intent is not Intent.DELETE and not (self._failed and self._services.store.shared):
                    await self._services.store.release(self.lease)
            except StoreError as error:
                log.error("the end of a session could not be stored", session=self.session.id, error=str(error))
        self._services.board.forget(self.session.id)
