"""Charts and tables of the storm and of the soak."""

from __future__ import annotations

from typing import Any

from .chart import Bar, Line, Rendered, Target, bar_chart, line_charts, markdown

LABELS = {
    "cpu": "CPU, % of a core",
    "server_mib": "memory of the server, MiB",
    "workers_mib": "memory of the workers, MiB",
    "workers": "workers",
    "tasks": "tasks",
    "fds": "descriptors of the server",
    "worker_fds": "descriptors of the workers",
    "threads": "threads of the server",
    "worker_threads": "threads of the workers",
    "data_mib": "database on disk, MiB",
}


def storm(result: dict[str, Any]) -> Rendered:
    """Each quantity after the storm, in percent of the same before it."""
    before, after = result["before"], result["after"]
    bars = [
        Bar(label, 100 * after[name] / before[name], f"{before[name]:.1f} → {after[name]:.1f}", ours=True)
        for name, label in LABELS.items()
        if before.get(name)
    ]
    chart = bar_chart("At rest after the storm, % of before", result["title"], bars, Target(100, "before"))
    attempts = result["attempts"]
    facts = {
        "strikes, of kinds": f"{sum(result['strikes'].values())}, {len(result['strikes'])}",
        "sessions hit, one after another": f"{sum(result['hit'].values()):,}",
        "connected at the worst moment": f"{result['lowest']} of {result['sessions']}",
        "back without help": f"{result['sessions'] - len(result['down'])} of {result['sessions']}",
        "s after the last fault until each had received a text": f"{result['recovered_s']:.1f}",
        "attempts to connect": f"{attempts['all']:,}",
        "most of them in a window, of those that the guard allows": f"{attempts['most']:.0f} of {attempts['allowed']:.0f}",
    }
    for platform, (written, lost, twice) in result["texts"].items():
        facts[f"texts of {platform}: written, lost, stored twice"] = f"{written:,}, {lost}, {twice}"
    facts["sends"] = ", ".join(f"{count:,} {state}" for state, count in result["sends"].items())
    levels = [
        [label, f"{before[name]:.1f}", f"{after[name]:.1f}", "yes" if result["back"][name] else "no"]
        for name, label in LABELS.items()
        if name in before
    ]
    struck = [[name, str(count), str(result["hit"][name])] for name, count in sorted(result["strikes"].items())]
    table = markdown(["the storm", ""], [[label, text] for label, text in facts.items()])
    table += "\n" + markdown(["at rest", "before", "after", "back"], levels)
    faults = markdown(["fault", "strikes", "sessions hit"], struck)
    table += f"\n<details><summary>Every kind of fault</summary>\n\n{faults}\n</details>\n"
    return chart, table


def soak(result: dict[str, Any]) -> Rendered:
    """Each quantity at every rest, and its slope."""
    verdicts = result["verdicts"]
    start = result["readings"][0]["at"]
    lines = [
        Line(
            LABELS[name],
            [((reading["at"] - start) / 60, reading[name]) for reading in result["readings"]],
            f"{found['first']:.0f} → {found['last']:.0f}",
        )
        for name, found in verdicts.items()
    ]
    note = f"at each of {len(result['readings'])} rests, each line from zero; over {result['minutes']:g} minutes"
    rows = [
        [
            LABELS[name],
            *(f"{found[key]:.1f}" for key in ("first", "last", "most")),
            f"{found['slope']:+.1f}",
            f"{found['low']:+.1f} to {found['high']:+.1f}",
            "yes" if found["holds"] else "no",
        ]
        for name, found in verdicts.items()
    ]
    columns = ["at rest", "first", "last", "most", "slope an hour", "95 %", "holds"]
    done = ", ".join(f"{count:,} {name}" for name, count in sorted(result["done"].items()))
    table = markdown(columns, rows) + f"\nDone meanwhile: {done}; {result['deliveries']['taken']:,} deliveries.\n"
    return line_charts(result["title"], note, lines), table
