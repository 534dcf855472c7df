"""Tables, saved results and the facts about the machine."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent.parent / "results"


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], note: str = "") -> None:
    """Print a table, with rich if it is installed; the first column is text, the others are numbers."""
    cells = [[str(cell) for cell in row] for row in rows]
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        widths = [max(len(row[i]) for row in [list(columns), *cells]) for i in range(len(columns))]
        print(f"\n{title}")
        for row in [list(columns), *cells]:
            print("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))))  # noqa: B905
    else:
        grid = Table(title=title, title_justify="left", header_style="bold", title_style="bold")
        for number, column in enumerate(columns):
            grid.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
        for row in cells:
            grid.add_row(*row)
        console = Console()
        print()
        (console if console.is_terminal else Console(width=150)).print(grid)
    if note:
        print(note)


def spread(values: Sequence[float], form: str = ",.0f") -> str:
    """`median (lowest-highest)`."""
    middle = format(statistics.median(values), form)
    if len(values) < 2:
        return middle
    return f"{middle} ({min(values):{form}}-{max(values):{form}})"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` (0 to 1) of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, int(-(-share * len(ordered) // 1)) - 1))]


def machine() -> dict[str, Any]:
    """Facts that figures depend on; no names."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": model,
        "python": platform.python_version(),
        "kernel": platform.release().split("-")[0],
        "load": round(os.getloadavg()[0], 1),
        "date": time.strftime("%Y-%m-%d"),
    }


def save(name: str, result: dict[str, Any]) -> Path:
    """Write `results/<name>.json` with the machine's facts."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(), **result}, indent=1) + "\n")
    return path
