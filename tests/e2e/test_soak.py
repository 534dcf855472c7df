"""The short form of `bench/soak.py`: at each rest there are as many tasks, file descriptors and threads as at the first."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.checks.short_bench import run_bench

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
    run = run_bench("soak", SHORT, figures=tmp_path / "figures.json", seconds=4500)
    found, said = run.figures, run.said
    readings = found["readings"]
    assert len(readings) >= 3
    for name in FLAT:
        assert {reading[name] for reading in readings[1:]} <= set(range(int(readings[0][name]) + 1)), (name, said)
    assert readings[-1]["server_mib"] - readings[0]["server_mib"] < ROOM, said
    for name in ("write", "send", "restart", "stop and start", "come and go", "ask", "ask wrongly", "follow"):
        assert found["done"][name] > 0, name
    assert found["deliveries"]["taken"] > 0
    assert found["dead_letters"] == 0
    print("\n" + run.output)
