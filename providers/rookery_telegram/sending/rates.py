"""Telegram's flood guidance: about one message a second per chat, 30 a second in all, 20 a minute per group."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import trio

from rookery.provider.pacer import Pacer

STRETCH = 1.1
"""Safety factor on every interval: network delays can bring messages closer together than they were sent."""


class Rates(msgspec.Struct, frozen=True):
    """Messages a second; 0 switches a limit off. `burst`: how many messages may go to one chat at once after a pause.

    `per_group` counts by the minute, in addition to `per_chat`: 20 messages may follow each other a second apart; then
    the group waits until the minute is over.
    """

    overall: float = 30.0
    per_chat: float = 1.0
    per_group: float = 20.0 / 60.0
    burst: int = 1

    def a_minute(self, chat: str) -> int:
        """The chat's limit per minute, 0 for none: group ids are negative, and a channel's @name counts as a group."""
        if self.per_group == 0 or not chat.startswith(("-", "@")):
            return 0
        if 0 < self.per_chat <= self.per_group:
            return 0  # the limit per second is the stricter one
        return max(1, round(self.per_group * 60))

    def pacer(self, *, clock: Callable[[], float] = trio.current_time) -> Pacer:
        """One bot's pace."""
        return Pacer(
            overall=self.overall,
            per_chat=lambda chat: self.per_chat,
            burst=self.burst,
            per_minute=self.a_minute,
            stretch=STRETCH,
            clock=clock,
        )
