"""Counts and durations of one engine, kept as plain numbers. Readers (Prometheus, a test) fetch them when they want.

Names are those of the metrics that `rookery serve` exposes, without the `rookery_` prefix. `COUNTERS` and `DURATIONS`
describe each and are complete: an unknown name raises KeyError on first use.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "state_changes": ("Status changes of sessions.", ("platform", "status", "reason")),
    "link_failures": ("Links that failed, by the reason that was reported.", ("platform", "reason")),
    "connects": ("Attempts to connect a session.", ("platform",)),
    "events_stored": ("Events committed to the log, repetitions included.", ("platform",)),
    "sends": ("Outbound messages by the state that they reached.", ("platform", "state")),
    "calls": ("Calls of platforms' own methods.", ("platform", "method", "outcome")),
    "deliveries": ("Webhook attempts: delivered, failed or dead.", ("outcome",)),
    "probes": ("Health probes: ok or failed.", ("platform", "kind", "outcome")),
    "backlog_pauses": ("Pauses of receiving because too many events waited for webhooks.", ("platform",)),
    "lease_failures": ("Leases that were lost or could not be renewed.", ()),
    "media_fetches": ("Received files that were fetched by themselves: stored or failed.", ("platform", "outcome")),
    "memory_actions": ("What the memory guard did: collect or restart_worker.", ("action",)),
}
FROM_ZERO: dict[str, tuple[tuple[str, ...], ...]] = {
    "deliveries": (("delivered",), ("failed",), ("dead",)),
    "lease_failures": ((),),
    "memory_actions": (("collect",), ("restart_worker",)),
}
"""Labels that exist from the start: Prometheus does not count the first value that it sees of a counter as an increase,
so an alert on the first dead letter would never fire."""

DURATIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "commit": ("Seconds to store one batch of events.", ("platform",)),
    "poll": ("Seconds that a long poll took, waiting for events included.", ("platform",)),
    "probe": ("Seconds that a probe's answer took.", ("platform", "kind")),
    "send": ("Seconds that the platform took to accept a message.", ("platform",)),
    "call": ("Seconds that the platform took to answer a call.", ("platform",)),
    "delivery": ("Seconds that an endpoint took to answer.", ()),
    "connect": ("Seconds from the first byte to CONNECTED.", ("platform",)),
}
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds in seconds; one more bucket holds the rest."""


class Histogram:
    """Observations per bucket, not cumulative."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0


class Telemetry:
    """One per engine. Cheap enough for hot paths: an addition in a dictionary."""

    def __init__(self) -> None:
        self.counters: dict[str, dict[tuple[str, ...], float]] = {name: defaultdict(float) for name in COUNTERS}
        for name, all_labels in FROM_ZERO.items():
            self.counters[name].update(dict.fromkeys(all_labels, 0.0))
        self.durations: dict[str, dict[tuple[str, ...], Histogram]] = {
            name: defaultdict(Histogram) for name in DURATIONS
        }

    def count(self, name: str, *labels: str, by: float = 1.0) -> None:
        """Add to a counter; `labels` in the order of `COUNTERS`."""
        self.counters[name][labels] += by

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """Record a duration."""
        histogram = self.durations[name][labels]
        histogram.counts[bisect_left(BUCKETS, seconds)] += 1
        histogram.total += seconds

    @contextmanager
    def timed(self, name: str, *labels: str) -> Iterator[None]:
        """Record how long the block took, unless it raised."""
        started = perf_counter()
        yield
        self.observe(name, perf_counter() - started, *labels)
