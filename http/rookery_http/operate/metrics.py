"""The engine's numbers for Prometheus: the text format 0.0.4, or OpenMetrics for clients that ask for it.

The engine counts in plain numbers and knows nothing of Prometheus. Each scrape reads them into metric families of
`prometheus_client`, in a registry of its own: nothing is registered globally, and an embedded engine needs no such library.
"""

from __future__ import annotations

import resource
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from itertools import accumulate
from platform import python_version

import psutil
import trio
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from rookery import Engine
from rookery.background.memory_reading import MemoryReport
from rookery.errors import StoreError
from rookery.features.operating.operations import EngineHealth, InstanceHealth
from rookery.model.webhook import WebhookFacts
from rookery.runtime.telemetry import BUCKETS, COUNTERS, DURATIONS, Telemetry

from .requests import OPEN_METRICS, TEXT, Requests

MOST_WEBHOOKS = 200
UNITS = ("seconds", "bytes")
BOUNDS = (*map(floatToGoString, BUCKETS), "+Inf")


def preferred_form(accepted: Iterable[tuple[str, float]]) -> str:
    """TEXT or OPEN_METRICS, from the media types of an `Accept` header with their quality: text when it names neither.

    Parameters are ignored: each form has one version, and every escaping scheme leaves our names unchanged.
    """
    for value, quality in sorted(accepted, key=lambda one: -one[1]):
        media_type = value.partition(";")[0].strip().lower()
        if media_type == OPEN_METRICS and quality > 0:
            return OPEN_METRICS
        if media_type in (TEXT, "text/*", "*/*"):
            break
    return TEXT


async def exposition(engine: Engine, requests: Requests, form: str = TEXT) -> tuple[bytes, str]:
    """All metrics, collected now, and their content type. Without a reachable store: only what needs none."""
    registry = CollectorRegistry(auto_describe=False)
    health: InstanceHealth = engine.health_here()
    facts: Mapping[str, WebhookFacts] = {}
    with suppress(StoreError), trio.move_on_after(engine.settings.store_timeout):
        await engine.check_store()
        facts, health = await engine.webhook_facts(), await engine.health()
    registry.register(_Scrape(engine.telemetry, requests, health, facts, await engine.memory(), health.now))
    if form == OPEN_METRICS:
        text: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
        return text, openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


class _Scrape(Collector):
    """The values collected for one scrape."""

    def __init__(
        self,
        telemetry: Telemetry,
        requests: Requests,
        health: InstanceHealth,
        facts: Mapping[str, WebhookFacts],
        memory: MemoryReport,
        now: float,
    ) -> None:
        self._telemetry = telemetry
        self._requests = requests
        self._health = health
        self._facts = facts
        self._memory = memory
        self._now = now

    def collect(self) -> Iterator[Metric]:
        yield from _counters(self._telemetry)
        yield from self._requests.metrics()
        yield from _durations(self._telemetry)
        yield from _state(self._health)
        stored = isinstance(self._health, EngineHealth)
        yield _single("rookery_store_up", "1 when the database answers.", stored)
        if isinstance(self._health, EngineHealth):
            yield from _stored(self._health, self._now)
            yield from _webhooks(self._facts, self._now)
        yield from _processes(self._memory)
        yield from _this_process()


def _counters(telemetry: Telemetry) -> Iterator[Metric]:
    for name, (help, labels) in COUNTERS.items():
        family = CounterMetricFamily(f"rookery_{name}", help, labels=labels)
        for values, number in list(telemetry.counters[name].items()):
            family.add_metric(values, number)
        yield family


def _durations(telemetry: Telemetry) -> Iterator[Metric]:
    for name, (help, labels) in DURATIONS.items():
        family = HistogramMetricFamily(f"rookery_{name}_seconds", help, labels=labels, unit="seconds")
        for values, histogram in list(telemetry.durations[name].items()):
            buckets = list(zip(BOUNDS, accumulate(histogram.counts), strict=True))
            family.add_metric(values, buckets, histogram.total)
        yield family


def _stored(health: EngineHealth, now: float) -> Iterator[Metric]:
    sessions = _gauge("rookery_sessions", "Stored sessions by platform and status.", ("platform", "status"))
    for platform, statuses in health.sessions.items():
        for status, number in statuses.items():
            sessions.add_metric((platform, status), number)
    yield sessions
    down = _gauge(
        "rookery_sessions_down",
        "Enabled sessions that are DISCONNECTED and do not try again by themselves.",
        ("platform",),
    )
    for platform, number in health.down.items():
        down.add_metric((platform,), number)
    yield down
    oldest = 0.0 if health.oldest_delivery is None else max(0.0, now - health.oldest_delivery)
    for name, help, value in (
        ("pending_deliveries", "Webhook deliveries that wait.", health.pending_deliveries),
        ("dead_letters", "Webhook deliveries that were given up.", health.dead_letters),
        ("oldest_delivery_age_seconds", "How long the oldest event waits for a webhook; 0 when none does.", oldest),
    ):
        yield _single(f"rookery_{name}", help, value)


def _state(health: InstanceHealth) -> Iterator[Metric]:
    for name, help, value in (
        ("sessions_running", "Sessions whose task runs on this instance.", health.running),
        ("sessions_connected", "Sessions that are connected on this instance.", health.connected),
        ("sessions_paused", "Sessions of this instance whose backlog pauses their receiving.", health.paused),
        ("leases", "Sessions that this instance holds the lease of.", health.running),
        ("tasks", "Tasks of this instance.", health.tasks),
        ("started_at_seconds", "When this instance started, seconds since the epoch.", health.started_at),
        ("ready", "1 when this instance takes work.", health.ready),
        ("clock_skew_seconds", "How far this machine's clock is ahead of the database's.", health.clock_skew),
    ):
        yield _single(f"rookery_{name}", help, value)


def _webhooks(facts: Mapping[str, WebhookFacts], now: float) -> Iterator[Metric]:
    """The webhooks; of very many, only those furthest behind: Prometheus keeps several series for each for ever."""
    chosen = sorted(facts.items(), key=lambda item: (-item[1].pending, -item[1].dead, item[0]))[:MOST_WEBHOOKS]
    attempts = CounterMetricFamily(
        "rookery_webhook_attempts", "Attempts to deliver to a webhook.", labels=("webhook", "outcome")
    )
    pending = _gauge("rookery_webhook_pending_deliveries", "Events that wait for a webhook.", ("webhook",))
    dead = _gauge("rookery_webhook_dead_letters", "Deliveries to a webhook that were given up.", ("webhook",))
    lag = _gauge("rookery_webhook_lag_seconds", "How long the oldest event waits for a webhook.", ("webhook",))
    rate = _gauge("rookery_webhook_deliveries_per_second", "Deliveries to a webhook a second, lately.", ("webhook",))
    latency = _gauge(
        "rookery_webhook_latency_seconds", "How long a webhook took lately, by quantile.", ("webhook", "quantile")
    )
    commands = CounterMetricFamily(
        "rookery_sink_commands", "Commands that a sink has read.", labels=("sink", "outcome")
    )
    for id, one in sorted(chosen):
        if one.commands_accepted or one.commands_refused:
            commands.add_metric((id, "accepted"), one.commands_accepted)
            commands.add_metric((id, "refused"), one.commands_refused)
        attempts.add_metric((id, "delivered"), one.delivered)
        attempts.add_metric((id, "failed"), one.failed)
        pending.add_metric((id,), one.pending)
        dead.add_metric((id,), one.dead)
        lag.add_metric((id,), one.lag(now))
        rate.add_metric((id,), one.rate)
        for quantile, seconds in (("0.5", one.latency_p50), ("0.99", one.latency_p99)):
            if seconds is not None:
                latency.add_metric((id, quantile), seconds)
    yield from (attempts, pending, dead, lag, rate, latency, commands)


def _processes(report: MemoryReport) -> Iterator[Metric]:
    """The processes with their unique memory, which the system would get back if the process ended."""
    help = "Unique memory of the engine's process and of each worker."
    each = _gauge("rookery_process_memory_bytes", help, ("kind", "process"))
    for kind, process in (("engine", report.engine), *(("worker", worker) for worker in report.workers)):
        each.add_metric((kind, process.id), process.unique)
    yield each
    yield _single("rookery_memory_bytes", "Unique memory of all processes together.", report.total)
    yield _single("rookery_memory_limit_bytes", "What all processes together may use.", report.limit)
    yield _single("rookery_workers", "Worker processes.", len(report.workers))


def _this_process() -> Iterator[Metric]:
    """Metrics of this process under the names that every Prometheus client uses, so that common dashboards find them.
    The library's own process collector works on Linux only, and reports nothing where /proc is hidden."""
    process = psutil.Process()
    with process.oneshot():
        times = process.cpu_times()
        used = times.user + times.system
        yield CounterMetricFamily("process_cpu_seconds", "CPU time of this process.", used, unit="seconds")
        yield _single("process_resident_memory_bytes", "Resident memory.", process.memory_info().rss)
        yield _single("process_open_fds", "Open file descriptors.", process.num_fds())
        yield _single("process_max_fds", "How many may be open.", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        yield _single("rookery_threads", "Threads of this process.", process.num_threads())
    labels = {"version": version("rookery"), "python": python_version()}
    yield InfoMetricFamily("rookery_build", "1; the labels say what runs.", labels)


def _gauge(name: str, help: str, labels: Sequence[str] = ()) -> GaugeMetricFamily:
    last = name.rpartition("_")[2]
    return GaugeMetricFamily(name, help, labels=labels, unit=last if last in UNITS else "")


def _single(name: str, help: str, value: float) -> Metric:
    family = _gauge(name, help)
    family.add_metric((), float(value))
    return family
