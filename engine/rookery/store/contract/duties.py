"""Work that one of several instances does for all of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol


class DutyStore(Protocol):
    """Work that one instance at a time does for all of them, such as delivering to one webhook. The engine names the
    duties."""

    async def take_duties(self, owner: str, names: Collection[str], *, ttl: float) -> set[str]:
        """Take the duties that no instance holds and keep those that `owner` holds, for the next `ttl` seconds. Returns
        both.

        A store that is not shared grants every duty: only one engine uses it.
        """

    async def drop_duties(self, owner: str, names: Collection[str]) -> None:
        """Release these duties at once; duties that other instances hold stay as they are."""
