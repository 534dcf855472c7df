"""Requests a second for each key (the generic cell rate algorithm), counted by this instance."""

from __future__ import annotations

import math

import trio

from rookery.declaring import LONGEST
from rookery.runtime.cell_rate import CellRate

from ..output.problems import Problem

BURST_SECONDS = 2.0
"""After a pause, this many seconds' worth of requests may come at once."""


class RateLimits:
    """One schedule for each key, kept as long as it affects a decision."""

    def __init__(self) -> None:
        self._schedules = CellRate()

    def check(self, id: str, rate: float, who: str = "this key") -> None:
        """Count one request of key `id` that may make `rate` a second; `who` names it in the error.

        Raises:
            Problem: 429 with Retry-After; a refused request does not count.
        """
        now = trio.current_time()
        interval = 1.0 / rate
        at = self._schedules.earliest(id, max(BURST_SECONDS - interval, 0.0), now)
        wait = at - now
        if wait > 1e-9:
            raise Problem(
                429,
                "rate-limited",
                "Rate limited",
                f"{who} may make {rate:g} requests a second",
                headers={"Retry-After": str(max(1, math.ceil(min(wait, LONGEST))))},
            )
        self._schedules.take(id, interval, at, now)
