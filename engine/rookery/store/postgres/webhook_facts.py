"""Delivery facts of each webhook, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ...errors import NotFound
from ...model.webhook import DeliveryAttempt, DeliveryNote, WebhookFacts
from ..rows.webhooks import ATTEMPTS, TIDY_ATTEMPTS, attempt_from_row, attempt_to_row
from .base import PostgresBase
from .database.pool import Connection

# Each table is read once, whatever the number of webhooks.
_FACTS = """
    SELECT w.id, coalesce(d.count, 0), coalesce(dead.count, 0), e.stored_at,
           w.last_success_at, w.last_error, w.last_error_at, w.last_status, w.delivered, w.failed, w.rate, w.noted_at,
           w.latency_p50, w.latency_p99, w.commands_accepted, w.commands_refused, w.command_error, w.command_error_at
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
            $7::bigint[], $8::double precision[], $9::double precision[], $10::double precision[], $11::double precision[],
            $12::bigint[], $13::bigint[], $14::text[], $15::double precision[]
        ) AS n (id, success_at, error, error_at, status, more, less, rate, at, p50, p99, taken, refused, trouble, trouble_at)
        JOIN rookery.webhooks AS w ON w.id = n.id ORDER BY w.number FOR NO KEY UPDATE OF w
    )
    UPDATE rookery.webhooks AS w SET last_success_at = coalesce(n.success_at, w.last_success_at),
        last_error = coalesce(n.error, w.last_error), last_error_at = coalesce(n.error_at, w.last_error_at),
        last_status = CASE WHEN n.more + n.less > 0 THEN n.status ELSE w.last_status END,
        delivered = w.delivered + n.more, failed = w.failed + n.less, rate = coalesce(n.rate, w.rate), noted_at = n.at,
        latency_p50 = coalesce(n.p50, w.latency_p50), latency_p99 = coalesce(n.p99, w.latency_p99),
        commands_accepted = w.commands_accepted + n.taken, commands_refused = w.commands_refused + n.refused,
        command_error = coalesce(n.trouble, w.command_error),
        command_error_at = coalesce(n.trouble_at, w.command_error_at)
    FROM locked AS n WHERE w.number = n.number"""
_ATTEMPTS = """
    INSERT INTO rookery.attempts (webhook, event, attempt, at, seconds, delivered, status, error, answer)
    SELECT w.number, e.id, n.attempt, n.at, n.seconds, n.delivered, n.status, n.error, n.answer
    FROM unnest(
        $1::text[], $2::bigint[], $3::integer[], $4::double precision[], $5::double precision[], $6::boolean[],
        $7::integer[], $8::text[], $9::text[]
    ) WITH ORDINALITY AS n (webhook, event, attempt, at, seconds, delivered, status, error, answer, place)
    JOIN rookery.webhooks AS w ON w.id = n.webhook JOIN rookery.events AS e ON e.id = n.event ORDER BY n.place"""


class PostgresWebhookFacts(PostgresBase):
    """Implements `WebhookFactsStore`."""

    async def webhook_facts(self) -> Mapping[str, WebhookFacts]:
        return dict(await self._all(_FACTS, of=lambda row: (row[0], WebhookFacts(*row[1:]))))

    async def note_deliveries(self, notes: Mapping[str, DeliveryNote]) -> None:
        if not notes:
            return
        columns = zip(*(msgspec.structs.astuple(note)[:-1] for note in notes.values()), strict=True)
        values = [list(notes), *map(list, columns)]
        attempts = [attempt_to_row(id, attempt) for id, note in notes.items() for attempt in note.attempts]
        if not attempts:
            await self._db.row(_NOTE, *values)
            return
        database = self._db

        async def work(connection: Connection) -> None:
            await connection.execute(database.text(_NOTE), *values)
            await connection.execute(database.text(_ATTEMPTS), *map(list, zip(*attempts, strict=True)))
            for id, note in notes.items():
                if note.attempts:
                    await connection.execute(database.text(TIDY_ATTEMPTS), id)

        await database.transaction(work)

    async def recent_attempts(self, webhook: str) -> Sequence[DeliveryAttempt]:
        rows = await self._all(ATTEMPTS, webhook, of=lambda row: tuple(row))
        if not rows:
            raise NotFound("webhook", webhook)
        return [attempt_from_row(row) for row in rows if row[0] is not None]
