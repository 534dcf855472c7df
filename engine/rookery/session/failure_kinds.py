"""Interprets the failure of a link: which failure counts, of what kind it is, and the reason shown to people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import Conflict, Failure, LeaseLost, ProbeFailed, ProviderError, RateLimited, StoreError, TerminalError
from ..model.session import Reason

_REASONS = {
    Failure.NETWORK: Reason.NETWORK,
    Failure.SERVER: Reason.SERVER_ERROR,
    Failure.RATE_LIMIT: Reason.RATE_LIMITED,
    Failure.CONFLICT: Reason.CONFLICT,
    Failure.BUG: Reason.INTERNAL_ERROR,
    Failure.STORE: Reason.STORE_ERROR,
}


class StartupTimeout(ProviderError):
    """The link exceeded the startup deadline (A5)."""


def leaves(group: BaseExceptionGroup[Exception]) -> Iterator[Exception]:
    """The errors of a group and of its nested groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


def weightiest(failures: Sequence[Exception]) -> Exception:
    """The failure that counts when a link ends with several at once: a lost lease, then a terminal error, then a bug of
    ours, then a conflict, a rate limit, a server error, the network, the store."""
    return min(failures, key=_rank)


def kind_of(failure: Exception) -> Failure:
    """The kind of a temporary failure; an unexpected exception counts as a bug."""
    match failure:
        case ProviderError():
            return failure.kind
        case StoreError():
            return Failure.STORE
        case _:
            return Failure.BUG


def reason_of(failure: Exception) -> Reason:
    """The reason that a session shows while it retries after this failure."""
    match failure:
        case StartupTimeout():
            return Reason.STARTUP_TIMEOUT
        case ProbeFailed():
            return Reason.PROBE_FAILED
        case _:
            return _REASONS[kind_of(failure)]


def _rank(error: Exception) -> int:
    match error:
        case LeaseLost():
            return 0
        case TerminalError():
            return 1
        case Conflict():
            return 3
        case RateLimited():
            return 4
        case ProviderError(kind=Failure.SERVER):
            return 5
        case ProviderError():
            return 6
        case StoreError():
            return 7
        case _:
            return 2
