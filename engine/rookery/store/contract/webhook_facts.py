"""How deliveries to a webhook go: what an operator looks at first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Protocol

import msgspec
import trio

COUNT_SHARE = 20.0
"""What was counted is told again for so many times as long as the counting took: at most a 21st of the time is spent on it,
however many ask."""

COUNT_FREE = 0.005
"""Seconds that counting may take to be done anew for everybody who asks."""

COUNT_KEPT = 30.0
"""Seconds for which a count is told at most."""

STALE = 15.0
"""Seconds after which a rate that nobody has renewed is over: whoever delivered has died."""


class WebhookFacts(msgspec.Struct, frozen=True):
    """The first three are counted, the others written lazily (`DeliveryNote`), by the instance that delivers."""

    pending: int = 0
    dead: int = 0
    oldest_pending_at: float | None = None  # when the event was stored that waits longest
    last_success_at: float | None = None
    last_error: str | None = None
    last_error_at: float | None = None
    last_status: int | None = None  # of the last attempt; None when nothing was answered
    delivered: int = 0  # attempts since the webhook was made
    failed: int = 0
    rate: float = 0.0  # deliveries a second, lately
    noted_at: float | None = None

    def lag(self, now: float) -> float:
        """Seconds for which the oldest undelivered event has waited; 0 when nothing waits."""
        return 0.0 if self.oldest_pending_at is None else max(0.0, now - self.oldest_pending_at)


class DeliveryNote(msgspec.Struct, frozen=True, kw_only=True):
    """What happened since the last note; None: nothing of that kind."""

    last_success_at: float | None = None
    last_error: str | None = None
    last_error_at: float | None = None
    last_status: int | None = None  # taken with `delivered` or `failed` only
    delivered: int = 0
    failed: int = 0
    rate: float | None = None
    at: float = 0.0


class WebhookFactsStore(Protocol):
    """Part of every store, with its promises."""

    async def webhook_facts(self) -> Mapping[str, WebhookFacts]:
        """Of all webhooks by id, counted now."""

    async def note_deliveries(self, notes: Mapping[str, DeliveryNote]) -> None:
        """Write down what happened lately, by webhook; those that are gone are skipped."""


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
