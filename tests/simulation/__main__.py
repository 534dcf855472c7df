"""Lives of whole clusters, each decided by its seed.

python -m tests.simulation --seeds 10000 --jobs 2     many lives, and a table of what they met
python -m tests.simulation --new 300                  new lives, and all that ever failed
python -m tests.simulation --seed 4711                one life and its story
python -m tests.simulation --seed 4711 --shrink       the same with as few faults as still fail
python -m tests.simulation --mutants --seeds 1000     does the simulation find planted faults?
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Collection
from pathlib import Path

from .life import LIFE, live
from .tools.campaign import Summary, hunt, known_failures, run
from .tools.mutants import MUTANTS
from .tools.report import table
from .tools.shrink import shrink


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="tests.simulation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=100, help="how many lives")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument(
        "--new", type=int, help="so many seeds beginning with the present second, and all that ever failed"
    )
    parser.add_argument("--seed", type=int, help="only this life, with its story")
    parser.add_argument("--file", action="store_true", help="one engine on a SQLite file")
    parser.add_argument("--shrink", action="store_true", help="leave out faults that the failure does not need")
    parser.add_argument(
        "--mutants", nargs="*", help="plant faults: those whose names contain one of these words, or all"
    )
    parser.add_argument("--focus", nargs="*", default=(), help="kinds of faults of which a life mostly consists")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no life after that")
    parser.add_argument(
        "--state", type=Path, help="file that keeps what was reached; the same command goes on from there"
    )
    options = parser.parse_args()
    if options.state is not None and options.new is not None:
        parser.error("--state goes with seeds in order")
    if options.mutants is not None:
        return _mutants(options.mutants, options.first, options.seeds)
    if options.seed is not None:
        return _one(options.seed, short=options.shrink, on_file=options.file, focus=options.focus)
    first, count = options.first, options.seeds
    began = time.monotonic()
    seeds = list(range(first, first + count))
    if options.new is not None:
        first = int(time.time())
        seeds = [*known_failures(), *range(first, first + options.new)]
        print(f"new seeds from {first} on")
    before = Summary.load(options.state) if options.state else None

    def progress(summary: Summary) -> None:
        _progress(summary)
        if options.state:
            summary.save(options.state)

    summary = run(
        seeds, jobs=options.jobs, seconds=options.seconds, on_file=options.file, progress=progress, before=before
    )
    took = time.monotonic() - began
    print(table(summary))
    print(
        f"{summary.lives} lives, {len(summary.failed)} failed; {took:.0f} s, "
        f"{summary.lives * LIFE / 3600 / took:.2f} virtual hours a second, "
        f"{summary.lives * LIFE / 3600 / max(0.001, summary.cpu):.2f} a second of CPU, "
        f"{summary.cpu / max(1, summary.lives):.2f} s of CPU each"
    )
    for seed, violations in sorted(summary.failed.items()):
        print(f"seed {seed}: {violations[0]}")
    return bool(summary.failed)


def _progress(summary: Summary) -> None:
    failed = f", failed: {sorted(summary.failed)}" if summary.failed else ""
    hours = summary.lives * LIFE / 3600
    speed = f"{hours:.0f} virtual hours, {hours / max(0.001, summary.cpu):.2f} a second of CPU"
    print(f"{summary.lives} lives, {speed}{failed}", file=sys.stderr, flush=True)


def _one(seed: int, *, short: bool, on_file: bool, focus: Collection[str]) -> int:
    result = live(seed, on_file=on_file, focus=focus)
    if short and result.violations:
        result = shrink(result, on_file=on_file)
    print(result.text, end="")
    print(f"story {result.digest}")
    print("\n".join(result.violations) or "nothing is wrong")
    return bool(result.violations)


def _mutants(words: list[str], first: int, count: int) -> int:
    gc.disable()
    missed = 0
    for mutant in MUTANTS:
        if words and not any(word in mutant.name for word in words):
            continue
        try:
            found = hunt(mutant, range(first, first + count))
        except LookupError as error:
            found = None
            print(f"the code has changed: {error}", file=sys.stderr)
        missed += found is None
        focus = ", ".join(mutant.focus)
        print(
            f"| {mutant.name} | {focus} | {found[0] if found else '-'} | {found[1] if found else 'not found'} |",
            flush=True,
        )
    return bool(missed)


if __name__ == "__main__":
    raise SystemExit(main())
