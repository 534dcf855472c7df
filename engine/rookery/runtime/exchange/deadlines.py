"""Ends the exchanges of one owner that take too long, without a cancel scope for each."""

from __future__ import annotations

from collections.abc import Awaitable

import trio

from ..http_answer import HttpAnswer
from .connection import Connection
from .errors import AnswerFailed, AnswerTooSlow, Broken

INFINITE = float("inf")
AGAIN = 1.0
"""Seconds after which an exchange is woken once more, if bytes came in the moment of its deadline."""


class Deadlines:
    """One task watches all exchanges: a cancel scope takes a tenth of the CPU time of a short one, and hardly any of them is
    late. A late one is woken as if its connection were being closed; it closes the connection itself."""

    def __init__(self) -> None:
        self._due: dict[Connection, float] = {}
        self._next = -INFINITE  # when `watch` looks again; until it runs, every deadline is news to it
        self._sooner = trio.Event()

    async def watch(self) -> None:
        """Run in the owner's nursery, until cancelled, as long as there are exchanges."""
        while True:
            self._next, self._sooner = min(self._due.values(), default=INFINITE), trio.Event()
            with trio.move_on_at(self._next):
                await self._sooner.wait()
            now = trio.current_time()
            for connection, until in self._due.items():
                if until <= now:
                    self._due[connection] = now + AGAIN
                    connection.end()

    async def keep(self, until: float, connection: Connection, exchange: Awaitable[HttpAnswer]) -> HttpAnswer:
        """The answer of an exchange on this connection. Raises AnswerTooSlow after `until` (trio time), and what the
        exchange raises."""
        self._due[connection] = until
        if until < self._next:
            self._sooner.set()
        try:
            answer = await exchange
        except (Broken, AnswerFailed):
            if connection.ended:
                raise AnswerTooSlow("no answer in time") from None
            raise
        finally:
            del self._due[connection]
        if connection.ended:
            answer.keep_alive = False
        return answer
