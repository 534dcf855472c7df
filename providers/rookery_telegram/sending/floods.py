"""The pauses that Telegram demanded of one bot: for one chat, or for all its chats."""

from __future__ import annotations

from collections.abc import Callable

import trio

FORGET_ABOVE = 256
"""Number of remembered chats at which those whose pause is over are dropped."""


class Floods:
    """Pauses by chat; None stands for the whole bot."""

    def __init__(self, clock: Callable[[], float] = trio.current_time) -> None:
        self._clock = clock
        self._until: dict[str | None, float] = {}

    def add(self, chat: str | None, seconds: float) -> None:
        """Note that Telegram answered 429 to a call about this chat."""
        now = self._clock()
        self._until[chat] = max(self._until.get(chat, now), now + seconds)
        if len(self._until) > FORGET_ABOVE:
            self._until = {name: until for name, until in self._until.items() if until > now}

    def left(self, chat: str | None) -> float:
        """Seconds until a call about this chat may be made; 0 if it may be made now."""
        whole = self._until.get(None, 0.0)
        return max(0.0, max(whole, self._until.get(chat, 0.0)) - self._clock())
