"""How far the times of acceptance of sends run against their numbers, which lists by time have to know."""

from __future__ import annotations

from functools import cached_property

import trio

from ..base import PostgresBase

OUT_OF_ORDER = 30.0
"""Seconds by which the time of acceptance may run against the order of numbers without being noted: a send is numbered when
it is stored, and other instances have other clocks."""

LOOK_INTERVAL = 60.0
"""Seconds between two looks at what other instances have stored and noted."""

APART = f"greatest({OUT_OF_ORDER}, (SELECT max(apart) FROM rookery.send_steps))"  # noqa: S608
_LOOK = f"""
    SELECT {APART}, (SELECT max(created_at) FROM (
        SELECT created_at FROM rookery.messages ORDER BY number DESC LIMIT 100) AS newest)"""  # noqa: S608
_NOTE = "INSERT INTO rookery.send_steps (number, apart) SELECT coalesce(max(number), 0), $1 FROM rookery.messages"
FORGET = "DELETE FROM rookery.send_steps WHERE number < (SELECT min(number) FROM rookery.messages)"


class Order:
    """What this instance knows: the latest time of acceptance, and how far an earlier one may be behind it."""

    def __init__(self) -> None:
        self.newest = float("-inf")
        self.apart = OUT_OF_ORDER
        self.look_at = float("-inf")

    def holds(self, oldest: float, newest: float) -> bool:
        """Whether sends that were accepted between these times may be stored without a note. They count from now on."""
        self.newest = max(self.newest, newest)
        return self.newest - oldest <= self.apart and trio.current_time() < self.look_at


class PostgresOrder(PostgresBase):
    """Notes the disorder of sends before it is stored."""

    @cached_property
    def _order(self) -> Order:
        return Order()

    async def _keep_order(self, oldest: float) -> None:
        """Look at what is stored, and note how far a send that was accepted at this time is behind. Raises StoreError."""
        order = self._order
        order.apart, stored = await self._db.row(_LOOK)
        order.newest = max(order.newest, stored or order.newest)
        if (apart := order.newest - oldest) > order.apart:
            await self._db.row(_NOTE, 2 * apart)  # a clock that differs may differ a little more the next time
            order.apart = 2 * apart
        order.look_at = trio.current_time() + LOOK_INTERVAL
