"""Flood limits: a maximum number of events in a period; pure."""

from __future__ import annotations

import math
from collections import deque


class Window:
    """At most `limit` events in any `period` seconds."""

    __slots__ = ("_events", "_limit", "_period")

    def __init__(self, limit: float, period: float) -> None:
        # A limit below one event a period is one event in a longer period.
        self._limit = max(1, int(limit))
        self._period = period if limit >= 1 else period / limit
        self._events: deque[float] = deque()

    def retry_after(self, now: float) -> int:
        """0 when an event is allowed now, otherwise the whole seconds to wait."""
        events = self._events
        while events and events[0] <= now - self._period:
            events.popleft()
        if len(events) < self._limit:
            return 0
        return max(1, math.ceil(events[0] + self._period - now))

    def note(self, now: float) -> None:
        """Count an event that was allowed."""
        self._events.append(now)
