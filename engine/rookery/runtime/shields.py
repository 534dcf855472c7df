"""Shields with an end."""

from __future__ import annotations

from weakref import WeakSet

import trio


class Shields:
    """Makes the shields of one engine: each has its own deadline, and none outlasts the grace of a shutdown, also not those
    that were open before it began.

    Some keep a caller's own cancellation out, as that of an HTTP request; they can be limited earlier than the others.
    """

    def __init__(self) -> None:
        self.until = float("inf")
        """Trio time at which everything has to have ended."""
        self._callers_until = float("inf")
        self._open: WeakSet[trio.CancelScope] = WeakSet()
        self._of_callers: WeakSet[trio.CancelScope] = WeakSet()

    def open(self, seconds: float, *, caller: bool = False) -> trio.CancelScope:
        """A scope that keeps cancellation out for at most `seconds`. `caller`: whoever called the engine waits for it."""
        until = min(self.until, self._callers_until) if caller else self.until
        scope = trio.CancelScope(shield=True, deadline=min(trio.current_time() + seconds, until))
        (self._of_callers if caller else self._open).add(scope)
        return scope

    def limit(self, until: float) -> None:
        """Every shield ends at this trio time at the latest."""
        self.until = min(self.until, until)
        self.limit_callers(until)
        _limit(self._open, until)

    def limit_callers(self, until: float) -> None:
        """Those for which callers wait do."""
        self._callers_until = min(self._callers_until, until)
        _limit(self._of_callers, until)


def _limit(scopes: WeakSet[trio.CancelScope], until: float) -> None:
    for scope in list(scopes):
        if scope.deadline > until:
            scope.deadline = until
