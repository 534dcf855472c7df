"""Webhooks, deliveries and dead letters in SQLite.

A lane's row in `lanes` names its first pending event and says until when the lane is parked. `_settle` keeps it
correct.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from sqlite3 import Connection

from ...errors import AlreadyExists, NotFound
from ...model.instance import Duty
from ...model.webhook import DeadLetter, Delivery, DeliveryOutcome, ReplayQuery, Webhook, lane_of
from ..rows.events import EVENT_COLUMNS, event_from_row
from ..rows.values import to_json
from ..rows.webhooks import WEBHOOK_COLUMNS, dead_letter_from_row, webhook_from_row, webhook_to_row
from .base import SqliteBase
from .database.connection import Database

_SELECT = f"SELECT {WEBHOOK_COLUMNS} FROM webhooks"  # noqa: S608
_FREE = "lane NOT IN (SELECT value FROM json_each(?))"
_READY = f"SELECT head, lane FROM lanes WHERE webhook = ? AND retry_at IS NULL AND {_FREE} ORDER BY head LIMIT ?"  # noqa: S608
_DUE = f"SELECT head, lane FROM lanes WHERE webhook = ? AND retry_at <= ? AND {_FREE} ORDER BY retry_at LIMIT ?"  # noqa: S608
_DELIVERY = (
    f"SELECT d.attempts, {', '.join(f'e.{column}' for column in EVENT_COLUMNS.split(', '))} "  # noqa: S608
    "FROM deliveries AS d JOIN events AS e ON e.id = d.event WHERE d.event = ? AND d.webhook = ?"
)
_DEAD = (
    f"SELECT d.attempts, d.error, d.at, {', '.join(f'e.{column}' for column in EVENT_COLUMNS.split(', '))} "  # noqa: S608
    "FROM dead_letters AS d JOIN events AS e ON e.id = d.event WHERE d.webhook = ? AND d.event > ? "
    "ORDER BY d.event LIMIT ?"
)


class SqliteDeliveries(SqliteBase):
    """Implements `DeliveryStore` and `DutyStore`."""

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
            number = _number(connection, webhook.id)
            connection.execute(
                f"UPDATE webhooks SET (uid, {WEBHOOK_COLUMNS}) = (?{', ?' * len(row)}) WHERE number = ?",  # noqa: S608
                (_uid(connection, webhook), *row, number),
            )
            connection.execute("UPDATE lanes SET retry_at = NULL WHERE webhook = ? AND retry_at IS NOT NULL", (number,))
            database.forget()
            return webhook

        return await self._write(work)

    async def delete_webhook(self, id: str) -> bool:
        def work(database: Database) -> bool:
            database.forget()
            return database.connection.execute("DELETE FROM webhooks WHERE id = ?", (id,)).rowcount > 0

        return await self._write(work)

    async def pending_deliveries(
        self, webhook: str, *, now: float, busy: Collection[str], limit: int
    ) -> Sequence[Delivery]:
        avoid = to_json(list(busy))
        return await self._read(lambda connection: _pending(connection, webhook, now, avoid, limit))

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
        await self._write(lambda database: _record(database.connection, outcomes))

    async def dead_letters(self, webhook: str, *, after: int, limit: int) -> Sequence[DeadLetter]:
        def query(connection: Connection) -> Sequence[DeadLetter]:
            rows = connection.execute(_DEAD, (_number(connection, webhook), after, limit))
            return [dead_letter_from_row(row) for row in rows]

        return await self._read(query)

    async def replay(self, webhook: str, query: ReplayQuery) -> int:
        which = {
            "chosen": None if query.event_ids is None else to_json(query.event_ids),
            "lanes": None if query.session is None else lane_of(query.session, ""),
            "since": query.since,
            "until": query.until,
        }
        return await self._write(lambda database: _replay(database.connection, webhook, which))

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


def _number(connection: Connection, id: str) -> int:
    row = connection.execute("SELECT number FROM webhooks WHERE id = ?", (id,)).fetchone()
    if row is None:
        raise NotFound("webhook", id)
    number: int = row[0]
    return number


def _uid(connection: Connection, webhook: Webhook) -> int | None:
    if webhook.session is None:
        return None
    row = connection.execute("SELECT uid FROM sessions WHERE id = ?", (webhook.session,)).fetchone()
    if row is None:
        raise NotFound("session", webhook.session)
    uid: int = row[0]
    return uid


def _pending(connection: Connection, webhook: str, now: float, avoid: str, limit: int) -> Sequence[Delivery]:
    number = _number(connection, webhook)
    free = connection.execute(_READY, (number, avoid, limit)).fetchall()
    free += connection.execute(_DUE, (number, now, avoid, limit)).fetchall()
    free = sorted(free)[:limit]
    # With `limit` lanes available, nothing after the last of their heads can be among the first `limit` deliveries.
    bound = free[-1][0] if len(free) == limit else None
    sql = "SELECT event, lane FROM deliveries WHERE webhook = ? AND lane = ? AND event <= ? ORDER BY event LIMIT ?"
    beyond = 2**63 - 1
    queues: Iterable[Sequence[tuple[int, str]]] = [
        connection.execute(sql, (number, lane, beyond if bound is None else bound, limit)).fetchall()
        for _, lane in free
    ]
    chosen = sorted(heapq.merge(*queues))[:limit]
    found = []
    for event, lane in chosen:
        attempts, *row = connection.execute(_DELIVERY, (event, number)).fetchone()
        found.append(Delivery(webhook, event_from_row(row), lane, attempts))
    return found


def _record(connection: Connection, outcomes: Sequence[DeliveryOutcome]) -> None:
    numbers: dict[str, int] = dict(connection.execute("SELECT id, number FROM webhooks"))
    unsettled: dict[tuple[int, str], None] = {}  # an ordered set
    for outcome in outcomes:
        number = numbers.get(outcome.webhook)
        if number is None:
            continue
        key = (outcome.event_id, number)
        if not outcome.delivered and outcome.retry_at is not None:
            rows = connection.execute(
                "UPDATE deliveries SET attempts = attempts + 1 WHERE event = ? AND webhook = ? RETURNING lane", key
            ).fetchall()
            for (lane,) in rows:
                if (number, lane) in unsettled:  # this event may be the head because of an earlier outcome
                    del unsettled[number, lane]
                    _settle(connection, [(number, lane)])
                connection.execute(
                    "UPDATE lanes SET retry_at = ? WHERE webhook = ? AND lane = ? AND head = ?",
                    (outcome.retry_at, number, lane, outcome.event_id),
                )
            continue
        rows = connection.execute(
            "DELETE FROM deliveries WHERE event = ? AND webhook = ? RETURNING lane, attempts", key
        ).fetchall()
        for lane, attempts in rows:
            unsettled[number, lane] = None
            if not outcome.delivered:
                connection.execute(
                    "INSERT OR REPLACE INTO dead_letters (event, webhook, lane, attempts, error, at) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (*key, lane, attempts + 1, outcome.error or "", outcome.at),
                )
    _settle(connection, unsettled)


def _replay(connection: Connection, webhook: str, which: Mapping[str, object]) -> int:
    number = _number(connection, webhook)
    rows = connection.execute(
        "DELETE FROM dead_letters WHERE webhook = :number "
        "AND (:chosen IS NULL OR event IN (SELECT value FROM json_each(:chosen))) "
        "AND (:lanes IS NULL OR substr(lane, 1, length(:lanes)) = :lanes) "
        "AND (:since IS NULL OR at >= :since) AND (:until IS NULL OR at < :until) RETURNING event, webhook, lane",
        {"number": number, **which},
    ).fetchall()
    connection.executemany("INSERT INTO deliveries (event, webhook, lane) VALUES (?, ?, ?)", rows)
    _settle(connection, {(number, lane) for _, _, lane in rows})
    return len(rows)


def _settle(connection: Connection, lanes: Iterable[tuple[int, str]]) -> None:
    """Update the heads of lanes whose deliveries have changed. A new head is not parked."""
    for lane in lanes:
        head = connection.execute("SELECT min(event) FROM deliveries WHERE webhook = ? AND lane = ?", lane).fetchone()[
            0
        ]
        if head is None:
            connection.execute("DELETE FROM lanes WHERE webhook = ? AND lane = ?", lane)
        else:
            connection.execute(
                "INSERT INTO lanes (webhook, lane, head) VALUES (?, ?, ?) ON CONFLICT (webhook, lane) "
                "DO UPDATE SET head = excluded.head, retry_at = NULL WHERE head != excluded.head",
                (*lane, head),
            )
