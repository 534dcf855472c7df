"""How long to wait before the next attempt to connect, and when to give up. Pure arithmetic (B2, B3)."""

from __future__ import annotations

import random
from collections.abc import Callable

from ..errors import Failure
from ..settings import EngineSettings
from .failure_kinds import TREATMENT

BEYOND = 1e300
"""A growth factor far beyond any maximum that still gives 0 when multiplied by 0."""

Uniform = Callable[[float, float], float]


class Backoff:
    """Counts consecutive failures of one session.

    An outage of the network, of the platform or of the store is retried for ever and uses up no attempts; any other kind of
    failure is retried `reconnect_attempts` times in a row. Waiting in a queue does not count as an attempt.
    """

    __slots__ = (
        "_settings",
        "_uniform",
        "attempt",
        "spent",
    )

    def __init__(self, settings: EngineSettings, *, uniform: Uniform = random.uniform) -> None:
        self._settings = settings
        self._uniform = uniform
        self.attempt = 0  # consecutive failures of any kind
        self.spent = 0  # those that count towards the limit of attempts

    def fail(self, kind: Failure, *, retry_after: float | None = None, queueing: bool = False) -> float | None:
        """Count a failure; returns the seconds to wait, or None when the attempts are used up.

        `queueing`: see `RateLimited`.

        `retry_after`, which the server asked for, replaces the computed delay; jitter only adds to it.
        """
        s, treatment = self._settings, TREATMENT[kind]
        if not treatment.outage and not queueing:
            self.spent += 1
            if self.spent > s.reconnect_attempts:
                return None
        first = treatment.first_delay(s)
        delay = min(first * self._growth(), max(s.backoff_max, first))
        self.attempt += 1
        jitter = s.backoff_jitter
        if retry_after is not None and 0.0 <= retry_after < float("inf"):  # any other value is not a usable time
            delay = retry_after
            jitter = min(jitter, retry_after)  # a short pause is meant to be short
        return delay + self._uniform(0.0, jitter)

    def _growth(self) -> float:
        try:
            return float(self._settings.backoff_factor**self.attempt)
        except OverflowError:  # a long outage
            return BEYOND

    def reset(self) -> None:
        """Start over, after a stable minute or when an operator asks."""
        self.attempt = 0
        self.spent = 0
