"""Converts a worker's answer to a call into its value, or raises the matching error of the engine."""

from __future__ import annotations

from typing import Any

from rookery.errors import (
    AccountLimited,
    MediaExpired,
    NotConnected,
    OutcomeUnknown,
    PlatformRefused,
    Rejected,
    SendRateLimited,
)

from ..protocol import Failed, Reply

RATE_LIMIT_PAUSE = 5.0  # seconds


def value_of(answer: Reply | Failed) -> Any:
    """The value of a reply. Raises NotConnected, OutcomeUnknown, MediaExpired, PlatformRefused, AccountLimited,
    SendRateLimited or Rejected for a failure."""
    match answer:
        case Reply(value=value):
            return value
        case Failed(kind="not_connected", text=text):
            raise NotConnected(text)
        case Failed(kind="unknown", text=text):
            raise OutcomeUnknown(text)
        case Failed(kind="gone", text=text):
            raise MediaExpired(f"expired: WhatsApp no longer has the file ({text})")
        case Failed(kind="refused", text=text):
            raise PlatformRefused(f"WhatsApp refused: {text}")
        case Failed(kind="limited", text=text):
            raise AccountLimited(text)
        case Failed(kind="rate_limited", text=text):
            raise SendRateLimited(text, retry_after=RATE_LIMIT_PAUSE, whole_session=True)
        case Failed(text=text):
            raise Rejected(text)
