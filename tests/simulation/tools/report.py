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

ARROWS = {
    "INITIALIZING": "CONNECTED LOADING RECONNECTING DISCONNECTED AUTH_FAILURE",
    "LOADING": "CONNECTED QR_REQUIRED RECONNECTING DISCONNECTED",
    "QR_REQUIRED": "CODE_REQUIRED LOADING RECONNECTING DISCONNECTED",
    "CODE_REQUIRED": "QR_REQUIRED LOADING RECONNECTING DISCONNECTED",
    "CONNECTED": "RECONNECTING DISCONNECTED AUTH_FAILURE",
    "RECONNECTING": "CONNECTED LOADING DISCONNECTED AUTH_FAILURE",
    "DISCONNECTED": "INITIALIZING RECONNECTING",
    "AUTH_FAILURE": "INITIALIZING",
}
"""Each status and those that can follow it. Other arrows come of two changes within one write. A stop changes
no final status."""

REASONS = {
    "INITIALIZING": "STARTING",
    "LOADING": "STARTING",
    "QR_REQUIRED": "PAIRING",
    "CODE_REQUIRED": "PAIRING",
    "CONNECTED": "CONNECTED",
    "RECONNECTING": "RESTORING RESTARTING LEASE_LOST NETWORK SERVER_ERROR RATE_LIMITED CONFLICT STARTUP_TIMEOUT "
    "PROBE_FAILED STORE_ERROR",
    "DISCONNECTED": "DISABLED SHUTDOWN HANDED_OVER RECONNECT_EXHAUSTED CONFIGURATION LOGOUT TOS_BLOCK BANNED "
    "QR_EXPIRED PASSKEY_REQUIRED",
    "AUTH_FAILURE": "INVALID_TOKEN",
}
"""The reasons that a life can reach. It cannot reach CREATED (it begins there), INTERNAL_ERROR (a bug, which is a violation
by itself), LIMIT_REACHED and UNKNOWN_PLATFORM (its settings have room and know every platform)."""


def reached(summary: Summary) -> list[str]:
    """Which arrows between statuses and which reasons were reached, of all that there are; each missing one by name."""
    arrows = {(one, other) for one, others in ARROWS.items() for other in others.split()}
    met = {(one.partition("/")[0], other.partition("/")[0]) for one, other in summary.arrows}
    reasons = {f"{status}/{reason}" for status, all_of_it in REASONS.items() for reason in all_of_it.split()}
    seen = {other for _, other in summary.arrows}
    faults = {(kind, status) for kind in KINDS for status in STATUSES}
    return [
        _share("arrows between statuses", {f"{one} -> {other}" for one, other in arrows - met}, len(arrows)),
        _share("reasons", reasons - seen, len(reasons)),
        f"faults in statuses: {len(faults & set(summary.meetings))} of {len(faults)} reached",
    ]


def _share(what: str, missing: set[str], of: int) -> str:
    never = f"; never: {', '.join(sorted(missing))}" if missing else ""
    return f"{what}: {of - len(missing)} of {of} reached{never}"


def table(summary: Summary) -> str:
    """Faults by the statuses that they met, changes of status, and totals."""
    lines = ["| fault | " + " | ".join(STATUSES) + " |", "|---|" + "---|" * len(STATUSES)]
    for kind in KINDS:
        met = [str(summary.meetings[kind, status] or "") for status in STATUSES]
        lines.append(f"| {kind} | " + " | ".join(met) + " |")
    lines += ["", "| from | to | times |", "|---|---|---|"]
    lines += [f"| {old} | {new} | {times} |" for (old, new), times in sorted(summary.arrows.items())]
    lines += ["", *reached(summary)]
    lines += ["", "  ".join(f"{name} {count:,}" for name, count in summary.counts.items())]
    return "\n".join(lines)
