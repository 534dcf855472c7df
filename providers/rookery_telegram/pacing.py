"""Telegram's flood guidance: about one message a second per chat, 30 a second in all, 20 a minute per group.

Each rate is a virtual schedule (GCRA): a message may leave when the schedule is at most `burst - 1` intervals ahead.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import trio

FORGET_ABOVE = 1024
"""Chats remembered before those whose schedule has passed are dropped."""


class Rates(msgspec.Struct, frozen=True):
    """Messages a second; 0 switches a limit off. `burst`: how many may leave at once after a pause."""

    overall: float = 30.0
    per_chat: float = 1.0
    per_group: float = 20.0 / 60.0
    burst: int = 3


class Pacer:
    """Keeps one bot inside its rates."""

    def __init__(self, rates: Rates, *, clock: Callable[[], float] = trio.current_time) -> None:
        self._rates = rates
        self._clock = clock
        self._overall = -float("inf")
        self._chats: dict[str, float] = {}

    def ready_in(self, chat: str) -> float:
        """Seconds until a message to this chat may leave; 0 when it may now."""
        now = self._clock()
        rates = self._rates
        wait = 0.0
        if rates.overall > 0:
            wait = self._overall - now - (rates.overall - 1) / rates.overall
        if (interval := self._interval(chat)) > 0:
            wait = max(wait, self._chats.get(chat, now) - now - (rates.burst - 1) * interval)
        return max(0.0, wait)

    def leaves(self, chat: str) -> None:
        """A message to this chat leaves now."""
        now = self._clock()
        if self._rates.overall > 0:
            self._overall = max(self._overall, now) + 1 / self._rates.overall
        if (interval := self._interval(chat)) > 0:
            self._chats[chat] = max(self._chats.get(chat, now), now) + interval
            if len(self._chats) > FORGET_ABOVE:
                self._chats = {name: at for name, at in self._chats.items() if at > now}

    def _interval(self, chat: str) -> float:
        """Seconds between messages; group ids are negative, and a channel's @name counts as a group."""
        rate = self._rates.per_group if chat.startswith(("-", "@")) else self._rates.per_chat
        return 1 / rate if rate > 0 else 0.0
