"""Webhooks, their deliveries and their facts in a store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from ...model.instance import Duty
from ...model.webhook import (
    DeadLetter,
    Delivery,
    DeliveryAttempt,
    DeliveryNote,
    DeliveryOutcome,
    ReplayQuery,
    Webhook,
    WebhookFacts,
)


class WebhookStore(Protocol):
    """Webhooks and their pending deliveries."""

    async def create_webhook(self, webhook: Webhook) -> Webhook:
        """Raises AlreadyExists, NotFound (its session)."""

    async def get_webhook(self, id: str) -> Webhook:
        """Raises NotFound."""

    async def list_webhooks(self, session: str | None = None) -> Sequence[Webhook]:
        """All webhooks, or those of one session; ordered by creation."""

    async def update_webhook(self, webhook: Webhook) -> Webhook:
        """Replace the row; deliveries that wait for their next attempt are ready at once. Disabled webhooks get no new
        deliveries and keep their old ones. Raises NotFound."""

    async def delete_webhook(self, id: str) -> bool:
        """Delete the webhook with its deliveries and dead letters. False when it did not exist."""

    async def pending_deliveries(
        self, webhook: str, *, now: float, busy: Collection[str], limit: int
    ) -> Sequence[Delivery]:
        """In event order: deliveries of lanes that are neither in `busy` nor parked (their head's `retry_at` >
        `now`)."""

    async def next_retry_at(self, webhook: str, *, after: float = 0.0) -> float | None:
        """When the first lane that is parked beyond `after` may be tried again; None when there is no such lane.

        A lane whose time has come stays parked until its outcome is recorded. A caller that waits for the next lane
        therefore passes the current time; otherwise it would wake up for lanes that it is already delivering.
        """

    async def record_deliveries(self, outcomes: Sequence[DeliveryOutcome], *, duty: Duty | None = None) -> None:
        """Record attempts. With `duty`, a shared store writes nothing unless its owner still holds it, and raises
        DutyLost: the outcome of a stalled instance would park or bury what another one delivers."""

    async def dead_letters(self, webhook: str, *, after: int, limit: int) -> Sequence[DeadLetter]:
        """Ordered by event id. Raises NotFound."""

    async def recent_attempts(self, webhook: str) -> Sequence[DeliveryAttempt]:
        """The kept attempts, newest first. Erasing an event erases its attempts. Raises NotFound."""

    async def replay(self, webhook: str, query: ReplayQuery) -> int:
        """Make dead letters pending again and reset their attempts. Returns how many. Raises NotFound."""

    async def delivery_counts(self) -> Mapping[str, tuple[int, int]]:
        """By webhook id: (pending, dead)."""

    async def backlogs(self) -> Mapping[str, int]:
        """By session id: how many of the session's events wait for the enabled webhook that is furthest behind.
        Sessions without waiting events are left out."""

    async def oldest_delivery(self) -> float | None:
        """When the oldest event that waits for an enabled webhook was stored; None when none waits."""


class WebhookFactsStore(Protocol):
    """Part of every store, under the promises in `store.contract`."""

    async def webhook_facts(self) -> Mapping[str, WebhookFacts]:
        """The facts of all webhooks by id, counted now."""

    async def note_deliveries(self, notes: Mapping[str, DeliveryNote]) -> None:
        """Record recent results by webhook; webhooks that no longer exist are skipped, and so are attempts whose events
        no longer exist. Of each webhook's attempts the newest `ATTEMPTS_KEPT` are kept."""
