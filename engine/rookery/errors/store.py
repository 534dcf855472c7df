"""Failures to open, read or write the stored state."""

from __future__ import annotations

from .base import RookeryError


class StoreError(RookeryError):
    """State could not be read or written."""


class StoreUnavailable(StoreError):
    """The database does not answer now; the same call may succeed later."""


class DutyLost(StoreError):
    """Another instance does this work now: nothing was written."""

    def __init__(self, duty: str) -> None:
        super().__init__(f"another instance has taken over {duty!r}")
        self.duty = duty


class LeaseLost(StoreError):
    """Another owner holds the session now: nothing was written, and this task must end."""

    def __init__(self, session: str) -> None:
        super().__init__(f"the lease of session {session!r} was lost: another owner has taken it")
        self.session = session


class DataDirectoryInUse(RookeryError):
    """Another engine has this SQLite store open."""


class SecretKeyError(RookeryError):
    """The secret key is missing, malformed, or not the one that the stored secrets were encrypted with."""
