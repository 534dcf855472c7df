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

    async def wait(self, chat: str, content: Content) -> None:
        """Take a turn, then wait for it: those who wait together leave one after another."""
        paced = self._pace_of(content)
        if paced is not None and (delay := paced.book(chat)) > 0:
            await trio.sleep(delay)
        while (pause := self._paused_until - trio.current_time()) > 0:
            await trio.sleep(pause)

    def pause(self, seconds: float) -> None:
        """Nobody's turn comes before that; a longer pause stays as it is."""
        self._paused_until = max(self._paused_until, trio.current_time() + seconds)

    def _pace_of(self, content: Content) -> Paced | None:
        return None if isinstance(content, PASSING) else self._paced
