"""Webhooks, their deliveries and their facts in a store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from ...model.webhook import DeadLetter, Delivery, DeliveryNote, DeliveryOutcome, ReplayQuery, Webhook, WebhookFacts


class DeliveryStore(Protocol):
    """Webhooks and what is on its way to them."""

    async def create_webhook(self, webhook: Webhook) -> Webhook:
        """Raises AlreadyExists, NotFound (its session)."""

    async def get_webhook(self, id: str) -> Webhook:
        """Raises NotFound."""

    async def list_webhooks(self, session: str | None = None) -> Sequence[Webhook]:
        """All, or those of one session; ordered by creation."""

    async def update_webhook(self, webhook: Webhook) -> Webhook:
        """Replace the row; what waits for its next attempt is ready at once. Disabled webhooks get no new deliveries and keep
        their old ones. Raises NotFound."""

    async def delete_webhook(self, id: str) -> bool:
        """With its deliveries and dead letters. False when there was none."""

    async def pending_deliveries(
        self, webhook: str, *, now: float, busy: Collection[str], limit: int
    ) -> Sequence[Delivery]:
        """In event order: deliveries of lanes that are neither in `busy` nor parked (their head's `retry_at` > `now`)."""

    async def next_retry_at(self, webhook: str, *, after: float = 0.0) -> float | None:
        """When the first lane that is parked beyond `after` may be tried again; None when there is none.

        A lane whose time has come stays parked until its outcome is recorded: whoever waits for the next one passes the
        present time, or would wake up for the lanes that it is busy with.
        """

    async def record_deliveries(self, outcomes: Sequence[DeliveryOutcome]) -> None: ...

    async def dead_letters(self, webhook: str, *, after: int, limit: int) -> Sequence[DeadLetter]:
        """Ordered by event id. Raises NotFound."""

    async def replay(self, webhook: str, query: ReplayQuery) -> int:
        """Make dead letters pending again, with no attempts. Returns how many. Raises NotFound."""

    async def delivery_counts(self) -> Mapping[str, tuple[int, int]]:
        """By webhook id: (pending, dead)."""

    async def backlogs(self) -> Mapping[str, int]:
        """By session id: how many of its events wait for the enabled webhook that is furthest behind. Those without any are
        left out."""

    async def oldest_delivery(self) -> float | None:
        """When the oldest event was stored that waits for an enabled webhook; None when none does."""


class WebhookFactsStore(Protocol):
    """Part of every store, with its promises."""

    async def webhook_facts(self) -> Mapping[str, WebhookFacts]:
        """Of all webhooks by id, counted now."""

    async def note_deliveries(self, notes: Mapping[str, DeliveryNote]) -> None:
        """Write down what happened lately, by webhook; those that are gone are skipped."""
