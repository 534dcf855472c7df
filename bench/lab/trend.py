"""Whether readings grow: the Theil-Sen slope and its confidence interval, which a few odd readings do not move."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from statistics import median
from typing import NamedTuple

Z = 1.96  # 95 %


class Trend(NamedTuple):
    """Per hour. `low` and `high` bound the slope with 95 % confidence (Sen 1968)."""

    slope: float
    low: float
    high: float

    def grows(self, bound: float) -> bool:
        """It certainly rises, and by more than `bound` an hour: a rise of less is a cache that fills, or the machine."""
        return self.low > 0 and self.slope > bound


def trend(readings: Sequence[tuple[float, float]]) -> Trend:
    """`readings` are (seconds, value), three at least, no two at the same time."""
    slopes = sorted(
        (later[1] - earlier[1]) / (later[0] - earlier[0]) * 3600
        for i, earlier in enumerate(readings)
        for later in readings[i + 1 :]
    )
    n, pairs = len(readings), len(slopes)
    reach = Z * sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(0, int((pairs - reach) / 2))
    high = min(pairs - 1, ceil((pairs + reach) / 2))
    return Trend(median(slopes), slopes[low], slopes[high])
