"""Keeps outbound messages inside a platform's rates: `capabilities.Paced` for any link.

The rate of a chat is a virtual schedule (the generic cell rate algorithm): a message may leave when the schedule is at most
`burst - 1` intervals ahead of the clock. The rate of all chats together, and the number of messages to a chat in a minute,
are kept exactly, in every window of that length.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable
from typing import Annotated

import msgspec
import trio

from ..runtime.cell_rate import FORGET_ABOVE, CellRate

MINUTE = 60.0

Rate = Annotated[float, msgspec.Meta(ge=0, le=10_000)]
"""Messages per second in a session's settings, 0 for no limit. A pacer remembers that many turns."""


ROUNDING = 1e-6
"""Rounding error of sums of floats, in seconds."""


class _Turns:
    """Turns in time, at most `count` of them in any `window` seconds."""

    __slots__ = ("_at", "_count", "_window")

    def __init__(self, count: int, window: float) -> None:
        self._count = count
        self._window = window
        self._at: list[float] = []  # sorted; some are in the future

    def free(self, after: float) -> float:
        """The first time, not before `after`, at which one more turn is allowed."""
        turns, count = self._at, self._count
        at = after
        if not turns or turns[-1] <= at:  # no turn is in the future
            return at if len(turns) < count else max(at, turns[-count] + self._window)
        while (later := self._next(at)) is not None:
            at = later
        return at

    def _next(self, at: float) -> float | None:
        """None when one more turn at `at` is allowed; otherwise the next time to try."""
        turns, count = self._at, self._count
        position = bisect_right(turns, at)
        for first in range(max(0, position - count), position):
            last = first + count  # counted including the new turn
            if last > len(turns):
                break
            end = at if last == position else turns[last - 1]
            if end - turns[first] < self._window - ROUNDING:
                return turns[first] + self._window
        if position + count <= len(turns) and turns[position + count - 1] - at < self._window - ROUNDING:
            return turns[position]
        return None

    def take(self, at: float, now: float) -> None:
        """Record a turn at `at` and drop the turns that are too old to matter."""
        insort(self._at, at)
        if len(self._at) > 2 * self._count:
            del self._at[: bisect_right(self._at, now - self._window)]


class Pacer:
    """One session's pace.

    Args:
        overall: messages in any one second, to all chats together; 0 for no limit.
        per_chat: messages a second to a given chat, 0 for no limit.
        burst: how many may leave at once to one chat after a pause.
        per_minute: messages to a given chat in any one minute, 0 for no limit.
        stretch: safety factor on every interval: network jitter can bring messages closer together, and the platform
            counts messages as they arrive.
    """

    __slots__ = (
        "_burst",
        "_chats",
        "_clock",
        "_minutes",
        "_overall",
        "_per_chat",
        "_per_minute",
        "_stretch",
        "_turns",
    )

    def __init__(
        self,
        *,
        overall: float,
        per_chat: Callable[[str], float],
        burst: int,
        per_minute: Callable[[str], int] = lambda chat: 0,
        stretch: float = 1.0,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._overall = overall
        self._per_chat = per_chat
        self._burst = burst
        self._per_minute = per_minute
        self._stretch = stretch
        self._clock = clock
        # Made for the first turn: most of many idle sessions never send.
        self._turns: _Turns | None = None
        self._chats: CellRate | None = None
        self._minutes: dict[str, deque[float]] | None = None  # the last turns of chats with a per-minute limit

    def ready_in(self, chat: str) -> float:
        """Seconds until a message to this chat may leave; 0 when it may now."""
        now = self._clock()
        return self._earliest(chat, now) - now

    def _earliest(self, chat: str, now: float) -> float:
        """When a message to this chat may leave, at the earliest `now`."""
        at = now
        if self._chats is not None and (rate := self._per_chat(chat)) > 0:
            at = self._chats.earliest(chat, (self._burst - 1) * self._stretch / rate, now)
        turns = None if self._minutes is None else self._minutes.get(chat)
        if turns is not None and len(turns) == turns.maxlen:
            at = max(at, turns[0] + MINUTE * self._stretch)
        return at if self._turns is None else self._turns.free(at)

    def book(self, chat: str) -> float:
        """Book this chat's next turn; returns the seconds until it comes. An unused turn is lost."""
        now = self._clock()
        wait = self._earliest(chat, now) - now
        if self._overall > 0:
            if self._turns is None:
                count = max(1, int(self._overall))
                self._turns = _Turns(count, count / self._overall * self._stretch)
            self._turns.take(now + wait, now)  # at the time of the turn: a slow chat's wait does not delay the others
        if (rate := self._per_chat(chat)) > 0:
            # With a burst, the schedule may lag behind the turn. Without one it may not: the interval starts at the
            # turn.
            if self._chats is None:
                self._chats = CellRate()
            self._chats.take(chat, self._stretch / rate, now + wait, now, lags=self._burst > 1)
        if (most := self._per_minute(chat)) > 0:
            minutes = self._minutes = self._minutes or {}
            if chat not in minutes:
                minutes[chat] = deque(maxlen=most)
            minutes[chat].append(now + wait)
            if len(minutes) > FORGET_ABOVE:
                horizon = now - MINUTE * self._stretch
                self._minutes = {name: turns for name, turns in minutes.items() if turns[-1] > horizon}
        return wait
