"""How many more sends a queue accepts before its sends are counted again.

The number of waiting sends per session is limited. Counting them for each new send would take longer the more of them
wait, so a store counts once, accepts a number of sends on the strength of that count, and then counts again.
"""

from __future__ import annotations

from collections.abc import Hashable

REMEMBERED = 20_000
"""Maximum number of queues; beyond it everything is forgotten and counted again."""

PART = 16
"""On a shared database, each `PART` sends that were counted allow one more send without counting."""

ENGINES = 8
"""How many engines can accept sends for the same session at once without exceeding the limit together."""


class SendRoom:
    """`alone`: this store is the only one that adds sends, so the limit holds exactly. Otherwise `n` engines can exceed it
    by at most `limit / PART * n` together. Used by one thread."""

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self._room: dict[Hashable, tuple[int, int]] = {}  # the limit, and how many more sends may be stored below it

    def take(self, queue: Hashable, limit: int, count: int = 1) -> bool:
        """True when `count` more sends may be stored without counting; they are deducted."""
        known, room = self._room.get(queue, (limit, 0))
        if known != limit or room < count:
            return False
        self._room[queue] = limit, room - count
        return True

    def counted(self, queue: Hashable, limit: int, waiting: int) -> None:
        """Record that `waiting` sends wait now, including those just stored."""
        room = limit - waiting
        if not self._alone:
            room = min(room // ENGINES, 1 + waiting // PART)
        if len(self._room) >= REMEMBERED:
            self._room.clear()
        self._room[queue] = limit, max(0, room)

    def forget(self) -> None:
        """The count may be wrong: count again."""
        self._room.clear()
