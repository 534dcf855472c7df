"""The short form of `bench/soak.py`: at each rest there are as many tasks, file descriptors and threads as at the first."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from storage import LONG

BENCH = Path(__file__).parents[2] / "bench" / "soak.py"
SHORT = {
    "--minutes": 0.1,
    "--bots": 15,
    "--phones": 1,
    "--work": 2.5,
    "--warm": 0,
    "--first-rest": 1,
    "--keep": 4,
    "--rate": 30,
    "--tell": 1,
}
FLAT = ("tasks", "fds", "threads")
ROOM = 10.0  # MiB that caches may take in a run of seconds


@pytest.mark.slow
def test_nothing_grows(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [
        sys.executable,
        str(BENCH),
        *([] if LONG else [str(part) for option in SHORT.items() for part in option]),
        "--json",
        str(figures),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=4500, check=False)
    said = done.stdout[-10_000:] + done.stderr[-5000:]
    assert figures.exists(), said
    found = json.loads(figures.read_text())
    readings = found["readings"]
    assert len(readings) >= 3
    for name in FLAT:
        assert {reading[name] for reading in readings[1:]} <= set(range(int(readings[0][name]) + 1)), (name, said)
    assert readings[-1]["server_mib"] - readings[0]["server_mib"] < ROOM, said
    for name in ("write", "send", "restart", "stop and start", "come and go", "ask", "ask wrongly", "follow"):
        assert found["done"][name] > 0, name
    assert found["deliveries"]["taken"] > 0
    assert found["dead_letters"] == 0
    print("\n" + done.stdout)
