"""`python -m tests.simulation`: lives many seeds, or one with its story."""

from __future__ import annotations

import argparse
import gc
import time
from collections import Counter

from .life import LIFE, live


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    if options.seed is not None:
        result = live(options.seed)
        print(result.text, end="")
        print("\n".join(result.violations) or "nothing is wrong")
        return bool(result.violations)
    gc.disable()  # a quarter of the time; a life leaves little behind
    began, failed = time.perf_counter(), 0
    total: Counter[str] = Counter()
    for seed in range(options.first, options.first + options.seeds):
        result = live(seed)
        if not seed % 20:
            gc.collect()
        total.update(result.counts)
        if result.violations:
            failed += 1
            print(seed, result.violations[:3])
    took = time.perf_counter() - began
    print(
        f"{options.seeds} lives, {failed} failed, {took / options.seeds:.2f} s each, {options.seeds * LIFE / 3600 / took:.2f} h/s"
    )
    print(dict(total))
    return bool(failed)


if __name__ == "__main__":
    raise SystemExit(main())
