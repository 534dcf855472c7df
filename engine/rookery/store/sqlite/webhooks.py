"""Webhooks, deliveries and dead letters in SQLite."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from sqlite3 import Connection

from ...errors import AlreadyExists, NotFound
from ...model.instance import Duty
from ...model.webhook import DeadLetter, Delivery, DeliveryOutcome, ReplayQuery, Webhook, lane_of
from ..rows.events import EVENT_COLUMNS
from ..rows.values import to_json
from ..rows.webhooks import WEBHOOK_COLUMNS, dead_letter_from_row, webhook_from_row, webhook_to_row
from .base import SqliteBase
from .database.connection import Database
from .database.dependants import WEBHOOK, delete_whole
from .deliveries import number_of, pending, record, replay

_SELECT = f"SELECT {WEBHOOK_COLUMNS} FROM webhooks"  # noqa: S608
_DEAD = (
    f"SELECT d.attempts, d.error, d.at, {', '.join(f'e.{column}' for column in EVENT_COLUMNS.split(', '))} "  # noqa: S608
    "FROM dead_letters AS d JOIN events AS e ON e.id = d.event WHERE d.webhook = ? AND d.event > ? "
    "ORDER BY d.event LIMIT ?"
)


class SqliteWebhooks(SqliteBase):
    """Implements `WebhookStore` and `DutyStore`."""

    async def create_webhook(self, webhook: Webhook) -> Webhook:
        row = webhook_to_row(webhook, self._secrets)

        def work(database: Database) -> Webhook:
            connection = database.connection
            if connection.execute("SELECT 1 FROM webhooks WHERE id = ?", (webhook.id,)).fetchone():
                raise AlreadyExists("webhook", webhook.id)
            connection.execute(
                f"INSERT INTO webhooks (uid, {WEBHOOK_COLUMNS}) VALUES (?{', ?' * len(row)})",  # noqa: S608
                (_uid(connection, webhook), *row),
            )
            database.forget()
            return webhook

        return await self._write(work)

    async def get_webhook(self, id: str) -> Webhook:
        def query(connection: Connection) -> Webhook:
            row = connection.execute(f"{_SELECT} WHERE id = ?", (id,)).fetchone()
            if row is None:
                raise NotFound("webhook", id)
            return webhook_from_row(row, self._secrets)

        return await self._read(query)

    async def list_webhooks(self, session: str | None = None) -> Sequence[Webhook]:
        sql, values = (
            (f"{_SELECT} ORDER BY number", ())
            if session is None
            else (f"{_SELECT} WHERE session = ? ORDER BY number", (session,))
        )

        def query(connection: Connection) -> Sequence[Webhook]:
            return [webhook_from_row(row, self._secrets) for row in connection.execute(sql, values)]

        return await self._read(query)

    async def update_webhook(self, webhook: Webhook) -> Webhook:
        row = webhook_to_row(webhook, self._secrets)

        def work(database: Database) -> Webhook:
            connection = database.connection
            number = number_of(connection, webhook.id)
            connection.execute(
                f"UPDATE webhooks SET (uid, {WEBHOOK_COLUMNS}) = (?{', ?' * len(row)}) WHERE number = ?",  # noqa: S608
                (_uid(connection, webhook), *row, number),
            )
            connection.execute("UPDATE lanes SET retry_at = NULL WHERE webhook = ? AND retry_at IS NOT NULL", (number,))
            database.forget()
            return webhook

        return await self._write(work)

    async def delete_webhook(self, id: str) -> bool:
        return await delete_whole(self._write, WEBHOOK, id)

    async def pending_deliveries(
        self, webhook: str, *, now: float, busy: Collection[str], limit: int
    ) -> Sequence[Delivery]:
        avoid = to_json(list(busy))
        return await self._read(lambda connection: pending(connection, webhook, now, avoid, limit))

    async def next_retry_at(self, webhook: str, *, after: float = 0.0) -> float | None:
        sql = (
            "SELECT min(retry_at) FROM lanes WHERE retry_at > ? "
            "AND webhook = (SELECT number FROM webhooks WHERE id = ?)"
        )

        def query(connection: Connection) -> float | None:
            found: float | None = connection.execute(sql, (after, webhook)).fetchone()[0]
            return found

        return await self._read(query)

    async def record_deliveries(self, outcomes: Sequence[DeliveryOutcome], *, duty: Duty | None = None) -> None:
        await self._write(lambda database: record(database.connection, outcomes))

    async def dead_letters(self, webhook: str, *, after: int, limit: int) -> Sequence[DeadLetter]:
        def query(connection: Connection) -> Sequence[DeadLetter]:
            rows = connection.execute(_DEAD, (number_of(connection, webhook), after, limit))
            return [dead_letter_from_row(row) for row in rows]

        return await self._read(query)

    async def replay(self, webhook: str, query: ReplayQuery) -> int:
        which = {
            "chosen": None if query.event_ids is None else to_json(query.event_ids),
            "lanes": None if query.session is None else lane_of(query.session, ""),
            "since": query.since,
            "until": query.until,
        }
        return await self._write(lambda database: replay(database.connection, webhook, which))

    async def delivery_counts(self) -> Mapping[str, tuple[int, int]]:
        sql = (
            "SELECT id, (SELECT count(*) FROM deliveries WHERE webhook = number), "
            "(SELECT count(*) FROM dead_letters WHERE webhook = number) FROM webhooks"
        )

        def query(connection: Connection) -> Mapping[str, tuple[int, int]]:
            return {row[0]: (row[1], row[2]) for row in connection.execute(sql)}

        return await self._read(query)

    async def backlogs(self) -> Mapping[str, int]:
        # Session ids contain no slash, so a lane's session is the text before the first one.
        sql = (
            "SELECT session, max(waiting) FROM ("
            "SELECT substr(lane, 1, instr(lane, '/') - 1) AS session, count(*) AS waiting FROM deliveries "
            "WHERE webhook IN (SELECT number FROM webhooks WHERE enabled) GROUP BY webhook, 1) GROUP BY session"
        )
        return await self._read(lambda connection: dict(connection.execute(sql).fetchall()))

    async def oldest_delivery(self) -> float | None:
        # The first pending event of a webhook is the lowest of its lanes' heads: one row per lane, not one per
        # delivery.
        sql = (
            "SELECT min(stored_at) FROM events WHERE id IN (SELECT min(head) FROM lanes "
            "WHERE webhook IN (SELECT number FROM webhooks WHERE enabled) GROUP BY webhook)"
        )

        def query(connection: Connection) -> float | None:
            found: float | None = connection.execute(sql).fetchone()[0]
            return found

        return await self._read(query)


def _uid(connection: Connection, webhook: Webhook) -> int | None:
    if webhook.session is None:
        return None
    row = connection.execute("SELECT uid FROM sessions WHERE id = ?", (webhook.session,)).fetchone()
    if row is None:
        raise NotFound("session", webhook.session)
    uid: int = row[0]
    return uid
