"""How deliveries to webhooks are going: counts for operators at a bounded cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Protocol

import msgspec
import trio

from ..model.webhook import WebhookFacts
from ..store.contract.webhooks import WebhookFactsStore

COUNT_SHARE = 20.0
"""Cache a count for 20 times as long as it took, so that counting uses at most 5 % of the time, however many callers
ask."""
COUNT_FREE = 0.005
"""A count that takes no more than this many seconds is repeated for every caller."""
COUNT_KEPT = 30.0
"""Maximum number of seconds for which a count is cached."""
STALE = 15.0
"""A rate that was not renewed for this many seconds counts as zero: the engine that delivered has died."""


class CountingStore(WebhookFactsStore, Protocol):
    """The part of a store that the board needs."""

    async def oldest_delivery(self) -> float | None: ...


class WebhookFactsBoard:
    """Serves delivery counts to callers. Owned by the engine."""

    def __init__(self, store: CountingStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._lock = trio.Lock()
        self._facts: Mapping[str, WebhookFacts] = {}
        self._oldest: float | None = None
        self._good_until = -float("inf")

    async def read(self) -> tuple[Mapping[str, WebhookFacts], float | None]:
        """Returns delivery facts by webhook, and when the oldest event that waits for an enabled webhook was stored.

        The counts are current, or slightly older where counting takes long. Raises StoreError.
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
