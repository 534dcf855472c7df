"""Failures of one send, call of a method, question or change. The session continues."""

from __future__ import annotations

from typing import Any

from .base import RookeryError


class SendError(RookeryError):
    """One message could not be sent. `code` is for machines; the session continues."""

    code = "send_failed"


class NotConnected(SendError):
    """The session cannot take sends now; nothing was sent."""

    code = "not_connected"


class Busy(SendError):
    """Too many sends are already waiting for this session; the message was not stored."""

    code = "busy"


class Rejected(SendError):
    """The platform refused the message for good; the error carries its explanation."""

    code = "rejected"


class CallRefused(SendError):
    """The platform refused a call of one of its methods; the error carries its code, its text and possibly
    parameters."""

    code = "refused"

    def __init__(self, message: str, *, error_code: int, parameters: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.parameters = parameters


class MethodForbidden(SendError):
    """The method would break the session; the text names the alternative."""

    code = "forbidden"


class SendRateLimited(SendError):
    """The platform refused for now; the same message may be tried again after `retry_after` seconds."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after: float, whole_session: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.whole_session = whole_session


class PlatformRefused(SendError):
    """The platform refused a question or a change; the error carries its explanation. `status` is the platform's error
    number, if it gave one."""

    code = "refused"

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class AccountLimited(SendError):
    """The platform lets this account write only to people it knows; nothing was sent. Replies are still allowed."""

    code = "account_limited"


class TooLate(SendError):
    """The message can no longer be cancelled."""

    code = "too_late"


class OutcomeUnknown(SendError):
    """The request was sent but no answer came: it is unknown whether the message was delivered. The engine does not
    repeat it automatically."""

    code = "unknown"
