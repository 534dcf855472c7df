"""Duties in a store that only one engine uses: every duty is granted."""

from __future__ import annotations

from collections.abc import Collection

import trio


class SqliteDuties:
    """Implements `DutyStore`."""

    async def take_duties(self, owner: str, names: Collection[str], *, ttl: float) -> set[str]:
        await trio.lowlevel.checkpoint()
        return set(names)

    async def drop_duties(self, owner: str, names: Collection[str]) -> None:
        await trio.lowlevel.checkpoint()
