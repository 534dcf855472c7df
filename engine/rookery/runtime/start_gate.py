"""Spreads attempts to connect, so that a restart of a thousand sessions is a stream and not a stampede (B1)."""

from __future__ import annotations

import trio

from ..settings import EngineSettings


class StartGate:
    """At most `start_concurrency` sessions connect at once, each at least `start_stagger` seconds after the one before.

    Attempts after a failure are further apart: `reconnect_stagger`. When a network is down for a thousand sessions, that and
    not their number decides how often somebody knocks. They have as many places of their own: what hangs because a platform
    does not answer keeps nobody else from starting. First come, first served.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._first = trio.CapacityLimiter(settings.start_concurrency)
        self._again = trio.CapacityLimiter(settings.start_concurrency)
        self._stagger = settings.start_stagger
        self._reconnect_stagger = settings.reconnect_stagger
        self._next = -float("inf")
        self._next_reconnect = -float("inf")  # the next turn to ask for a place
        self._next_again = -float("inf")  # the next turn of those that have one

    async def enter(self, who: object, *, again: bool = False) -> None:
        """Wait for a turn; `again` after a failure. `leave` gives it back; cancelled, nothing is held."""
        if again:  # before a place is taken, so that those who start first do not wait behind a storm
            turn = max(trio.current_time(), self._next_reconnect)
            self._next_reconnect = turn + self._reconnect_stagger
            await trio.sleep_until(turn)
        limiter = self._again if again else self._first
        await limiter.acquire_on_behalf_of(who)
        try:
            now = trio.current_time()
            at = max(now, self._next)
            if again:  # those who waited long for a place have all had their turns, and shall not come at once
                at = max(at, self._next_again)
                self._next_again = at + self._reconnect_stagger
            self._next = max(self._next, now) + self._stagger
            if at > now:
                await trio.sleep_until(at)
        except BaseException:
            limiter.release_on_behalf_of(who)
            raise

    def leave(self, who: object) -> None:
        """Let the next one in. Harmless when `who` is not inside."""
        for limiter in (self._first, self._again):
            if who in limiter.statistics().borrowers:
                limiter.release_on_behalf_of(who)
