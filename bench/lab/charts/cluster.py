"""Charts and tables of the benches that run on PostgreSQL."""

from __future__ import annotations

import statistics
from typing import Any

from .chart import Bar, Rendered, bar_chart, markdown

LABELS = {
    "stall": "stalled, longer than a lease",
    "short stall": "stalled, shorter",
    "freeze": "frozen, longer than a lease",
    "PostgreSQL": "PostgreSQL restarted",
}


def cluster(result: dict[str, Any]) -> Rendered:
    """Seconds that a bot was without a poll, by what happened to its process."""
    bars, rows = [], []
    for kind, found in result["takeover"].items():
        label = LABELS.get(kind, kind)
        bars.append(Bar(label, found["max"], f"{found['p50']:.2f} s, max {found['max']:.2f} s", ours=True))
        rows.append(
            [label, str(found["blows"]), f"{found['bots']:,}", *[f"{found[n]:.2f}" for n in ("p50", "p95", "max")]]
        )
    counts = result["counts"]
    names = {
        "pushed": "updates",
        "stored": "stored",
        "lost": "lost",
        "twice": "twice",
        "out_of_order": "out of order",
        "conflicts": "409 answers",
        "overlaps": "overlapping polls",
        "accepted": "sends",
        "sent_twice": "sent twice",
        "sent_lost": "sends lost",
        "sent_sending": "still sending",
        "sent_unknown": "told as unknown",
    }
    table = markdown(["seconds without a poll", "times", "bots", "p50", "p95", "max"], rows)
    names = {name: label for name, label in names.items() if name in counts}  # older results count less
    table += "\n" + markdown(list(names.values()), [[f"{counts[name]:,}" for name in names]])
    return bar_chart("Chaos: time without a poll", f"the longest; {result['title']}", bars), table


def store(result: dict[str, Any]) -> Rendered:
    """Events a second and the time of a commit, beside plain asyncpg."""
    bars, rows = [], []
    for part in ("single", "batch"):
        title, runs = result[part]["title"], result[part]["runs"]
        peer = statistics.median(run["rate"] for run in runs["plain asyncpg"])
        for name, each in runs.items():
            rates = [run["rate"] for run in each]
            rate = statistics.median(rates)
            text = f"{rate:,.0f}/s   {rate / peer:.2f}×"
            ours = name != "plain asyncpg"
            bars.append(Bar(f"{name}, {'1' if part == 'single' else '100'}", rate, text, ours, min(rates), max(rates)))
            p50, p99 = (statistics.median(run[key] for run in each) for key in ("p50", "p99"))
            spread = f"{min(rates):,.0f}-{max(rates):,.0f}"
            rows.append([f"{name}: {title}", f"{rate:,.0f}", spread, f"{rate / peer:.2f}", f"{p50:.2f}", f"{p99:.2f}"])
    columns = ["", "events/s", "range", "× plain asyncpg", "commit p50 ms", "commit p99 ms"]
    chart = bar_chart("Events stored per second", "events a commit: 1 or 100; median and range; × plain asyncpg", bars)
    return chart, markdown(columns, rows)
