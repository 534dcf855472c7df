"""The short form of `bench/cluster.py`: kills, stops, stalls, freezes, a wrong clock, PostgreSQL restarted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.storage import LONG

BENCH = Path(__file__).parents[2] / "bench" / "cluster.py"
SHORT = ["--minutes", "0.6", "--bots", "45", "--rate", "30", "--sends", "5", "--pause", "1", "3", "--quick"]


@pytest.mark.slow
def test_chaos(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [sys.executable, str(BENCH), *([] if LONG else SHORT), "--logs", "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2000:]
    found = json.loads(figures.read_text())
    counts, takeover = found["counts"], found["takeover"]
    assert counts["pushed"] == counts["stored"] > 0
    assert counts["sent_twice"] == counts["sent_sending"] == counts["sent_queued"] == 0
    assert (counts["lost"], counts["twice"], counts["conflicts"], counts["overlaps"]) == (0, 0, 0, 0)
    assert {"kill -9", "SIGTERM", "stall", "short stall", "freeze", "PostgreSQL"} == takeover.keys()
    print("\n" + done.stdout[done.stdout.index("3 processes") :])
