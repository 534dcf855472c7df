"""Requests a second for each key (the generic cell rate algorithm), counted by this instance."""

from __future__ import annotations

import math

import trio

from ..output.problems import Problem

BURST_SECONDS = 2.0
"""After a pause so many seconds' worth of requests may come at once."""

FORGET_ABOVE = 1024


class RateLimits:
    """One schedule a key, remembered as long as it says anything."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def check(self, id: str, rate: float) -> None:
        """Count one request of key `id` that may make `rate` a second.

        Raises:
            Problem: 429 with Retry-After; such a request does not count.
        """
        now = trio.current_time()
        interval = 1.0 / rate
        earliest = max(self._next.get(id, now), now)
        wait = earliest - now - max(BURST_SECONDS - interval, 0.0)
        if wait > 1e-9:
            raise Problem(
                429,
                "rate-limited",
                "Rate limited",
                f"this key may make {rate:g} requests a second",
                headers={"Retry-After": str(max(1, math.ceil(wait)))},
            )
        self._next[id] = earliest + interval
        if len(self._next) > FORGET_ABOVE:
            self._next = {name: at for name, at in self._next.items() if at > now}
