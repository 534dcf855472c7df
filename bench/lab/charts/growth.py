"""Charts and tables of the benches of what grows: with the log, and with the number of sessions."""

from __future__ import annotations

from typing import Any

from .chart import Bar, Line, Rendered, Target, bar_chart, line_charts, markdown


def growth(result: dict[str, Any]) -> Rendered:
    """First pages on the long log by their time on the short one; then what a writer waits for."""
    medians = {name: (short[0], long[0]) for name, (short, long) in result["pages"].items()}
    bars = [
        Bar(name, long / short, f"{long / short:.2f}   {long:.2f} ms", ours=True)
        for name, (short, long) in medians.items()
    ]
    table = markdown(
        ["first page", "ms", "ms, long log", "ratio"],
        [[name, f"{short:.2f}", f"{long:.2f}", f"{long / short:.2f}"] for name, (short, long) in medians.items()],
    )
    waits = [
        [f"{label}: {name} deleted", *[f"{one[key][which]:.1f}" for which in ("p50", "p99", "max")]]
        for name, one in result["retention"].items()
        for key, label in (("waits", "a write waits"), ("held", "the writer is held"), ("worked", "CPU time of that"))
        if key in one
    ]
    table += "\n" + markdown(["ms", "p50", "p99", "max"], waits)
    title = f"First pages: {result['events']:,} events in the log"
    return bar_chart(title, "time on the long log / time on a short one", bars, Target(1.5, "limit 1.5")), table


def costs(result: dict[str, Any]) -> Rendered:
    """Each figure over the number of sessions, which are equally far apart."""
    lines, rows = [], []
    for events, cells in result["cells"].items():
        for name, label in result["figures"].items():
            values = [cell[name] for cell in cells.values()]
            lines.append(
                Line(
                    f"{label.removeprefix('CPU ')}{', long log' if events != '0' else ''}",
                    list(enumerate(values)),
                    f"{values[0]:,.0f} to {values[-1]:,.0f}",
                )
            )
            rows.append([f"{label}, {int(events):,} events", *[f"{value:,.1f}" for value in values]])
    sessions = [f"{int(bots):,}" for bots in next(iter(result["cells"].values()))]
    table = markdown(["sessions", *sessions], rows)
    waiting = [
        [f"{int(count):,}", f"{found['send']:,.0f}", f"{found['schedule']:,.0f}"]
        for count, found in result["queued"].items()
    ]
    table += "\n" + markdown(
        ["sends that wait, one session", "CPU µs a send", "CPU µs a send stored for later"], waiting
    )
    note = f"at {', '.join(sessions)} sessions; each line from zero to its own most"
    return line_charts(result["title"], note, lines), table
