"""The state that a session reports: its current health, and the last error, which it keeps showing."""

from __future__ import annotations

import msgspec

from ..errors import printable
from ..log import get_logger
from ..model.session import Action, Health, Lease, PairingCode, Reason, Session, SessionStatus, StatusWrite
from ..provider.capabilities import Pairing
from ..services import Services

log = get_logger("SESSION")


class SessionHealth:
    """The health of one claimed session. Owned by its runner; every change goes to the status board without
    blocking."""

    __slots__ = (
        "_lease",
        "_platform",
        "_services",
        "_session",
        "_troubled",
        "_writes",
        "current",
        "last_error",
        "pause",
    )

    def __init__(self, session: Session, lease: Lease, services: Services) -> None:
        self.current = session.health
        self.last_error = session.health.last_error
        self._troubled = False  # the last error is the store's, and is cleared when the store answers
        self._writes = 0
        self.pause: str | None = None  # why receiving is paused; reported as long as the session is connected
        self._session = session.id
        self._platform = session.platform
        self._lease = lease
        self._services = services

    def begin(self, session: Session, ran_out: str | None) -> None:
        """The session connects: for the first time, again, or because an earlier lease expired (`ran_out` says why)."""
        before = session.health
        if before.terminal or before.reason in (Reason.CREATED, Reason.DISABLED):
            self.change(SessionStatus.INITIALIZING, Reason.STARTING, "connecting", commands=session.commands)
            return
        if ran_out is None and session.taken_from is not None:
            ran_out = f"the instance {session.taken_from} did not keep its lease"
        if ran_out is None:
            reason, detail = Reason.RESTORING, "connecting again"
        else:
            reason, detail = Reason.LEASE_LOST, f"connecting again: {ran_out}"
            self.last_error = ran_out
        self.change(SessionStatus.RECONNECTING, reason, detail, commands=session.commands)

    def change(
        self,
        status: SessionStatus,
        reason: Reason,
        detail: str,
        *,
        commands: int,
        action: Action = Action.NONE,
        next_retry_at: float | None = None,
        code: Pairing | None = None,
    ) -> None:
        """Report the new state; `commands` is the session's count of commands that this state answers."""
        before = self.current
        same = before.status is status and before.reason is reason
        if self.pause is not None and status is SessionStatus.CONNECTED:
            detail = f"{detail}; {self.pause}"
        self.current = Health(
            status=status,
            reason=reason,
            detail=printable(detail),
            since=before.since if same else self._services.clock(),
            action=action,
            last_error=self.last_error,
            next_retry_at=next_retry_at,
        )
        self._put(commands, code)
        if not same:
            self._services.telemetry.count("state_changes", self._platform, status.value, reason.value)
            tell = log.warning if self.current.terminal else log.info  # it stays down until a person acts
            tell(
                detail,
                component="RECONNECT" if status is SessionStatus.RECONNECTING else "SESSION",
                session=self._session,
                status=status.value,
                reason=reason.value,
            )

    def trouble(self, error: str | None, *, commands: int) -> None:
        """The store does not answer: report each error once, at once, until the store answers again (None)."""
        if error is None:
            if self._troubled:
                self._troubled = False
                self.last_error = None
                self.current = msgspec.structs.replace(self.current, last_error=None)
                self._put(commands)
            return
        if self.last_error != error:
            self._troubled = True
            self.last_error = error
            self.current = msgspec.structs.replace(self.current, last_error=error)
            self._put(commands)
            log.warning("events are waiting: the store does not answer", session=self._session, error=error)

    def _put(self, commands: int, code: Pairing | None = None) -> None:
        self._writes += 1
        shown = None
        if code is not None:
            shown = PairingCode(code.kind, code.code, code.expires_at, getattr(code, "round", None))
        self._services.board.put(StatusWrite(self._lease, self.current, commands, self._writes, shown))
