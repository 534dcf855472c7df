"""Why a running session is stopped, and what its final status says."""

from __future__ import annotations

from enum import StrEnum

from ..model.session import Reason


class Intent(StrEnum):
    """Why a running session is stopped."""

    DISABLE = "disable"
    SHUTDOWN = "shutdown"
    HAND_OVER = "hand_over"
    LOGOUT = "logout"
    DELETE = "delete"
    LEASE_LOST = "lease_lost"


FAREWELLS = {
    Intent.DISABLE: (Reason.DISABLED, "stopped by the operator"),
    Intent.SHUTDOWN: (Reason.SHUTDOWN, "the engine is shutting down; the session comes back with the next start"),
    Intent.HAND_OVER: (Reason.HANDED_OVER, "handed over to another instance"),
    Intent.LOGOUT: (Reason.LOGOUT, "logged out by the operator"),
}
"""The final reason and sentence; an intent that is not listed ends without a status."""
