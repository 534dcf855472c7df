"""Delivery facts of each webhook, in SQLite."""

from __future__ import annotations

from collections.abc import Mapping
from sqlite3 import Connection

import msgspec

from ...model.webhook import DeliveryNote, WebhookFacts
from .base import SqliteBase

_FACTS = """
    SELECT id, (SELECT count(*) FROM deliveries WHERE webhook = number),
           (SELECT count(*) FROM dead_letters WHERE webhook = number),
           (SELECT stored_at FROM events WHERE id = (SELECT min(head) FROM lanes WHERE webhook = number)),
           last_success_at, last_error, last_error_at, last_status, delivered, failed, rate, noted_at
    FROM webhooks"""
_NOTE = """
    UPDATE webhooks SET last_success_at = coalesce(:last_success_at, last_success_at),
        last_error = coalesce(:last_error, last_error), last_error_at = coalesce(:last_error_at, last_error_at),
        last_status = CASE WHEN :delivered + :failed > 0 THEN :last_status ELSE last_status END,
        delivered = delivered + :delivered, failed = failed + :failed, rate = coalesce(:rate, rate), noted_at = :at
    WHERE id = :id"""


class SqliteWebhookFacts(SqliteBase):
    """Implements `WebhookFactsStore`."""

    async def webhook_facts(self) -> Mapping[str, WebhookFacts]:
        def query(connection: Connection) -> Mapping[str, WebhookFacts]:
            return {row[0]: WebhookFacts(*row[1:]) for row in connection.execute(_FACTS)}

        return await self._read(query)

    async def note_deliveries(self, notes: Mapping[str, DeliveryNote]) -> None:
        rows = [{"id": id, **msgspec.structs.asdict(note)} for id, note in notes.items()]
        await self._write(lambda database: database.connection.executemany(_NOTE, rows) and None)
