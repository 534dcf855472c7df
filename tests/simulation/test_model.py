"""The written model of lease, handoff and confirmation, checked exhaustively by spin."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

MODEL = Path(__file__).with_name("lease.pml")

pytestmark = pytest.mark.skipif(
    shutil.which("spin") is None or shutil.which("gcc") is None, reason="needs spin and gcc (Debian packages)"
)


def check(directory: Path, *flags: str, liveness: bool = False) -> str:
    """Spin's report about the model with these definitions."""
    subprocess.run(["spin", *(f"-D{flag}" for flag in flags), "-a", str(MODEL)], cwd=directory, check=True, timeout=60)
    how = ["-DNFAIR=4"] if liveness else ["-DSAFETY", "-DNOCLAIM"]
    subprocess.run(["gcc", "-O1", "-w", *how, "-o", "pan", "pan.c"], cwd=directory, check=True, timeout=120)
    search = ["./pan", "-m400000", *(["-a", "-f"] if liveness else [])]
    return subprocess.run(search, cwd=directory, check=True, timeout=300, capture_output=True, text=True).stdout


def test_nothing_bad_happens_with_two_engines_one_session_and_three_updates(tmp_path: Path) -> None:
    report = check(tmp_path, "FAULTS=2", "STOPS=1")
    assert "errors: 0" in report
    states = re.search(r"(\d+) states, stored", report)
    print(f"states: {states and states[1]}")
    assert states is not None
    assert int(states[1]) > 100_000


def test_everything_is_delivered_in_the_end_once_faults_stop(tmp_path: Path) -> None:
    assert "errors: 0" in check(tmp_path, "FAULTS=1", "STOPS=1", liveness=True)


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        ("NOFENCE", "(owner==me)&&(fence==held[me])"),
        ("NOTIMER", "asking[(3-me)]&&running[(3-me)]"),
        ("NOMARGIN", "asking[(3-me)]&&running[(3-me)]"),
        ("EARLYCONFIRM", "stored[(wanted[e]-1)]"),
    ],
)
def test_a_mistake_in_the_model_is_found(tmp_path: Path, mistake: str, sentence: str) -> None:
    report = check(tmp_path, "FAULTS=3", "STOPS=1", mistake)
    assert "errors: 1" in report
    assert sentence in report
