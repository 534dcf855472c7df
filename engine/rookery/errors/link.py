"""Failures of a session's link to its platform."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from .base import RookeryError

if TYPE_CHECKING:
    from ..model.session import Action, Reason


class Failure(StrEnum):
    """Kinds of link failure; each has its own base delay (B2)."""

    NETWORK = "network"
    SERVER = "server"
    RATE_LIMIT = "rate_limit"
    CONFLICT = "conflict"
    BUG = "bug"
    STORE = "store"


class ProviderError(RookeryError):
    """The link failed in a way that may pass. `kind` decides the delay before the next attempt."""

    kind: Failure = Failure.NETWORK

    def __init__(self, message: str, *, kind: Failure | None = None, retry_after: float | None = None) -> None:
        """`retry_after` (seconds) replaces the delay that the policy would choose."""
        super().__init__(message)
        self.retry_after = retry_after
        if kind is not None:
            self.kind = kind


class RateLimited(ProviderError):
    """The platform asked for a pause of `retry_after` seconds.

    `queueing`: the platform admits new connections one after another and said when to come back. Waiting in such a
    queue does not count as a failed attempt (B3), however long the queue is.
    """

    kind = Failure.RATE_LIMIT

    def __init__(self, message: str, *, retry_after: float, queueing: bool = False) -> None:
        super().__init__(message, retry_after=retry_after)
        self.queueing = queueing


class ProbeFailed(ProviderError):
    """The link looked connected but did not answer (G2)."""


class Conflict(ProviderError):
    """Another client uses the same bot or account (B5)."""

    kind = Failure.CONFLICT


class TerminalError(ProviderError):
    """The session cannot work until a person acts."""

    def __init__(self, message: str, *, reason: Reason, action: Action) -> None:
        super().__init__(message)
        self.reason = reason
        self.action = action
