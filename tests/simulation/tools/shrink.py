"""Makes a failing life shorter: leaves out faults as long as the same thing goes wrong."""

from __future__ import annotations

import re

from ..life import Result, live


def kind_of(violation: str) -> str:
    """A violation without its numbers and names: what went wrong, not where."""
    return re.sub(r"[0-9a-f]*\d[\w.:-]*", "#", violation)


def shrink(result: Result, *, on_file: bool = False) -> Result:
    """The life with the fewest faults that still fails in the same way, as far as leaving out one or many at a time goes."""
    wanted = kind_of(result.violations[0])
    faults = list(result.faults)
    size = max(1, len(faults) // 2)
    while True:
        start, shorter = 0, False
        while start < len(faults):
            fewer = faults[:start] + faults[start + size :]
            tried = live(result.seed, fewer, on_file=on_file)
            if any(kind_of(violation) == wanted for violation in tried.violations):
                faults, result, shorter = fewer, tried, True
            else:
                start += size
        if size == 1 and not shorter:
            return result
        size = max(1, size // 2)
