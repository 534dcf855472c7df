"""Charts and tables of the benches of webhooks, sinks and live streams."""

from __future__ import annotations

import statistics
from typing import Any

from .chart import Bar, Rendered, bar_chart, markdown


def webhooks(result: dict[str, Any]) -> Rendered:
    """Deliveries a second, beside loops of httpx."""
    peer = max(statistics.median(found) for name, found in result["runs"].items() if name.startswith("httpx"))
    bars, rows = [], []
    for name, found in result["runs"].items():
        rate = statistics.median(found)
        text = f"{rate:,.0f}/s   {rate / peer:.2f}×"
        bars.append(Bar(name, rate, text, name.startswith("Rookery"), min(found), max(found)))
        rows.append([name, f"{rate:,.0f}", f"{min(found):,.0f}-{max(found):,.0f}", f"{rate / peer:.2f}"])
    note = f"{result['title']}; median and range; × the faster loop"
    return bar_chart("Webhook deliveries per second", note, bars), markdown(
        ["", "deliveries/s", "range", "× faster loop"], rows
    )


def sinks(result: dict[str, Any]) -> Rendered:
    """Deliveries a second into each broker, beside a webhook."""
    base = statistics.median(result["runs"]["webhook"])
    bars, rows = [], []
    for name, found in result["runs"].items():
        rate = statistics.median(found)
        text = f"{rate:,.0f}/s   {rate / base:.2f}×"
        bars.append(Bar(name, rate, text, ours=True, low=min(found), high=max(found)))
        spent = statistics.median(result["cpu"][name])
        rows.append(
            [name, f"{rate:,.0f}", f"{min(found):,.0f}-{max(found):,.0f}", f"{rate / base:.2f}", f"{spent:,.0f}"]
        )
    note = f"{result['title']}; median and range; × the webhook"
    columns = ["into", "events/s", "range", "× webhook", "CPU µs each"]
    return bar_chart("Events per second into brokers", note, bars), markdown(columns, rows)


def streams(result: dict[str, Any]) -> Rendered:
    """Frames a second that reach readers; the lag is in the table."""
    labels = {"own": "each its own session", "all": "each everything"}
    bars, rows = [], []
    for mode, one in result["modes"].items():
        rate = one["frames_per_second"]
        bars.append(Bar(labels[mode], rate, f"{rate:,.0f}/s", ours=True))
        rows.append(
            [
                labels[mode],
                f"{one['rate']:,.0f}",
                f"{one['frames']:,}",
                f"{rate:,.0f}",
                f"{one['missing']}",
                f"{one['lag_median'] * 1000:,.0f}",
                f"{one['lag_99'] * 1000:,.0f}",
                f"{one['server_cpu'] / one['frames'] * 1e6:.1f}",
                f"{one['server_mib_before']:.0f}",
                f"{one['server_mib']:.0f}",
            ]
        )
    columns = ["readers want", "events/s", "frames", "frames/s", "missing", "lag p50 ms", "p99 ms"]
    columns += ["CPU µs a frame", "MiB at first", "MiB at most"]
    note = "server-sent events, 20 of the readers slow; one process stores and serves"
    return bar_chart(f"{result['title']}: frames per second", note, bars), markdown(columns, rows)


def latency(result: dict[str, Any]) -> Rendered:
    """Milliseconds at each share of the most; a bar is the median, and its range ends at the 99th percentile."""
    bars, rows = [], []
    for name, way in result.items():
        if name in ("machine", "title"):
            continue
        for share, one in way["latencies"].items():
            label = f"{name}, {float(share):.0%}"
            value = f"{one['p50']:.1f}, {one['p99']:.1f} ms"
            bars.append(Bar(label, one["p50"], value, ours=True, low=one["p50"], high=one["p99"]))
            rows.append([name, f"{float(share):.0%} of {way['most']:,.0f}/s", f"{one['count']:,}", value])
    chart = bar_chart(result["title"], "median, and a line to the 99th percentile", bars)
    return chart, markdown(["way", "load", "measured", "median, 99th percentile"], rows)
