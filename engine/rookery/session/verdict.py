"""Interprets the failure of a link for its session: how long to wait and what to show, or that the session ends."""

from __future__ import annotations

import msgspec

from ..errors import LeaseLost, ProviderError, RateLimited, StoreError, TerminalError, printable
from ..log import get_logger
from ..model.session import Action, Reason, Session, SessionStatus
from ..services import Services
from .backoff import Backoff
from .failure_kinds import TREATMENT, kind_of, reason_of

log = get_logger("SESSION")


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`delay`: seconds until the next attempt, None when there is none. The other fields are what people see."""

    delay: float | None
    status: SessionStatus
    reason: Reason
    detail: str
    last_error: str
    action: Action = Action.NONE
    next_retry_at: float | None = None


def unreadable(session: Session) -> TerminalError | None:
    """The failure of a session whose stored row cannot be read, so that no link can be opened; None when it can be."""
    if session.unreadable is None:
        return None
    words = f"{session.unreadable}. Store them again, or start with the right key"
    return TerminalError(words, reason=Reason.CONFIGURATION, action=Action.FIX_CONFIGURATION)


def judge(failure: Exception, backoff: Backoff, services: Services, *, session: str, platform: str) -> Verdict:
    """Count the failure and decide. Raises LeaseLost, which must not be retried."""
    error = printable(str(failure))
    match failure:
        case LeaseLost():
            raise failure
        case TerminalError():
            wrong_token = failure.reason is Reason.INVALID_TOKEN
            return Verdict(
                delay=None,
                status=SessionStatus.AUTH_FAILURE if wrong_token else SessionStatus.DISCONNECTED,
                reason=failure.reason,
                detail=str(failure),
                last_error=error,
                action=failure.action,
            )
        case ProviderError() | StoreError():
            pass
        case _:
            error = f"internal error: {type(failure).__name__}"
            log.error("a link failed in an unexpected way", session=session, exc_info=failure)
    kind, reason = kind_of(failure), reason_of(failure)
    services.telemetry.count("link_failures", platform, reason.value)
    delay = backoff.fail(
        kind,
        retry_after=failure.retry_after if isinstance(failure, ProviderError) else None,
        queueing=isinstance(failure, RateLimited) and failure.queueing,
    )
    if delay is None:
        attempts = services.settings.reconnect_attempts
        return Verdict(
            delay=None,
            status=SessionStatus.DISCONNECTED,
            reason=Reason.RECONNECT_EXHAUSTED,
            detail=f"gave up after {attempts} attempts in a row; the last: {error}",
            last_error=error,
            action=Action.RETRY,
        )
    return Verdict(
        delay=delay,
        status=SessionStatus.RECONNECTING,
        reason=reason,
        detail=error,
        last_error=error,
        action=TREATMENT[kind].action,
        next_retry_at=services.clock() + delay,
    )
