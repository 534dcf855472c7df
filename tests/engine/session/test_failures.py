"""Which failure counts, and what it is called."""

from __future__ import annotations

import itertools

import pytest

from rookery.errors import (
    Conflict,
    Failure,
    LeaseLost,
    ProbeFailed,
    ProviderError,
    RateLimited,
    StoreUnavailable,
    TerminalError,
)
from rookery.model.session import Action, Reason
from rookery.session.failure_kinds import StartupTimeout, kind_of, leaves, reason_of, weightiest

FROM_HEAVY_TO_LIGHT: list[Exception] = [
    LeaseLost("s"),
    TerminalError("x", reason=Reason.LOGOUT, action=Action.SCAN_QR),
    ZeroDivisionError(),
    Conflict("x"),
    RateLimited("x", retry_after=1),
    ProviderError("x", kind=Failure.SERVER),
    ProviderError("x"),
    StoreUnavailable("x"),
]


def test_the_weightiest_failure_counts() -> None:
    for heavy, light in itertools.combinations(FROM_HEAVY_TO_LIGHT, 2):
        assert weightiest([light, heavy]) is weightiest([heavy, light]) is heavy


def test_leaves_of_nested_groups() -> None:
    first, second, third = ValueError(), KeyError(), OSError()
    assert list(leaves(ExceptionGroup("", [first, ExceptionGroup("", [second, third])]))) == [first, second, third]


@pytest.mark.parametrize(
    ("failure", "kind", "reason"),
    [
        (ProviderError("x"), Failure.NETWORK, Reason.NETWORK),
        (ProviderError("x", kind=Failure.SERVER), Failure.SERVER, Reason.SERVER_ERROR),
        (StartupTimeout("x"), Failure.NETWORK, Reason.STARTUP_TIMEOUT),
        (ProbeFailed("x"), Failure.NETWORK, Reason.PROBE_FAILED),
        (Conflict("x"), Failure.CONFLICT, Reason.CONFLICT),
        (RateLimited("x", retry_after=1), Failure.RATE_LIMIT, Reason.RATE_LIMITED),
        (StoreUnavailable("x"), Failure.STORE, Reason.STORE_ERROR),
        (ZeroDivisionError(), Failure.BUG, Reason.INTERNAL_ERROR),
    ],
    ids=repr,
)
def test_kinds_and_reasons(failure: Exception, kind: Failure, reason: Reason) -> None:
    assert (kind_of(failure), reason_of(failure)) == (kind, reason)
