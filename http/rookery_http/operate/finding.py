"""The result of one check of `rookery doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from ..config.advice import with_variables

Level = Literal["ok", "warning", "error"]

SECONDS = 10.0  # for one check of something that may not answer


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check. `advice` says what to do; it is empty when there is nothing to do."""

    subject: str
    level: Level
    detail: str
    advice: str = ""


def good(subject: str, detail: str) -> Finding:
    """Nothing to do."""
    return Finding(subject=subject, level="ok", detail=detail)


def odd(subject: str, detail: str, advice: str) -> Finding:
    """It works, but the operator should know about it."""
    return Finding(subject=subject, level="warning", detail=with_variables(detail), advice=advice)


def bad(subject: str, detail: str, advice: str) -> Finding:
    """It will not work."""
    return Finding(subject=subject, level="error", detail=with_variables(detail), advice=advice)


def worst(findings: Sequence[Finding]) -> Level:
    """The worst level of the findings, which decides the exit code."""
    levels = {finding.level for finding in findings}
    return "error" if "error" in levels else "warning" if "warning" in levels else "ok"
