"""The list of the engines that use a store at once."""

from __future__ import annotations

from typing import Protocol

from ...model.instance import Census, Instance


class InstanceStore(Protocol):
    """Keeps the list of live instances."""

    async def beat(self, instance: Instance, *, ttl: float, patience: float) -> Census:
        """Record that this instance is alive for `ttl` seconds by the store's clock. Returns the current census,
        including this instance.

        A session that has been free for `patience` seconds is overdue. The store notifies the other instances when this
        one is new or starts to drain. A store that is not shared knows no other instance.
        """

    async def leave(self, name: str) -> None:
        """Remove this instance and notify the others."""
