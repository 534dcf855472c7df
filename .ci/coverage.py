"""Print how many lines the tests reached in their own processes, and fail below the floor.

    python .ci/coverage.py coverage.json

Code that only runs in processes which tests start (the commands, workers of WhatsApp, servers that get killed) counts as not
reached; `nox -s coverage` follows those too, and takes much longer.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

FLOOR = 88.0
"""Percent of all lines; it only rises."""


def main() -> int:
    """The exit code."""
    report = json.loads(Path(sys.argv[1]).read_text())
    lines: Counter[tuple[str, str]] = Counter()
    for name, file in report["files"].items():
        package = "/".join(Path(name).parts[:2])
        for kind in ("executed_lines", "missing_lines"):
            lines[package, kind] += len(file[kind])
    for package in sorted({package for package, _ in lines}):
        reached = lines[package, "executed_lines"]
        print(f"{100 * reached / max(1, reached + lines[package, 'missing_lines']):5.1f} %  {package}")
    percent = report["summary"]["percent_covered"]
    print(f"{percent:5.1f} %  of all lines reached in the tests' own processes; the floor is {FLOOR:.1f} %")
    return 0 if percent >= FLOOR else 1


if __name__ == "__main__":
    raise SystemExit(main())
