"""Interprets one call of a link for its message: the state that it ends in, or when to try again (F4)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ..errors import (
    NotConnected,
    OutcomeUnknown,
    ProviderError,
    SendError,
    SendRateLimited,
    TerminalError,
    printable,
)
from ..log import get_logger
from ..model.message import MessageState, OutboundMessage, SendOutcome

RETRY_DELAY = 1.0  # seconds, doubled by each attempt that could not even begin
RETRY_DELAY_MAX = 30.0

log = get_logger("SESSION")


class Pause(msgspec.Struct, frozen=True):
    """The message was not sent and must be retried after `delay` seconds."""

    delay: float
    whole_session: bool
    error: str


def judge(
    error: Exception,
    message: OutboundMessage,
    failures: int,
    *,
    now: float,
    on_refused: Callable[[TerminalError], object],
) -> SendOutcome | Pause:
    """Interprets an exception of `Link.send`. `failures` counts the earlier attempts that could not even begin."""
    match error:
        case SendRateLimited():
            return Pause(error.retry_after, error.whole_session, str(error))
        case NotConnected():
            return Pause(min(RETRY_DELAY * 2**failures, RETRY_DELAY_MAX), False, str(error))
        case TerminalError():
            on_refused(error)
            return Pause(RETRY_DELAY, False, str(error))
        case OutcomeUnknown() | ProviderError():
            return unknown(message, str(error), now=now)
        case SendError():
            return SendOutcome(id=message.id, state=MessageState.FAILED, at=now, error=printable(str(error)))
    log.error("a send failed in an unexpected way", session=message.session, message_id=message.id, exc_info=error)
    return unknown(message, "internal error while sending; it may or may not have been sent", now=now)


def unknown(message: OutboundMessage, error: str, *, now: float) -> SendOutcome:
    """The outcome of a message that may have been sent."""
    return SendOutcome(id=message.id, state=MessageState.UNKNOWN, at=now, error=printable(error))
