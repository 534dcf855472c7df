"""Keeps outbound messages inside a platform's rates: `outbox.Paced` for any link.

The rate of a chat is a virtual schedule (the generic cell rate algorithm): a message may leave when the schedule is at most
`burst - 1` intervals ahead of the clock. The rate of all chats together is kept exactly, in every window of a second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Annotated

import msgspec
import trio

FORGET_ABOVE = 1024
"""Chats remembered before those whose schedule has passed are dropped."""


Rate = Annotated[float, msgspec.Meta(ge=0, le=10_000)]
"""Messages a second in a session's settings, 0 for no limit. A pacer remembers as many turns as leave in a second."""


class Pacer:
    """One session's pace.

    Args:
        overall: messages in any one second, to all chats together; 0 for no limit.
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
        count = max(1, int(overall))
        self._window = count / overall if overall > 0 else 0.0
        self._turns: deque[float] = deque(maxlen=count)  # the last ones that were booked
        self._per_chat = per_chat
        self._burst = burst
        self._clock = clock
        self._chats: dict[str, float] = {}

    def ready_in(self, chat: str) -> float:
        """Seconds until a message to this chat may leave; 0 when it may now."""
        now = self._clock()
        full = self._window > 0 and len(self._turns) == self._turns.maxlen
        wait = self._turns[0] + self._window - now if full else 0.0
        if (rate := self._per_chat(chat)) > 0:
            wait = max(wait, self._chats.get(chat, now) - now - (self._burst - 1) / rate)
        return max(0.0, wait)

    def book(self, chat: str) -> float:
        """Take the next turn of this chat; returns the seconds until it comes. A turn that is not used is lost."""
        now = self._clock()
        wait = self.ready_in(chat)
        if self._window:
            # A slow chat's own wait does not push back the others: its turn is taken where the next one is free.
            full = len(self._turns) == self._turns.maxlen
            self._turns.append(max(now, self._turns[0] + self._window) if full else now)
        if (rate := self._per_chat(chat)) > 0:
            self._chats[chat] = max(self._chats.get(chat, now), now) + 1 / rate
            if len(self._chats) > FORGET_ABOVE:
                self._chats = {name: at for name, at in self._chats.items() if at > now}
        return wait
