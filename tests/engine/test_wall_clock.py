"""The machine's clock is read in a few stated places. Everything else asks the engine, whose clock is the database's where
several instances act on the same rows."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLOCKS = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.datetime.now"}
SOURCES = ("engine/rookery", "providers/rookery_telegram", "providers/rookery_whatsapp", "http/rookery_http")

ALLOWED = {
    "engine/rookery/engine.py": "the default of `open_engine(clock=)`",
    "engine/rookery/runtime/clock.py": "guards that clock against jumps",
    "engine/rookery/runtime/identifiers.py": "an id that sorts",
    "engine/rookery/media/s3.py": "compared with times that the storage gives",
    "engine/rookery/store/open.py": "the default of a store's `clock=`",
    "engine/rookery/store/sqlite/store.py": "as above",
    "engine/rookery/media/disk.py": "compared with the times of files, which follow the machine's clock",
    "engine/rookery/media/vault.py": "as above",
    "engine/rookery/store/inspection.py": "measures how far the two clocks are apart",
    "http/rookery_http/operate/doctor.py": "judges the machine's clock",
    "http/rookery_http/server/response_head.py": "the header Date",
    "providers/rookery_telegram/provider.py": "judges the machine's clock",
    "providers/rookery_telegram/receiving/updates.py": "a default for callers without an engine",
    "providers/rookery_whatsapp/device/unstored.py": "compared with the times of files",
    "providers/rookery_whatsapp/worker": "another process; a time in what it sends or that WhatsApp left out",
}
"""A file or folder, and why."""


def readings(source: str) -> list[int]:
    """Lines that read or pass on the machine's clock."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in CLOCKS:
            found.append(node.lineno)
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            found += [node.lineno for name in node.names if name.name in ("time", "time_ns")]
    return found


def test_no_other_place_reads_the_machines_clock() -> None:
    found = {
        f"{file.relative_to(ROOT)}:{line}"
        for source in SOURCES
        for file in (ROOT / source).rglob("*.py")
        if not any(str(file.relative_to(ROOT)).startswith(place) for place in ALLOWED)
        for line in readings(file.read_text())
    }
    assert found == set(), "ask the inbox, the services or the store for the time"


def test_the_list_names_nothing_that_is_gone() -> None:
    for place in ALLOWED:
        files = [ROOT / place] if place.endswith(".py") else list((ROOT / place).rglob("*.py"))
        assert any(readings(file.read_text()) for file in files if file.exists()), place


@pytest.mark.parametrize(
    "planted",
    ["import time\nat = time.time()", "import time\nf(clock=time.time)", "from time import time", "datetime.now(UTC)"],
)
def test_a_planted_reading_is_found(planted: str) -> None:
    assert readings(planted)
