"""`rookery demo` as a process: it counts right, and ends by itself or with Ctrl+C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.clients.command_line import ENVIRONMENT, ROOKERY, rookery


def demo_lines(*arguments: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The demo's lines as they come; it is killed when the caller stops reading."""
    demo = subprocess.Popen(
        [*ROOKERY, "demo", *arguments],
        env=ENVIRONMENT | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert demo.stdout is not None
        for line in demo.stdout:
            yield demo, line
    finally:
        demo.kill()
        demo.communicate()


@pytest.mark.slow
def test_the_demo_counts_right_and_ends_by_itself() -> None:
    done = rookery("demo", "--seconds", "7")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing lost, nothing repeated." in done.stdout
    assert "took over" in done.stdout
    assert re.search(r"dashboard: http://127\.0\.0\.1:\d+/dashboard\b", done.stdout)
    assert done.stderr == ""
    assert "a scripted phone has scanned it" in done.stdout
    assert "without a QR code" in done.stdout
    assert "1  QR codes that had to be scanned for WhatsApp" in done.stdout
    assert "1    logins without one, after a restart" in done.stdout


@pytest.mark.slow
def test_the_demo_without_neonize(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['neonize'] = None\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    done = rookery("demo", "--seconds", "4", PYTHONPATH=path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the extra `whatsapp`" in done.stdout
    assert "Nothing lost, nothing repeated." in done.stdout
    assert "QR code" not in done.stdout
    assert done.stderr == ""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["loads its library", "has scanned it", "→ webhook → echo", "a redeploy"])
def test_the_demo_ends_with_ctrl_c(moment: Any) -> None:
    for demo, line in demo_lines("--seconds", "8"):
        if moment in line:
            demo.send_signal(signal.SIGINT)
            output, errors = demo.communicate(timeout=20)
            break
    assert demo.returncode == 0, output + errors
    assert "Nothing lost, nothing repeated." in output
    assert errors == ""
