"""How deliveries to webhooks go: counted for operators, at a bounded cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Protocol

import msgspec
import trio

from ..model.webhook import WebhookFacts
from ..store.contract.webhooks import WebhookFactsStore

COUNT_SHARE = 20.0
"""What was counted is told again for so many times as long as the counting took: at most a 21st of the time is spent on it,
however many ask."""
COUNT_FREE = 0.005
"""Seconds that counting may take to be done anew for everybody who asks."""
COUNT_KEPT = 30.0
"""Seconds for which a count is told at most."""
STALE = 15.0
"""Seconds after which a rate that nobody has renewed is over: whoever delivered has died."""


class CountingStore(WebhookFactsStore, Protocol):
    """What the board needs of a store."""

    async def oldest_delivery(self) -> float | None: ...


class FactsBoard:
    """Counts for whoever asks. Owned by the engine."""

    def __init__(self, store: CountingStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._lock = trio.Lock()
        self._facts: Mapping[str, WebhookFacts] = {}
        self._oldest: float | None = None
        self._good_until = -float("inf")

    async def read(self) -> tuple[Mapping[str, WebhookFacts], float | None]:
        """How deliveries go, by webhook, and when the event was stored that waits longest for an enabled one.

        As of now, or a little older where counting takes its time. Raises StoreError.
        """
        async with self._lock:
            if trio.current_time() >= self._good_until:
                started = perf_counter()
                self._facts = await self._store.webhook_facts()
                self._oldest = await self._store.oldest_delivery()
                took = perf_counter() - started
                kept = min(COUNT_KEPT, COUNT_SHARE * took) if took > COUNT_FREE else 0.0
                self._good_until = trio.current_time() + kept
        limit = self._clock() - STALE
        facts = {
            id: msgspec.structs.replace(one, rate=0.0) if one.rate and (one.noted_at or 0.0) < limit else one
            for id, one in self._facts.items()
        }
        return facts, self._oldest
