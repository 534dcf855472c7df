"""Keeps outbound messages inside a platform's rates: `outbox.Paced` for any link.

Each rate is a virtual schedule (the generic cell rate algorithm): a message may leave when the schedule is at most
`burst - 1` intervals ahead of the clock.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

FORGET_ABOVE = 1024
"""Chats remembered before those whose schedule has passed are dropped."""


class Pacer:
    """One session's pace.

    Args:
        overall: messages a second in all, 0 for no limit; a second's worth may leave at once.
        per_chat: messages a second to a given chat, 0 for no limit.
        burst: how many may leave at once to one chat after a pause.
    """

    def __init__(
        self,
        *,
        overall: float,
        per_chat: Callable[[str], float],
        burst: int,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._overall = overall
        self._per_chat = per_chat
        self._burst = burst
        self._clock = clock
        self._next = -float("inf")
        self._chats: dict[str, float] = {}

    def ready_in(self, chat: str) -> float:
        """Seconds until a message to this chat may leave; 0 when it may now."""
        now = self._clock()
        wait = 0.0
        if self._overall > 0:
            wait = self._next - now - (self._overall - 1) / self._overall
        if (rate := self._per_chat(chat)) > 0:
            wait = max(wait, self._chats.get(chat, now) - now - (self._burst - 1) / rate)
        return max(0.0, wait)

    def book(self, chat: str) -> float:
        """Take the next turn of this chat; returns the seconds until it comes. A turn that is not used is lost."""
        now = self._clock()
        wait = self.ready_in(chat)
        if self._overall > 0:
            # A slow chat's own wait does not push back the others: their turns go on from now.
            self._next = max(self._next, now) + 1 / self._overall
        if (rate := self._per_chat(chat)) > 0:
            self._chats[chat] = max(self._chats.get(chat, now), now) + 1 / rate
            if len(self._chats) > FORGET_ABOVE:
                self._chats = {name: at for name, at in self._chats.items() if at > now}
        return wait
