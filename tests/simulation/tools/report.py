"""What many lives have reached, as tables."""

from __future__ import annotations

from ..faults import KINDS
from .campaign import Summary

STATUSES = (
    "INITIALIZING",
    "LOADING",
    "QR_REQUIRED",
    "CODE_REQUIRED",
    "CONNECTED",
    "RECONNECTING",
    "DISCONNECTED",
    "AUTH_FAILURE",
)


def table(summary: Summary) -> str:
    """Faults by the statuses that they met, changes of status, and totals."""
    lines = ["| fault | " + " | ".join(STATUSES) + " |", "|---|" + "---|" * len(STATUSES)]
    for kind in KINDS:
        met = [str(summary.meetings[kind, status] or "") for status in STATUSES]
        lines.append(f"| {kind} | " + " | ".join(met) + " |")
    lines += ["", "| from | to | times |", "|---|---|---|"]
    lines += [f"| {old} | {new} | {times} |" for (old, new), times in sorted(summary.arrows.items())]
    lines += ["", "  ".join(f"{name} {count:,}" for name, count in summary.counts.items())]
    return "\n".join(lines)
