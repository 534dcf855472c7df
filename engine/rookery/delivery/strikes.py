"""Slows down attempts to an endpoint that keeps failing, and to a delivery that failed."""

from __future__ import annotations

import random
from collections.abc import Callable

import trio

from ..settings import EngineSettings

STRIKES = 4
"""After this many consecutive failures the whole endpoint is tried one delivery at a time, with a pause between
deliveries. Each earlier failure halves the number of concurrent deliveries. Failures at the same moment count once,
because they tell the same thing."""

HOLD_MAX = 30.0
"""The longest such pause, as a multiple of the first, which is as long as the first delay after a failure (a
setting)."""


def retry_delay(
    settings: EngineSettings, attempts: int, *, uniform: Callable[[float, float], float] = random.uniform
) -> float:
    """Seconds to wait after the `attempts`-th failure: tripled each time, bounded, with a tenth of jitter."""
    delay = min(settings.webhook_backoff * 3.0 ** min(attempts - 1, 40), settings.webhook_backoff_max)
    return delay * uniform(1.0, 1.1)


class Strikes:
    """The consecutive failures of one endpoint, whichever lanes they belong to. Times are trio's."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._count = 0
        self._struck_at = -float("inf")
        self.hold_until = -float("inf")

    @property
    def width(self) -> int:
        """How many deliveries may be under way now."""
        if self._count < STRIKES:
            return max(1, self._settings.webhook_concurrency >> self._count)
        return 1 if trio.current_time() >= self.hold_until else 0

    def release(self) -> None:
        """The next delivery may begin at once."""
        self.hold_until = -float("inf")

    def judge(self, *, delivered: bool, started: float) -> None:
        """Count a delivery that began at `started`."""
        if delivered:
            self._count = 0
            return
        if started < self._struck_at:
            return
        self._count += 1
        self._struck_at = trio.current_time()
        if self._count >= STRIKES:
            pause = min(2.0 ** min(self._count - STRIKES, 10), HOLD_MAX) * self._settings.webhook_backoff
            self.hold_until = trio.current_time() + min(pause, self._settings.webhook_backoff_max)
