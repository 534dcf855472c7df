"""How deliveries to each webhook go, in SQLite."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from sqlite3 import Connection

from ..webhook_facts import DeliveryNote, WebhookFacts
from .rows import to_json
from .sqlite_base import SqliteBase

_FACTS = """
    SELECT id, (SELECT count(*) FROM deliveries WHERE webhook = number),
           (SELECT count(*) FROM dead_letters WHERE webhook = number),
           (SELECT stored_at FROM events WHERE id = (SELECT min(head) FROM lanes WHERE webhook = number)),
           last_success_at, last_error, last_error_at
    FROM webhooks WHERE id IN (SELECT value FROM json_each(?))"""
_NOTE = """
    UPDATE webhooks SET last_success_at = coalesce(?, last_success_at), last_error = coalesce(?, last_error),
        last_error_at = coalesce(?, last_error_at)
    WHERE id = ?"""


class SqliteWebhookFacts(SqliteBase):
    """Implements `WebhookFactsStore`."""

    async def webhook_facts(self, ids: Collection[str]) -> Mapping[str, WebhookFacts]:
        chosen = to_json(list(ids))

        def query(connection: Connection) -> Mapping[str, WebhookFacts]:
            return {row[0]: WebhookFacts(*row[1:]) for row in connection.execute(_FACTS, (chosen,))}

        return await self._read(query)

    async def note_deliveries(self, webhook: str, note: DeliveryNote) -> None:
        values = (note.last_success_at, note.last_error, note.last_error_at, webhook)
        await self._write(lambda database: database.connection.execute(_NOTE, values) and None)
