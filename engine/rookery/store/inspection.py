"""The facts of a store as `rookery doctor` reports them, and how they are judged."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec

from ..errors import SecretKeyError
from .secret_check import check_canary
from .secrets import SecretBox


class StoreFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the inspection found. `key_fits` is None while the store contains nothing encrypted. `clock_ahead`, in
    seconds, refers to the clock of a database that has one, or to the latest stored time."""

    location: str
    exists: bool
    newest: int  # schema version that this Rookery knows
    version: int = 0
    key_fits: bool | None = None
    sessions: int = 0
    enabled: int = 0
    platforms: Mapping[str, int] = {}  # enabled sessions of each
    used_by: str | None = None  # a process id, or the number of instances
    clock_ahead: float | None = None


def fits(canary: str | None, location: str, secrets: SecretBox | None) -> bool | None:
    """Whether the key is the one that the store was used with; None when nothing was stored yet."""
    if canary is None:
        return None
    if secrets is None:
        return False
    try:
        check_canary(canary, location, secrets)
    except SecretKeyError:
        return False
    return True


def clock_difference(theirs: float) -> float:
    """Seconds by which their clock is ahead of ours."""
    return theirs - time.time()
