"""Limits the bytes of request bodies in memory, for the whole process and for each key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..output.problems import Problem

FREE = 64 * 1024
"""The first bytes of each body, which are not counted: small requests never wait for large ones."""
RETRY_AFTER = 2
"""Retry-After in seconds: there may be room again by then."""


class Held:
    """The share of the budget that one request holds."""

    def __init__(self, budget: BodyBudget, caller: str) -> None:
        self._budget = budget
        self._caller = caller
        self.counted = 0

    def grow_to(self, size: int) -> None:
        """Count the body as `size` bytes from now on. Raises a Problem: 503."""
        if size > FREE:
            self._budget.take(self._caller, size - FREE - self.counted)
            self.counted = size - FREE


class BodyBudget:
    """Bytes of bodies in memory.

    Args:
        total: for all requests together.
        share: for the requests of one key.
    """

    def __init__(self, total: int, share: int) -> None:
        self.total = total
        self.share = share
        self.used = 0
        self._by_caller: dict[str, int] = {}

    @contextmanager
    def hold(self, caller: str) -> Iterator[Held]:
        """A block that lasts as long as a request's body is in memory."""
        held = Held(self, caller)
        try:
            yield held
        finally:
            if held.counted:
                self.used -= held.counted
                left = self._by_caller[caller] - held.counted
                if left:
                    self._by_caller[caller] = left
                else:
                    del self._by_caller[caller]

    def take(self, caller: str, size: int) -> None:
        """Take this many more bytes. Raises a Problem (503) when they do not fit."""
        own = self._by_caller.get(caller, 0) + size
        if own > self.share:
            raise _no_room(f"large requests of this key fill their {self.share} bytes")
        if self.used + size > self.total:
            raise _no_room(f"large requests fill the {self.total} bytes of ROOKERY_BODY_MEMORY")
        self.used += size
        self._by_caller[caller] = own


def _no_room(detail: str) -> Problem:
    return Problem(
        503,
        "too-many-bytes",
        "Too many bytes under way",
        f"{detail}; send fewer at once, or upload files to /v1/media first",
        limit="ROOKERY_BODY_MEMORY",
        headers={"Retry-After": str(RETRY_AFTER)},
    )
