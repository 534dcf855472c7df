"""Decides when a message may leave: the platform's rate, and the pauses that it demanded."""

from __future__ import annotations

import trio

from ..model.content import PASSING, Content
from ..provider.capabilities import Paced
from ..provider.contract import Link
from .lanes import Lanes

_NEVER = -float("inf")


class Turns:
    """The turns of one session. A pause outlives the link on which the platform demanded it; content that is `PASSING`
    or urgent takes no turn."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._paced: Paced | None = None
        self._paused_until = _NEVER

    def attach(self, link: Link) -> None:
        """From now on, use this link's rate."""
        self._paced = link if isinstance(link, Paced) else None

    def take_now(self, chat: str, content: Content) -> bool:
        """Take this chat's next turn if it has come. Otherwise return False and take nothing."""
        paced = self._pace_of(content)
        if self._paused_until > trio.current_time() or (paced is not None and paced.ready_in(chat) > 0):
            return False
        if paced is not None:
            paced.book(chat)
        return True

    def book(self, chat: str, content: Content) -> float:
        """Book this chat's next turn; returns the seconds until it comes. Waiting messages leave one after another."""
        paced = self._pace_of(content)
        return 0.0 if paced is None else paced.book(chat)

    def pause_left(self) -> float:
        """Seconds for which the platform still demands a pause from this session; negative when it does not."""
        return _NEVER if self._paused_until == _NEVER else self._paused_until - trio.current_time()

    def pause(self, seconds: float) -> None:
        """No turn comes before `seconds` from now; a longer pause stays as it is."""
        self._paused_until = max(self._paused_until, trio.current_time() + seconds)

    def _pace_of(self, content: Content) -> Paced | None:
        return None if isinstance(content, PASSING) or self._lanes.is_urgent(content) else self._paced
