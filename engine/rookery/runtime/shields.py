"""Shields with an end."""

from __future__ import annotations

import trio


class Shields:
    """Makes the shields of one engine: each has its own deadline, and none outlasts the grace of a shutdown.

    One that is open already when a shutdown begins keeps its own deadline, which is shorter than any sensible grace.
    """

    def __init__(self) -> None:
        self.until = float("inf")
        """Trio time at which everything has to have ended."""

    def open(self, seconds: float) -> trio.CancelScope:
        """A scope that keeps cancellation out for at most `seconds`."""
        return trio.CancelScope(shield=True, deadline=min(trio.current_time() + seconds, self.until))
