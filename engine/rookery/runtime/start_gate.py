"""Spreads attempts to connect, so that a thousand sessions restart as a stream and not as a stampede (B1)."""

from __future__ import annotations

import trio

from ..settings import EngineSettings


class StartGate:
    """At most `start_concurrency` sessions connect at once, each at least `start_stagger` seconds after the one before.

    Attempts after a failure are further apart: `reconnect_stagger`. When a network is down for a thousand sessions,
    this interval and not their number decides how often the engine tries. Retries have the same number of places of
    their own, so retries that hang because a platform does not answer do not keep other sessions from starting. First
    come, first served.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._first = trio.CapacityLimiter(settings.start_concurrency)
        self._again = trio.CapacityLimiter(settings.start_concurrency)
        self._stagger = settings.start_stagger
        self._reconnect_stagger = settings.reconnect_stagger
        self._next = -float("inf")
        self._next_reconnect = -float("inf")  # the next turn to ask for a place
        self._next_again = -float("inf")  # the next turn of those that have a place

    async def enter(self, who: object, *, again: bool = False) -> None:
        """Wait for a turn; `again` after a failure. `leave` gives it back; a cancelled call holds nothing."""
        if again:  # before a place is taken, so that first starts do not wait behind a storm of retries
            turn = max(trio.current_time(), self._next_reconnect)
            self._next_reconnect = turn + self._reconnect_stagger
            await trio.sleep_until(turn)
        limiter = self._again if again else self._first
        await limiter.acquire_on_behalf_of(who)
        try:
            now = trio.current_time()
            at = max(now, self._next)
            if again:  # sessions that waited long for a place have all had their turns, and must not start at once
                at = max(at, self._next_again)
                self._next_again = at + self._reconnect_stagger
            self._next = max(self._next, now) + self._stagger
            if at > now:
                await trio.sleep_until(at)
        except BaseException:
            limiter.release_on_behalf_of(who)
            raise

    def leave(self, who: object) -> None:
        """Admit the next one. Harmless when `who` is not inside."""
        for limiter in (self._first, self._again):
            if who in limiter.statistics().borrowers:
                limiter.release_on_behalf_of(who)
