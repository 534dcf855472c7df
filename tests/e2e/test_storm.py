"""The short form of `bench/storm.py`: every kind of fault that both simulators offer, against one real server (B2-B6, G2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.checks.short_bench import run_bench

SHORT = {
    "--minutes": 0.2,
    "--bots": 30,
    "--phones": 4,
    "--per-worker": 2,
    "--longest": 1.5,
    "--calm": 0.1,
    "--rest": 2,
    "--settle": 90,
}


@pytest.mark.slow
def test_a_storm_of_every_fault(tmp_path: Path) -> None:
    run = run_bench("storm", SHORT, "--log", "3000", figures=tmp_path / "figures.json", seconds=1800)
    found, said = run.figures, run.said
    assert found["down"] == [], found["histories"]
    assert len(found["strikes"]) == 36, "every kind struck"
    assert 0 < found["lowest"] < found["sessions"], "it was a storm, and not the end of the world"
    assert 0 < found["attempts"]["most"] <= found["attempts"]["allowed"]
    assert found["texts"]["telegram"][1:] == [0, 0], "no text of a bot is lost or stored twice"
    assert found["texts"]["whatsapp"][2] == 0
    assert not {"queued", "sending"} & found["sends"].keys()
    for name in ("tasks", "fds", "threads", "workers"):
        assert found["after"][name] <= found["before"][name], name
    assert found["back"] == dict.fromkeys(found["back"], True), said
    assert run.exit_code == 0, said
    print("\n" + run.output[run.output.index("At rest") :])
