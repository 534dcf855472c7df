"""Counts the instructions of small fixed pieces and compares them with stored counts: `python bench/smoke/counts.py`.

The counts do not depend on the load of the machine, so 10 % more is a real change. They do depend on the build of Python and
its libraries: they are stored for one interpreter, and compared with that one only. Needs valgrind; without it, or with
another interpreter, it says so and ends with 0.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

STORED = Path(__file__).parents[1] / "results" / "smoke.json"
TOLERANCE = 0.10
SECONDS = 300
TOTALS = re.compile(r"^totals: (\d+)", re.M)


def interpreter() -> str:
    """What the counts depend on, beside our own code."""
    return f"{platform.python_implementation()} {platform.python_version()} {platform.machine()} {platform.python_compiler()}"


def measure() -> dict[str, int]:
    """Instructions of each piece: the least, of one that is counted several times."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory, "counts")
        done = subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                "--instr-atstart=no",
                f"--callgrind-out-file={out}",
                sys.executable,
                str(Path(__file__).parent / "pieces.py"),
            ],
            env={**os.environ, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"the pieces ended with {done.returncode}:\n{done.stderr[-3000:]}")
        names = done.stdout.splitlines()
        dumps = [Path(f"{out}.{number}").read_text() for number in range(1, len(names) + 1)]
        found: dict[str, int] = {}
        for name, dump in zip(names, dumps, strict=True):
            count = int(TOTALS.findall(dump)[-1])
            found[name] = min(count, found.get(name, count))
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--save", action="store_true", help="store the counts for this interpreter")
    options = parser.parse_args()
    if shutil.which("valgrind") is None or shutil.which("callgrind_control") is None:
        print("valgrind is not installed: no instructions are counted")
        return 0
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    if not options.save and stored.get("interpreter") != interpreter():
        print(f"no counts are stored for {interpreter()}, only for {stored.get('interpreter')}: nothing is compared")
        return 0
    found = measure()
    if options.save:
        STORED.write_text(json.dumps({"interpreter": interpreter(), "instructions": found}, indent=1) + "\n")
    worse = []
    for name, count in found.items():
        before = stored.get("instructions", {}).get(name)
        ratio = count / before if before else 1.0
        print(f"{name:32} {count:>14,} instructions   {ratio:.3f} of what is stored")
        if ratio > 1 + TOLERANCE:
            worse.append(name)
        elif ratio < 1 - TOLERANCE:
            print(f"{name} became cheaper: run with --save, so that it stays so")
    if worse and not options.save:
        print(f"more than {TOLERANCE:.0%} above what is stored: {', '.join(worse)}; if that is meant, run with --save")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
