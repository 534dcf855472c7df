"""The traffic of one instance in each of the last minutes, kept in memory for overviews."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import msgspec
import trio

from ..runtime.telemetry import Telemetry

KEPT = 60
"""Number of minutes kept."""

MINUTE = 60.0  # seconds


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one minute. `at` is the start of the minute, in seconds since the epoch, a multiple of 60."""

    at: float
    received: int = 0
    sent: int = 0
    failed: int = 0  # sends that ended as failed, expired or unknown
    delivered: int = 0
    refused: int = 0  # deliveries that failed or were given up
    changes: int = 0  # status changes of sessions


class MinuteRing:
    """Owned by the engine, which runs it. Reading it never waits."""

    def __init__(self, telemetry: Telemetry, clock: Callable[[], float]) -> None:
        self._telemetry = telemetry
        self._clock = clock
        self._before = self._totals()
        self._began = clock() // MINUTE * MINUTE
        self._past: deque[Minute] = deque(maxlen=KEPT - 1)

    async def run(self) -> None:
        """Until cancelled, close each minute when the next one begins."""
        while True:
            await trio.sleep(max(0.05, self._began + MINUTE - self._clock()))
            self._turn()

    def recent(self) -> Sequence[Minute]:
        """The last hour, oldest first. The last entry is the current minute, which is still counting."""
        self._turn()
        return (*self._past, self._current())

    def _turn(self) -> None:
        begins = self._clock() // MINUTE * MINUTE
        if begins <= self._began:  # a clock that was set back does not start an earlier minute again
            return
        self._past.append(self._current())
        self._before = self._totals()
        missed = min(int((begins - self._began) / MINUTE) - 1, KEPT)
        self._past.extend(Minute(at=begins - MINUTE * number) for number in range(missed, 0, -1))
        self._began = begins

    def _current(self) -> Minute:
        fields = {name: value - self._before[name] for name, value in self._totals().items()}
        return Minute(at=self._began, **fields)

    def _totals(self) -> dict[str, int]:
        counters = self._telemetry.counters
        sends = dict.fromkeys(("sent", "failed", "expired", "unknown"), 0.0)
        for (_, state), count in counters["sends"].items():
            if state in sends:
                sends[state] += count
        deliveries = counters["deliveries"]
        return {
            "received": int(sum(counters["events_stored"].values())),
            "sent": int(sends["sent"]),
            "failed": int(sends["failed"] + sends["expired"] + sends["unknown"]),
            "delivered": int(deliveries[("delivered",)]),
            "refused": int(deliveries[("failed",)] + deliveries[("dead",)]),
            "changes": int(sum(counters["state_changes"].values())),
        }


def merged(rings: Sequence[Sequence[Minute]]) -> list[Minute]:
    """Adds up the minutes of several instances, oldest first; at most the last hour."""
    found: dict[float, Minute] = {}
    for minute in (minute for ring in rings for minute in ring):
        known = found.get(minute.at)
        if known is None:
            found[minute.at] = minute
        else:
            fields = {
                name: getattr(known, name) + getattr(minute, name) for name in Minute.__struct_fields__ if name != "at"
            }
            found[minute.at] = Minute(at=minute.at, **fields)
    return [found[at] for at in sorted(found)][-KEPT:]
