"""Shields with a deadline."""

from __future__ import annotations

from weakref import WeakSet

import trio


class Shields:
    """Makes the shields of one engine. Each has its own deadline, and none outlasts the grace of a shutdown, not even
    those opened before it began.

    Some shield against a caller's own cancellation, such as that of an HTTP request; these can be limited to an earlier
    time.
    """

    def __init__(self) -> None:
        self.until = float("inf")
        """Trio time by which everything must have ended."""
        self._callers_until = float("inf")
        self._open: WeakSet[trio.CancelScope] = WeakSet()
        self._of_callers: WeakSet[trio.CancelScope] = WeakSet()

    def open(self, seconds: float, *, caller: bool = False) -> trio.CancelScope:
        """A scope that blocks cancellation for at most `seconds`. `caller`: a caller of the engine waits for it."""
        until = min(self.until, self._callers_until) if caller else self.until
        scope = trio.CancelScope(shield=True, deadline=min(trio.current_time() + seconds, until))
        (self._of_callers if caller else self._open).add(scope)
        return scope

    def limit(self, until: float) -> None:
        """End every shield by this trio time at the latest."""
        self.until = min(self.until, until)
        self.limit_callers(until)
        _limit(self._open, until)

    def limit_callers(self, until: float) -> None:
        """End the shields that callers wait for by this time at the latest."""
        self._callers_until = min(self._callers_until, until)
        _limit(self._of_callers, until)


def _limit(scopes: WeakSet[trio.CancelScope], until: float) -> None:
    for scope in list(scopes):
        if scope.deadline > until:
            scope.deadline = until
