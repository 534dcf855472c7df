"""Delivery facts of each webhook, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ...model.webhook import DeliveryNote, WebhookFacts
from .base import PostgresBase

# Each table is read once, whatever the number of webhooks.
_FACTS = """
    SELECT w.id, coalesce(d.count, 0), coalesce(dead.count, 0), e.stored_at,
           w.last_success_at, w.last_error, w.last_error_at, w.last_status, w.delivered, w.failed, w.rate, w.noted_at
    FROM rookery.webhooks AS w
    LEFT JOIN (SELECT webhook, count(*) FROM rookery.deliveries GROUP BY webhook) AS d ON d.webhook = w.number
    LEFT JOIN (SELECT webhook, count(*) FROM rookery.dead_letters GROUP BY webhook) AS dead ON dead.webhook = w.number
    LEFT JOIN (SELECT webhook, min(head) AS head FROM rookery.lanes GROUP BY webhook) AS l ON l.webhook = w.number
    LEFT JOIN rookery.events AS e ON e.id = l.head"""

# One statement for all webhooks: rows are locked in the order of their numbers, because other instances may write notes
# too.
_NOTE = """
    WITH locked AS (
        SELECT w.number, n.* FROM unnest(
            $1::text[], $2::double precision[], $3::text[], $4::double precision[], $5::integer[], $6::bigint[],
            $7::bigint[], $8::double precision[], $9::double precision[]
        ) AS n (id, success_at, error, error_at, status, more, less, rate, at)
        JOIN rookery.webhooks AS w ON w.id = n.id ORDER BY w.number FOR NO KEY UPDATE OF w
    )
    UPDATE rookery.webhooks AS w SET last_success_at = coalesce(n.success_at, w.last_success_at),
        last_error = coalesce(n.error, w.last_error), last_error_at = coalesce(n.error_at, w.last_error_at),
        last_status = CASE WHEN n.more + n.less > 0 THEN n.status ELSE w.last_status END,
        delivered = w.delivered + n.more, failed = w.failed + n.less, rate = coalesce(n.rate, w.rate), noted_at = n.at
    FROM locked AS n WHERE w.number = n.number"""


class PostgresWebhookFacts(PostgresBase):
    """Implements `WebhookFactsStore`."""

    async def webhook_facts(self) -> Mapping[str, WebhookFacts]:
        return dict(await self._all(_FACTS, of=lambda row: (row[0], WebhookFacts(*row[1:]))))

    async def note_deliveries(self, notes: Mapping[str, DeliveryNote]) -> None:
        columns = zip(*map(msgspec.structs.astuple, notes.values()), strict=True)
        if notes:
            await self._db.row(_NOTE, list(notes), *map(list, columns))
