"""The generic cell rate algorithm: a virtual schedule for each of many keys."""

from __future__ import annotations

FORGET_ABOVE = 1024
"""Number of remembered keys above which those whose schedule has passed are dropped."""


class CellRate:
    """Each key has a schedule of turns. A caller that may run ahead of it by `slack` seconds gets a burst after a
    pause.

    Times are seconds of any clock, as long as the caller always uses the same one.
    """

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def earliest(self, key: str, slack: float, now: float) -> float:
        """When this key's next turn may be taken, at the earliest `now`."""
        return max(now, self._next.get(key, now) - slack)

    def take(self, key: str, interval: float, at: float, now: float, *, lags: bool = True) -> None:
        """Take the turn at `at`; the next one comes an interval later.

        With `lags` the interval starts at the schedule's own time, so that a turn taken early delays the later ones;
        without it, the interval starts at the turn.
        """
        begins = max(self._next.get(key, now), now) if lags else at
        self._next[key] = begins + interval
        if len(self._next) > FORGET_ABOVE:
            self._next = {name: next for name, next in self._next.items() if next > now}
