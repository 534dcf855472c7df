"""The engine's numbers in the text form of Prometheus (exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rookery import Engine
from rookery.features.operations import EngineHealth
from rookery.telemetry import BUCKETS, COUNTERS, DURATIONS, Histogram

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def exposition(engine: Engine) -> str:
    """Everything, counted just now."""
    return "\n".join([*_counters(engine), *_durations(engine), *_gauges(await engine.health())]) + "\n"


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


def _gauges(health: EngineHealth) -> Iterator[str]:
    yield from _head("rookery_sessions", "gauge", "Stored sessions by platform and status.")
    for platform, statuses in health.sessions.items():
        for status, number in statuses.items():
            yield f"rookery_sessions{_labels(('platform', 'status'), (platform, status))} {number}"
    single: Mapping[str, tuple[str, float]] = {
        "rookery_sessions_running": ("Sessions whose task runs on this instance.", health.running),
        "rookery_sessions_connected": ("Sessions that are connected on this instance.", health.connected),
        "rookery_pending_deliveries": ("Webhook deliveries that wait.", health.pending_deliveries),
        "rookery_dead_letters": ("Webhook deliveries that were given up.", health.dead_letters),
        "rookery_started_at_seconds": ("When this instance started, seconds since the epoch.", health.started_at),
        "rookery_ready": ("1 when this instance takes work.", health.ready),
    }
    for name, (help, value) in single.items():
        yield from _head(name, "gauge", help)
        yield f"{name} {float(value):.15g}"
