"""When a message may leave: the platform's pace, and the pauses that it demanded."""

from __future__ import annotations

import trio

from ..model.content import PASSING, Content
from ..provider.capabilities import Paced
from ..provider.contract import Link


class Turns:
    """Of one session. A pause outlives the link on which it was demanded; content that is `PASSING` takes no turn."""

    def __init__(self) -> None:
        self._paced: Paced | None = None
        self._paused_until = -float("inf")

    def attach(self, link: Link) -> None:
        """From now on this link's pace counts."""
        self._paced = link if isinstance(link, Paced) else None

    def take_now(self, chat: str, content: Content) -> bool:
        """Take the next turn of this chat if it has come; False when it has not, and then nothing is taken."""
        paced = self._pace_of(content)
        if self._paused_until > trio.current_time() or (paced is not None and paced.ready_in(chat) > 0):
            return False
        if paced is not None:
            paced.book(chat)
        return True

    def book(self, chat: str, content: Content) -> float:
        """Take the next turn of this chat; returns the seconds until it comes. Those who wait leave one after another."""
        paced = self._pace_of(content)
        return 0.0 if paced is None else paced.book(chat)

    def pause_left(self) -> float:
        """Seconds for which the platform wants to hear nothing from this session, negative when it does not."""
        return self._paused_until - trio.current_time()

    def pause(self, seconds: float) -> None:
        """Nobody's turn comes before that; a longer pause stays as it is."""
        self._paused_until = max(self._paused_until, trio.current_time() + seconds)

    def _pace_of(self, content: Content) -> Paced | None:
        return None if isinstance(content, PASSING) else self._paced
