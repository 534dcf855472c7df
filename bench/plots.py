"""Charts and tables from the saved results: `python bench/plots.py`.

Reads `results/*.json` (the scripts write them with `--save`), writes a chart beside each, and renews the tables of
`README.md` between its markers.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.charts.chart import Bar, Rendered, Target, bar_chart, markdown
from lab.charts.cluster import cluster, store
from lab.charts.delivery import latency, sinks, streams, webhooks
from lab.charts.growth import costs, growth
from lab.charts.resilience import soak, storm
from lab.report import RESULTS

README = Path(__file__).parent / "README.md"


def throughput(result: dict[str, Any]) -> Rendered:
    """Rates, with their ratio to the faster peer."""
    best = result["median"][result["best_peer"]]
    bars, rows = [], []
    for name, runs in result["runs"].items():
        rates = [run["rate"] for run in runs]
        rate = statistics.median(rates)
        bars.append(
            Bar(name, rate, f"{rate:,.0f}/s   {rate / best:.2f}×", name == "Rookery", low=min(rates), high=max(rates))
        )
        client, server = (statistics.median(run[key] for run in runs) for key in ("client_us", "server_us"))
        spread = f"{min(rates):,.0f}-{max(rates):,.0f}"
        rows.append([name, f"{rate:,.0f}", spread, f"{rate / best:.2f}", f"{client:,.0f}", f"{server:,.0f}"])
    note = "median and range of interleaved runs; × is relative to the faster peer's best way of working"
    columns = ["client", "median/s", "range", "× faster peer", "client CPU µs each", "server CPU µs each"]
    return bar_chart(result["title"], note, bars), markdown(columns, rows)


def idle(result: dict[str, Any]) -> Rendered:
    """Memory per bot; the rest is in the table."""
    bars, rows = [], []
    for name, found in result["clients"].items():
        for bots, one in found.items():
            if bots == "baseline_kib":
                continue
            each = one["kib_per_bot"]
            bars.append(Bar(f"{name}, {int(bots):,}", each, f"{each:,.0f} KiB", name == "Rookery"))
            rows.append(
                [
                    name,
                    f"{int(bots):,}",
                    f"{each:,.0f}",
                    f"{one['kib_per_bot_after_burst']:,.0f}",
                    f"{found['baseline_kib'] / 1024:.0f}",
                    f"{one['uss_kib_after'] / 1024:,.0f}",
                    f"{one['cpu_percent']:.2f}",
                    f"{one['connected_s']:.1f}",
                    f"{one['burst_s']:.2f}",
                ]
            )
    columns = [
        "client",
        "bots",
        "KiB per bot",
        "after a message each",
        "MiB with one bot",
        "MiB with",
        "CPU % of a core",
        "s until all poll",
        "s message to all",
    ]
    chart = bar_chart(
        "Unique memory per idle bot", "less the same process with one bot", bars, Target(150, "target 150")
    )
    return chart, markdown(columns, rows)


def restore(result: dict[str, Any]) -> Rendered:
    """Seconds."""
    labels = {
        "connected_s": "process start to all CONNECTED",
        "from_open_s": "engine open to all CONNECTED",
        "cpu_s": "CPU of it",
        "shutdown_s": "SIGTERM to process end",
    }
    bars, rows = [], []
    for key, label in labels.items():
        values = [run[key] for run in result["runs"]]
        value = statistics.median(values)
        bars.append(Bar(label, value, f"{value:.2f} s", ours=True, low=min(values), high=max(values)))
        rows.append([label, f"{value:.2f}", f"{min(values):.2f}-{max(values):.2f}", f"{result['created'][key]:.2f}"])
    chart = bar_chart(result["title"], "median and range; targets: restore 10 s, shutdown 8 s", bars)
    return chart, markdown(["seconds", "median", "range", "first start, creating them"], rows)


def handoff(result: dict[str, Any]) -> Rendered:
    """Milliseconds."""
    bars = [Bar(name, value, f"{value:.0f} ms", ours=True) for name, value in result["figures"].items()]
    counts = {name.replace("_", " "): f"{value:,}" for name, value in result["counts"].items()}
    figures = result["figures"]
    table = markdown(["gap of a bot, ms", *figures], [["", *[f"{value:.0f}" for value in figures.values()]]])
    table += "\n" + markdown(list(counts), [list(counts.values())])
    return bar_chart("Handoff: time without a poll", result["title"], bars), table


def transport(result: dict[str, Any]) -> Rendered:
    """CPU per request."""
    bars, rows = [], []
    for name, runs in result["runs"].items():
        values = [run["cpu_us"] for run in runs]
        value = statistics.median(values)
        bars.append(Bar(name, value, f"{value:,.0f} µs", name.startswith("Bot"), low=min(values), high=max(values)))
        rate = statistics.median(run["rate"] for run in runs)
        rows.append([name, f"{value:,.0f}", f"{min(values):,.0f}-{max(values):,.0f}", f"{rate:,.0f}"])
    chart = bar_chart("CPU time of one request", "sendMessage over plain HTTP; median and range", bars)
    return chart, markdown(["client", "CPU µs: median", "range", "requests/s"], rows)


RENDERERS: dict[str, Callable[[dict[str, Any]], Rendered]] = {
    "throughput-receive": throughput,
    "throughput-echo": throughput,
    "throughput-send": throughput,
    "idle": idle,
    "restore": restore,
    "handoff": handoff,
    "transport": transport,
    "cluster": cluster,
    "store": store,
    "webhooks": webhooks,
    "latency": latency,
    "sinks": sinks,
    "streams": streams,
    "storm": storm,
    "soak": soak,
    "growth": growth,
    "costs": costs,
}


def main() -> None:
    text = README.read_text()
    for name, render in RENDERERS.items():
        path = RESULTS / f"{name}.json"
        if not path.exists():
            continue
        result = json.loads(path.read_text())
        chart, table = render(result)
        (RESULTS / f"{name}.svg").write_text(chart)
        machine = result["machine"]
        facts = f"{machine['date']}, {machine['cores']} cores, Python {machine['python']}"
        section = (
            f"<!-- {name} -->\n![{result.get('title', name)}](results/{name}.svg)\n\n{table}\n{facts}\n<!-- end -->"
        )
        text, replaced = re.subn(rf"<!-- {name} -->.*?<!-- end -->", lambda _, s=section: s, text, flags=re.DOTALL)  # type: ignore[misc]
        print(f"{name}: {'chart and table' if replaced else 'chart; README.md has no place for its table'}")
    README.write_text(text)


if __name__ == "__main__":
    main()
