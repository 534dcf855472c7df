"""Tells whether the database answers and can be written, asking it rarely however often probes ask."""

from __future__ import annotations

import trio

from rookery import Engine
from rookery.errors import StoreError

FRESH = 1.0
"""Seconds for which an answer of the database is reused."""
PATIENCE = 2.0
"""Seconds that the database has to answer."""


class Readiness:
    """Sends one query at a time; its answer also serves probes that arrive meanwhile."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = trio.Lock()
        self._answered_at = -float("inf")

    async def database_trouble(self) -> str | None:
        """Why the database is unusable, None when it is usable. Answers within seconds, whatever the database does."""
        with trio.move_on_after(PATIENCE):
            async with self._lock:
                if trio.current_time() < self._answered_at + FRESH:
                    return None
                try:
                    await self._engine.check_store()
                except StoreError as error:
                    return str(error)
                self._answered_at = trio.current_time()
                return None
        return "it does not answer"
