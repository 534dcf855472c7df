"""The kinds of failure that end a link, and how a session treats each kind: the table `TREATMENT`.

`verdict` judges a failure by this table, and `backoff` computes the delay from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from ..errors import Failure, LeaseLost, ProbeFailed, ProviderError, StoreError, TerminalError
from ..model.session import Action, Reason
from ..settings import EngineSettings


class Treatment(msgspec.Struct, frozen=True, kw_only=True):
    """How a session treats one kind of failure.

    `reason` and `action` are what it shows while it retries. `first_delay`: seconds before the first retry. `outage`: it
    ends without any action here, so it is retried for ever; any other kind `reconnect_attempts` times in a row.
    """

    reason: Reason
    action: Action = Action.NONE
    first_delay: Callable[[EngineSettings], float]
    outage: bool = False


TREATMENT: Mapping[Failure, Treatment] = {
    Failure.BUG: Treatment(
        reason=Reason.INTERNAL_ERROR,
        first_delay=lambda settings: settings.backoff_internal_error,
    ),
    Failure.CONFLICT: Treatment(  # another program uses the account: a 409 of Telegram, a replaced stream of WhatsApp
        reason=Reason.CONFLICT,
        action=Action.STOP_OTHER_CLIENT,
        first_delay=lambda settings: settings.backoff_conflict,
    ),
    Failure.RATE_LIMIT: Treatment(
        reason=Reason.RATE_LIMITED,
        first_delay=lambda settings: settings.backoff_rate_limit,
    ),
    Failure.SERVER: Treatment(
        reason=Reason.SERVER_ERROR,
        first_delay=lambda settings: settings.backoff_server_error,
        outage=True,
    ),
    Failure.NETWORK: Treatment(
        reason=Reason.NETWORK,
        first_delay=lambda settings: settings.backoff_network,
        outage=True,
    ),
    Failure.STORE: Treatment(
        reason=Reason.STORE_ERROR,
        first_delay=lambda settings: settings.backoff_network,
        outage=True,
    ),
}
"""Heaviest first: when a link ends with several failures at once, the heaviest counts."""

_WEIGHTS = {kind: place for place, kind in enumerate(TREATMENT)}


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
    """The failure that counts when a link ends with several at once: a lost lease, then a terminal error, then the
    heaviest kind of `TREATMENT`."""
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
            return TREATMENT[kind_of(failure)].reason


def _rank(failure: Exception) -> int:
    match failure:
        case LeaseLost():
            return -2
        case TerminalError():
            return -1
        case _:
            return _WEIGHTS[kind_of(failure)]
