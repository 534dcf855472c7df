"""Runs a bench of `bench/` in its short form (the whole one where `ROOKERY_TEST_LONG` is set) and reads its figures."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from support.storage import LONG

BENCH = Path(__file__).parents[3] / "bench"


class Run(msgspec.Struct, frozen=True):
    """`said` is the end of what it printed, for the message of a failed assertion."""

    figures: Any
    output: str
    said: str
    exit_code: int


def run_bench(name: str, short: Mapping[str, float], *more: str, figures: Path, seconds: float) -> Run:
    """Run `bench/NAME.py` with the options `short` and `more`; `figures` is the file that it writes."""
    options = [] if LONG else [str(part) for option in short.items() for part in option]
    command = [sys.executable, str(BENCH / f"{name}.py"), *options, *more, "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    said = done.stdout[-10_000:] + done.stderr[-5000:]
    assert figures.exists(), said
    return Run(json.loads(figures.read_text()), done.stdout, said, done.returncode)
