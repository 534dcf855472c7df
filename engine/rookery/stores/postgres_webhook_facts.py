"""How deliveries to each webhook go, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..webhook_facts import DeliveryNote, WebhookFacts
from .postgres_base import PostgresBase

_FACTS = """
    SELECT id, (SELECT count(*) FROM rookery.deliveries WHERE webhook = number),
           (SELECT count(*) FROM rookery.dead_letters WHERE webhook = number),
           (SELECT stored_at FROM rookery.events
            WHERE id = (SELECT min(head) FROM rookery.lanes WHERE webhook = number)),
           last_success_at, last_error, last_error_at
    FROM rookery.webhooks WHERE id = ANY ($1)"""
_NOTE = """
    UPDATE rookery.webhooks SET last_success_at = coalesce($1, last_success_at), last_error = coalesce($2, last_error),
        last_error_at = coalesce($3, last_error_at)
    WHERE id = $4"""


class PostgresWebhookFacts(PostgresBase):
    """Implements `WebhookFactsStore`."""

    async def webhook_facts(self, ids: Collection[str]) -> Mapping[str, WebhookFacts]:
        rows = await self._all(_FACTS, list(ids), of=lambda row: (row[0], WebhookFacts(*row[1:])))
        return dict(rows)

    async def note_deliveries(self, webhook: str, note: DeliveryNote) -> None:
        await self._db.row(_NOTE, note.last_success_at, note.last_error, note.last_error_at, webhook)
