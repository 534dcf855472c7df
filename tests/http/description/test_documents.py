"""What README and the guides name exists: calls, settings, commands, files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from rookery_http.call_table import TABLE
from rookery_http.cli.application import add_all
from rookery_http.config import table as variables

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")], key=str)
CALL = re.compile(r"\b(GET|POST|PATCH|DELETE|PUT) (/v1/[^\s`?]*|/healthz|/readyz|/metrics|/docs|/openapi\.json)")
SETTING = re.compile(r"\bROOKERY_[A-Z0-9_]*[A-Z0-9]\b")
COMMAND = re.compile(r"(?:^|`|&& )rookery ((?:-?[a-z][a-z-]*)(?: [a-z][a-z-]*)?)", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)")
OF_THE_CLIENT = {"ROOKERY_URL", "ROOKERY_TOKEN"}


def found(pattern: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str]]]:
    for file in DOCUMENTS:
        for match in pattern.finditer(file.read_text()):
            yield file.name, match


def test_every_call_that_is_named_exists() -> None:
    calls = {(row.method, row.path) for row in TABLE}
    named = [(name, match[1], match[2].rstrip("\\|,.;:)")) for name, match in found(CALL)]
    assert len(named) > 50
    wrong = [call for call in named if (call[1], re.sub(r"/(shop|orders)\b", "/{id}", call[2])) not in calls]
    assert not wrong


def test_every_setting_that_is_named_exists() -> None:
    wrong = {(name, match[0]) for name, match in found(SETTING) if match[0] not in {*variables.BY_NAME, *OF_THE_CLIENT}}
    assert not {(name, text) for name, text in wrong if not text.startswith("ROOKERY_SIMULATOR")}


def test_every_command_that_is_named_exists() -> None:
    root = typer.main.get_command(add_all())
    wrong = []
    for name, match in found(COMMAND):
        first, _, second = match[1].partition(" ")
        command = root.commands.get(first)  # type: ignore[attr-defined]
        if first.startswith("-"):
            continue
        if command is None or (hasattr(command, "commands") and second not in command.commands):
            wrong.append((name, match[1]))
    assert not wrong


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_every_link_leads_somewhere(file: Path) -> None:
    for match in LINK.finditer(file.read_text()):
        if "://" not in match[1]:
            assert (file.parent / match[1]).exists(), match[1]
