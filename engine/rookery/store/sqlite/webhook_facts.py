"""Delivery facts of each webhook, in SQLite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from sqlite3 import Connection

import msgspec

from ...errors import NotFound
from ...model.webhook import DeliveryAttempt, DeliveryNote, WebhookFacts
from ..rows.webhooks import ATTEMPTS, TIDY_ATTEMPTS, attempt_from_row, attempt_to_row
from .base import SqliteBase
from .database.connection import Database

_FACTS = """
    SELECT id, (SELECT count(*) FROM deliveries WHERE webhook = number),
           (SELECT count(*) FROM dead_letters WHERE webhook = number),
           (SELECT stored_at FROM events WHERE id = (SELECT min(head) FROM lanes WHERE webhook = number)),
           last_success_at, last_error, last_error_at, last_status, delivered, failed, rate, noted_at,
           latency_p50, latency_p99, commands_accepted, commands_refused, command_error, command_error_at
    FROM webhooks"""
_NOTE = """
    UPDATE webhooks SET last_success_at = coalesce(:last_success_at, last_success_at),
        last_error = coalesce(:last_error, last_error), last_error_at = coalesce(:last_error_at, last_error_at),
        last_status = CASE WHEN :delivered + :failed > 0 THEN :last_status ELSE last_status END,
        delivered = delivered + :delivered, failed = failed + :failed, rate = coalesce(:rate, rate), noted_at = :at,
        latency_p50 = coalesce(:latency_p50, latency_p50), latency_p99 = coalesce(:latency_p99, latency_p99),
        commands_accepted = commands_accepted + :commands_accepted,
        commands_refused = commands_refused + :commands_refused,
        command_error = coalesce(:command_error, command_error),
        command_error_at = coalesce(:command_error_at, command_error_at)
    WHERE id = :id"""
_ATTEMPT = """
    INSERT INTO attempts (webhook, event, attempt, at, seconds, delivered, status, error, answer)
    SELECT w.number, e.id, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM webhooks AS w, events AS e WHERE w.id = ?1 AND e.id = ?2"""
_ATTEMPTS, _TIDY = (text.replace("rookery.", "").replace("$1", "?1") for text in (ATTEMPTS, TIDY_ATTEMPTS))


class SqliteWebhookFacts(SqliteBase):
    """Implements `WebhookFactsStore`."""

    async def webhook_facts(self) -> Mapping[str, WebhookFacts]:
        def query(connection: Connection) -> Mapping[str, WebhookFacts]:
            return {row[0]: WebhookFacts(*row[1:]) for row in connection.execute(_FACTS)}

        return await self._read(query)

    async def note_deliveries(self, notes: Mapping[str, DeliveryNote]) -> None:
        rows = [{"id": id, **msgspec.structs.asdict(note), "attempts": None} for id, note in notes.items()]
        attempts = [attempt_to_row(id, attempt) for id, note in notes.items() for attempt in note.attempts]

        def work(database: Database) -> None:
            connection = database.connection
            connection.executemany(_NOTE, rows)
            connection.executemany(_ATTEMPT, attempts)
            connection.executemany(_TIDY, [(id,) for id, note in notes.items() if note.attempts])

        await self._write(work)

    async def recent_attempts(self, webhook: str) -> Sequence[DeliveryAttempt]:
        rows = await self._read(lambda connection: connection.execute(_ATTEMPTS, (webhook,)).fetchall())
        if not rows:
            raise NotFound("webhook", webhook)
        return [attempt_from_row(row) for row in rows if row[0] is not None]
