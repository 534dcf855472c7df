"""A few lives in every run of the tests; `.ci/run` simulates hundreds of new ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simulation.faults import RARE
from simulation.life import live
from simulation.tools.campaign import Summary, known_failures, some
from simulation.tools.mutants import MUTANTS
from simulation.tools.report import reached
from simulation.tools.shrink import kind_of, shrink

ROOT = Path(__file__).parents[2]
FIRST = 200
SECONDS = 60.0
"""For these lives; at least a few are lived on the slowest machine. The gate lives new ones."""

MUTANTS_AT_LEAST = 25
"""A change of the engine may make some of them stale; their texts are mended with the next run of the mutation check."""

QUICKLY_FOUND = {
    "a shutdown disables its sessions": 1,
    "an update is confirmed before it is stored": 1,
}
"""Planted faults by a seed that finds them; docs/simulation.md has all."""


@pytest.mark.parametrize("seed", known_failures())
def test_a_life_that_once_failed_does_not_fail_again(seed: int) -> None:
    assert live(seed).violations == []


def test_a_life_of_one_engine_on_a_file_breaks_no_invariant() -> None:
    result = live(7, on_file=True)
    assert result.violations == []
    assert result.counts["stored"] > 0


@pytest.mark.slow
def test_some_lives_break_no_invariant() -> None:
    summary = some(range(FIRST, FIRST + 3))
    summary.add(some(range(FIRST + 3, FIRST + 22), time.monotonic() + SECONDS))
    assert summary.failed == {}, "python -m tests.simulation --seed N tells the story; put N into failed_seeds.txt"
    assert summary.counts["stored"] > 0
    assert summary.counts["deliveries"] > 0


ELSEWHERE = (
    {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C.UTF-8"},
    {"PYTHONHASHSEED": "2", "TZ": "Asia/Kathmandu", "LC_ALL": "C"},
)
"""Environments of other machines: the order of hashes, the time zone, the locale."""


def test_the_same_seed_gives_the_same_story_on_every_machine(tmp_path: Path) -> None:
    program = "from simulation.life import live; print(*(live(seed).digest for seed in (5, 6)))"
    shifted = ["faketime", "-f", "+400d"] if shutil.which("faketime") else []
    places: tuple[tuple[Path, list[str]], ...] = (
        (ROOT / "tests", []),
        (tmp_path, shifted),
    )  # another directory, another day
    stories = {
        subprocess.run(
            [*before, sys.executable, "-c", program],
            cwd=directory,
            env=os.environ | environment | {"PYTHONPATH": str(ROOT / "tests")},
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        ).stdout
        for environment, (directory, before) in zip(ELSEWHERE, places, strict=True)
    }
    assert len(stories) == 1


def test_planted_faults_fit_the_code() -> None:
    stale = []
    for mutant in MUTANTS:
        try:
            with mutant.planted():
                pass
        except LookupError as error:
            stale.append(str(error))
    assert len(MUTANTS) - len(stale) >= MUTANTS_AT_LEAST, "\n".join(stale)


@pytest.mark.parametrize(("name", "seed"), QUICKLY_FOUND.items())
def test_a_planted_fault_is_found(name: str, seed: int) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    with mutant.planted():
        assert live(seed).violations


def test_a_failing_life_is_shortened_to_the_faults_that_it_needs() -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "a shutdown disables its sessions")
    with mutant.planted():
        result = live(1)
        short = shrink(result)
    assert kind_of(short.violations[0]) == kind_of(result.violations[0])
    assert len(short.faults) <= 2 < len(result.faults)


def test_the_report_names_the_arrows_and_reasons_that_no_life_reached() -> None:
    summary = Summary()
    summary.arrows["CONNECTED/CONNECTED", "RECONNECTING/NETWORK"] = 3
    summary.meetings["kill", "CONNECTED"] = 1
    arrows, reasons, faults = reached(summary)
    never = arrows.partition("; never: ")[2].split(", ")
    assert "CODE_REQUIRED -> LOADING" in never
    assert "CONNECTED -> RECONNECTING" not in never
    assert "DISCONNECTED/BANNED" in reasons
    assert "RECONNECTING/NETWORK" not in reasons
    assert faults.startswith("faults in statuses: 1 of ")


def test_every_kind_of_rare_fault_is_survived() -> None:
    summary = Summary()
    for number, kind in enumerate(RARE):
        summary.add(some([number], focus={kind}, brief=True))
    assert summary.failed == {}
    states = {other for _, other in summary.arrows}
    assert {"CODE_REQUIRED/PAIRING", "DISCONNECTED/BANNED", "DISCONNECTED/PASSKEY_REQUIRED"} <= states
