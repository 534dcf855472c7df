"""The engine's numbers in the text form of Prometheus (exposition format 0.0.4)."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from platform import python_version

import psutil

from rookery import Engine
from rookery.features.operations import EngineHealth
from rookery.memory_facts import MemoryReport
from rookery.telemetry import BUCKETS, COUNTERS, DURATIONS, Histogram

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def exposition(engine: Engine) -> str:
    """Everything, counted just now."""
    gauges = _gauges(await engine.health(), time.time())
    return (
        "\n".join([*_counters(engine), *_durations(engine), *gauges, *_memory(await engine.memory()), *_process()])
        + "\n"
    )


def _labels(names: tuple[str, ...], values: tuple[str, ...], **more: str) -> str:
    pairs = [*zip(names, values, strict=True), *more.items()]
    if not pairs:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs) + "}"


def _escaped(value: str) -> str:
    return str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _head(name: str, kind: str, help: str) -> Iterator[str]:
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} {kind}"


def _counters(engine: Engine) -> Iterator[str]:
    for name, (help, labels) in COUNTERS.items():
        full = f"rookery_{name}_total"
        yield from _head(full, "counter", help)
        for values, number in list(engine.telemetry.counters[name].items()):
            yield f"{full}{_labels(labels, values)} {number:g}"


def _durations(engine: Engine) -> Iterator[str]:
    for name, (help, labels) in DURATIONS.items():
        full = f"rookery_{name}_seconds"
        yield from _head(full, "histogram", help)
        for values, histogram in list(engine.telemetry.durations[name].items()):
            yield from _histogram(full, labels, values, histogram)


def _histogram(name: str, labels: tuple[str, ...], values: tuple[str, ...], histogram: Histogram) -> Iterator[str]:
    total = 0
    for bound, number in zip((*(f"{bound:g}" for bound in BUCKETS), "+Inf"), histogram.counts, strict=True):
        total += number
        yield f"{name}_bucket{_labels(labels, values, le=bound)} {total}"
    yield f"{name}_sum{_labels(labels, values)} {histogram.total:.6f}"
    yield f"{name}_count{_labels(labels, values)} {total}"


def _gauges(health: EngineHealth, now: float) -> Iterator[str]:
    yield from _head("rookery_sessions", "gauge", "Stored sessions by platform and status.")
    for platform, statuses in health.sessions.items():
        for status, number in statuses.items():
            yield f"rookery_sessions{_labels(('platform', 'status'), (platform, status))} {number}"
    single: Mapping[str, tuple[str, float]] = {
        "rookery_sessions_running": ("Sessions whose task runs on this instance.", health.running),
        "rookery_sessions_connected": ("Sessions that are connected on this instance.", health.connected),
        "rookery_pending_deliveries": ("Webhook deliveries that wait.", health.pending_deliveries),
        "rookery_dead_letters": ("Webhook deliveries that were given up.", health.dead_letters),
        "rookery_oldest_delivery_age_seconds": (
            "How long the oldest event waits for a webhook; 0 when none does.",
            0.0 if health.oldest_delivery is None else max(0.0, now - health.oldest_delivery),
        ),
        "rookery_sessions_paused": ("Sessions of this instance whose backlog pauses their receiving.", health.paused),
        "rookery_leases": ("Sessions that this instance holds the lease of.", health.running),
        "rookery_tasks": ("Tasks of this instance.", health.tasks),
        "rookery_started_at_seconds": ("When this instance started, seconds since the epoch.", health.started_at),
        "rookery_ready": ("1 when this instance takes work.", health.ready),
    }
    for name, (help, value) in single.items():
        yield from _single(name, "gauge", help, value)


def _single(name: str, kind: str, help: str, value: float) -> Iterator[str]:
    yield from _head(name, kind, help)
    yield f"{name} {float(value):.15g}"


def _memory(report: MemoryReport) -> Iterator[str]:
    """Unique memory: what would be free if the process ended."""
    yield from _head(
        "rookery_process_memory_bytes", "gauge", "Unique memory of the engine's process and of each worker."
    )
    for kind, process in [("engine", report.engine), *(("worker", worker) for worker in report.workers)]:
        yield f"rookery_process_memory_bytes{_labels(('kind', 'process'), (kind, process.id))} {process.unique}"
    yield from _single("rookery_memory_bytes", "gauge", "Unique memory of all processes together.", report.total)
    yield from _single("rookery_memory_limit_bytes", "gauge", "What all processes together may use.", report.limit)
    yield from _single("rookery_workers", "gauge", "Worker processes.", len(report.workers))


def _process() -> Iterator[str]:
    """Under the names that Prometheus' own client libraries use, so that common dashboards find them."""
    process = psutil.Process()
    with process.oneshot():
        times = process.cpu_times()
        yield from _single(
            "process_cpu_seconds_total", "counter", "CPU time of this process.", times.user + times.system
        )
        yield from _single("process_resident_memory_bytes", "gauge", "Resident memory.", process.memory_info().rss)
        yield from _single("process_open_fds", "gauge", "Open file descriptors.", process.num_fds())
        yield from _single(
            "process_max_fds", "gauge", "How many may be open.", resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        )
        yield from _single("rookery_threads", "gauge", "Threads of this process.", process.num_threads())
    yield from _head("rookery_build_info", "gauge", "1; the labels say what runs.")
    values = (version("rookery"), python_version())
    yield f"rookery_build_info{_labels(('version', 'python'), values)} 1"
