"""Keeps one session connected until it is stopped or cannot go on."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import trio

from ..errors import LeaseLost, ProviderError, StoreError
from ..log import get_logger
from ..model.session import Action, Health, Lease, Reason, Session, SessionStatus
from ..outbound.outbox import Outbox
from ..provider.capabilities import Named, Pairing, QueryAnswering, Waiting
from ..provider.contract import Link, Provider
from ..runtime.signals import Flag
from ..services import Services
from .backoff import Backoff
from .health import SessionHealth
from .inbox import SessionInbox
from .links import SessionLinks
from .logout import Logout, clean_up
from .stop import FAREWELLS, Intent
from .verdict import judge, unreadable

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
        self._wake = Flag()
        self._intent: Intent | None = None
        self._replaced = False
        self._failed = False
        self._health = SessionHealth(session, self.lease, services)
        self._backoff = Backoff(services.settings)
        self.ended = Flag()  # set by the supervisor when the task is gone
        self.lease_ran_out: str | None = None  # why this runner, or the one before it here, could not keep its lease
        self._logout = Logout(session, services)
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
        self._links = SessionLinks(
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
        return self._links.link

    @property
    def connected_at(self) -> float | None:
        """When the link connected, in trio time; None while there is no connected link."""
        return self._links.connected_at

    @property
    def health(self) -> Health:
        """The state that was reported last."""
        return self._health.current

    @property
    def logged_out(self) -> bool | None:
        """Whether the platform confirmed the logout; None: no logout was attempted."""
        return self._logout.confirmed

    @property
    def _to_be_cleaned(self) -> bool:
        """True when the authorisation has ended and the settings ask for cleaning up (D2)."""
        if not self._settings.auto_cleanup_on_logout or self._intent in (Intent.LEASE_LOST, Intent.DELETE):
            return False
        return self._intent is Intent.LOGOUT or (self.health.terminal and self.health.reason is Reason.LOGOUT)

    @property
    def paused(self) -> bool:
        """True while receiving is held back because of the backlog."""
        return self._health.pause is not None

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
        link, nursery = self._links.link, self._links.nursery
        if self._intent in (Intent.LOGOUT, Intent.DELETE) and link is not None and nursery is not None:
            self._logout.start(nursery, link, then=self._scope.cancel)
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
        self._links.end()

    def fail(self, error: ProviderError) -> None:
        """The health checks found the link dead: end it as if it had raised `error`."""
        self._links.fail(error)

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
        """Until `resume`, receive only updates that are already under way; sends continue."""
        if not self.paused:
            log.warning(why, session=self.session.id)
            self._health.pause = why
            if self.link is not None:
                self.inbox.pause()
                self._tell_connected(self.link)

    def resume(self) -> None:
        """Receive again."""
        if self.paused:
            log.info("receiving continues", session=self.session.id)
            self._health.pause = None
            self.inbox.resume()
            if self.link is not None:
                self._tell_connected(self.link)

    def _on_connected(self, link: Link) -> None:
        self._health.last_error = None
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
            self._links.allow(allow)
        self._health.change(
            status,
            reason,
            detail,
            commands=self.session.commands,
            action=action,
            next_retry_at=next_retry_at,
            code=code,
        )

    def _trouble(self, error: str | None) -> None:
        self._health.trouble(error, commands=self.session.commands)

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
                if self._to_be_cleaned:
                    await self._logout.settle(self._wake)
            if trio.current_time() >= self._scope.deadline:
                self._intent = Intent.LEASE_LOST
                self.lease_ran_out = "the database did not answer in time to keep the lease"
                log.error("the lease ran out", session=self.session.id)
            if self._to_be_cleaned and self.session.commands == commands:  # no newer command starts the session again
                await clean_up(self._provider, self.session, self.inbox, self._services)
        except LeaseLost:
            self._intent = Intent.LEASE_LOST
            self.lease_ran_out = LEASE_LOST
        except Exception:
            self._failed = True
            raise
        finally:
            with self._services.shields.open(self._settings.store_timeout):
                await self._finish()

    async def _keep_connected(self) -> None:
        ran_out, self.lease_ran_out = self.lease_ran_out, None
        self._health.begin(self.session, ran_out)
        while True:
            await self._links.wait_turn(again=self._backoff.attempt > 0, hurry=self._wake)
            self._replaced = False  # the link that opens now satisfies every restart requested so far
            self._wake = Flag()
            failure = unreadable(self.session) or await self._links.use_link(self.session)
            since, self._links.connected_at = self._links.connected_at, None
            if since is not None and trio.current_time() - since >= self._settings.stable_after:
                self._backoff.reset()
            if self._replaced:
                self.report(SessionStatus.RECONNECTING, Reason.RESTARTING, "restarted by the operator")
                continue
            verdict = judge(
                failure, self._backoff, self._services, session=self.session.id, platform=self.session.platform
            )
            self._health.last_error = verdict.last_error
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

    def _remember(self, credentials: Mapping[str, str]) -> None:
        """Open the next link with the credentials that the last one stored."""
        self.session = msgspec.structs.replace(self.session, credentials=dict(credentials))

    async def _finish(self) -> None:
        if self._intent is not Intent.LEASE_LOST:
            try:
                await self.outbox.settle()
                if self._intent in FAREWELLS and not self.health.terminal:
                    action = Action.NONE
                    if self._intent is Intent.LOGOUT:  # an action that leads back, even if the session stays enabled
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
