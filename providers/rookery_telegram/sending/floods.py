"""The pauses that Telegram demanded of one bot: for one chat, or for all its chats."""

from __future__ import annotations

from collections.abc import Callable

import trio

FORGET_ABOVE = 256
"""Number of remembered chats at which those whose pause is over are dropped."""


class Floods:
    """Pauses by chat; None stands for the whole bot."""

    __slots__ = ("_clock", "_until")

    def __init__(self, clock: Callable[[], float] = trio.current_time) -> None:
        self._clock = clock
        self._until: dict[str | None, float] | None = None  # until the first pause

    def add(self, chat: str | None, seconds: float) -> None:
        """Note that Telegram answered 429 to a call about this chat."""
        now = self._clock()
        pauses = self._until = self._until or {}
        pauses[chat] = max(pauses.get(chat, now), now + seconds)
        if len(pauses) > FORGET_ABOVE:
            self._until = {name: until for name, until in pauses.items() if until > now}

    def left(self, chat: str | None) -> float:
        """Seconds until a call about this chat may be made; 0 if it may be made now."""
        if self._until is None:
            return 0.0
        whole = self._until.get(None, 0.0)
        return max(0.0, max(whole, self._until.get(chat, 0.0)) - self._clock())
