"""Telegram's flood guidance: about one message a second per chat, 30 a second in all, 20 a minute per group."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import trio

from rookery.rates import Pacer


class Rates(msgspec.Struct, frozen=True):
    """Messages a second; 0 switches a limit off. `burst`: how many may leave at once to one chat after a pause."""

    overall: float = 30.0
    per_chat: float = 1.0
    per_group: float = 20.0 / 60.0
    burst: int = 3

    def of_chat(self, chat: str) -> float:
        """Group ids are negative, and a channel's @name counts as a group."""
        return self.per_group if chat.startswith(("-", "@")) else self.per_chat

    def pacer(self, *, clock: Callable[[], float] = trio.current_time) -> Pacer:
        """One bot's pace."""
        return Pacer(overall=self.overall, per_chat=self.of_chat, burst=self.burst, clock=clock)
