"""How deliveries to a webhook go: what an operator looks at first."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

import msgspec


class WebhookFacts(msgspec.Struct, frozen=True):
    """Counted just now, except for the last three, which are written lazily."""

    pending: int = 0
    dead: int = 0
    oldest_pending_at: float | None = None  # when the event was stored that waits longest
    last_success_at: float | None = None
    last_error: str | None = None
    last_error_at: float | None = None


class DeliveryNote(msgspec.Struct, frozen=True, kw_only=True):
    """What happened lately; None: nothing of that kind."""

    last_success_at: float | None = None
    last_error: str | None = None
    last_error_at: float | None = None


class WebhookFactsStore(Protocol):
    """Part of every store, with its promises."""

    async def webhook_facts(self, ids: Collection[str]) -> Mapping[str, WebhookFacts]:
        """By id; those that are gone are left out."""

    async def note_deliveries(self, webhook: str, note: DeliveryNote) -> None:
        """Write down what happened lately; nothing happens for a webhook that is gone."""
