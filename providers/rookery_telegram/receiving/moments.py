"""The moments at which the polls of many idle bots begin and end together.

A process that has slept runs the same code at twice the cost, and a thousand bots whose polls end one by one wake it a
thousand times a minute. So an idle bot asks again at the next of the moments that are `INTERVAL` apart, together with all
others whose polls have ended meanwhile. The server counts timeouts in whole seconds, so the end of the poll is a moment, too,
and its timeout is chosen such that others end then.
"""

from __future__ import annotations

from collections.abc import Sized

import trio

PER_SECOND = 10
INTERVAL = 1 / PER_SECOND
"""Seconds between two moments: the longest time for which an idle bot is not listening between two polls."""

TOGETHER = 32
"""Polls that share a moment, as long as others are free: the platform and the event loop see small groups, not a herd."""

FLEET = 100
"""Bots. Fewer are a few polls a second, which cost nothing: each of them asks again at once."""

SHORTEST = 10
"""Seconds. Shorter polls are not delayed: the delay is never more than a hundredth of the time of a poll."""

TIDY = 64
"""Groups after which the past is forgotten."""


class _Group:
    """Polls that wait for the same moment."""

    __slots__ = ("left", "room", "timeout")

    def __init__(self) -> None:
        self.left = 0  # polls whose timeout is not chosen yet
        self.timeout = 0  # chosen for the next `room` polls
        self.room = 0


class SharedMoments:
    """The moments of one provider's bots; `fleet` is those that run now."""

    def __init__(self, fleet: Sized) -> None:
        self._fleet = fleet
        self._waiting: dict[int, _Group] = {}  # by moment, counted in intervals of trio's time
        self._ends: dict[int, int] = {}  # how many polls end at a moment
        self._groups = 0

    def apply(self, longest: int) -> bool:
        """Whether polls of so many seconds wait for a moment."""
        return len(self._fleet) >= FLEET and longest >= SHORTEST

    async def next(self, longest: int) -> int:
        """Wait for the next moment; returns the timeout of a poll that begins now: between half of `longest` and that."""
        moment = int(trio.current_time() // INTERVAL) + 1
        group = self._waiting.get(moment)
        if group is None:
            group = self._waiting[moment] = _Group()
        group.left += 1
        try:
            # Each waits for itself, so that no poll depends on another one. Trio wakes all of them in one turn.
            await trio.sleep_until(moment * INTERVAL)
            if not group.room:
                self._choose(group, longest)
            group.room -= 1
            return group.timeout
        finally:
            group.left -= 1
            if not group.left:
                self._waiting.pop(moment, None)

    def _choose(self, group: _Group, longest: int) -> None:
        """Choose the timeout of the next polls of a group: the longest that ends them with others among whom all of them find
        room, otherwise one that ends them alone. Of two groups, one always reaches the end of the other within half of
        `longest`, or exactly then, so that small groups become one."""
        size, now = min(group.left, TOGETHER), round(trio.current_time() / INTERVAL)
        self._groups += 1
        if self._groups % TIDY == 0:
            self._ends = {moment: count for moment, count in self._ends.items() if moment > now}

        def rank(timeout: int) -> int:
            others = self._ends.get(now + timeout * PER_SECOND, 0)
            if not others:
                return 1
            return 0 if others + size <= TOGETHER else 1 + others

        group.timeout, group.room = min(range(longest, longest // 2 - 1, -1), key=rank), size
        end = now + group.timeout * PER_SECOND
        self._ends[end] = self._ends.get(end, 0) + size
