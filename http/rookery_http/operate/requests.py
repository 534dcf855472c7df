"""Counts requests and their durations by route, for `/metrics`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client.core import Metric

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Upper bounds of the durations, in seconds."""
TEXT, OPEN_METRICS = "text/plain", "application/openmetrics-text"
"""The formats of `/metrics`."""
NO_ROUTE = "other"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Requests:
    """Counts by method, route and status. A route is a path of the table with names in braces: a bounded number."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str], int] = {}
        self._durations: dict[tuple[str, str], list[float]] = {}  # a count for each bound and one beyond; then the sum

    def answered(self, scope: Mapping[str, Any], status: int, seconds: float) -> None:
        """Count one request."""
        route = scope.get("rookery.route", NO_ROUTE)
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        key = method, route, str(status)
        self._counts[key] = self._counts.get(key, 0) + 1
        durations = self._durations.get((method, route))
        if durations is None:
            durations = self._durations[method, route] = [0.0] * (len(BOUNDS) + 2)
        durations[bisect_left(BOUNDS, seconds)] += 1
        durations[-1] += seconds

    def metrics(self) -> Iterator[Metric]:
        """The counts as metrics for a scrape."""
        from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily  # a tenth of the start's time

        counts = CounterMetricFamily(
            "rookery_http_requests",
            "HTTP requests, by the status that was answered.",
            labels=("method", "route", "status"),
        )
        for labels, count in list(self._counts.items()):
            counts.add_metric(labels, count)
        yield counts
        family = HistogramMetricFamily(
            "rookery_http_request_seconds",
            "From a request's head to its last byte.",
            labels=("method", "route"),
            unit="seconds",
        )
        for pair, values in list(self._durations.items()):
            total, buckets = 0.0, []
            for bound, value in zip((*map(str, BOUNDS), "+Inf"), values[:-1], strict=True):
                total += value
                buckets.append((bound, total))
            family.add_metric(pair, buckets, values[-1])
        yield family
