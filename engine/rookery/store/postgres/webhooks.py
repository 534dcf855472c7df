"""Webhooks, deliveries and dead letters in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ...errors import AlreadyExists, DutyLost, NotFound
from ...model.instance import Duty
from ...model.webhook import DeadLetter, Delivery, DeliveryOutcome, ReplayQuery, Webhook, lane_of
from ..rows.events import EVENT_COLUMNS, event_from_row
from ..rows.webhooks import WEBHOOK_COLUMNS, dead_letter_from_row, webhook_from_row, webhook_to_row
from .dependants import OF_WEBHOOK, PostgresDependants

_EVENT = ", ".join(f"e.{column}" for column in EVENT_COLUMNS.split(", "))
_SELECT = f"SELECT {WEBHOOK_COLUMNS} FROM rookery.webhooks"  # noqa: S608

# $1 id, $4 session, the others in the order of `WEBHOOK_COLUMNS`. No row: the session does not exist.
_PLACES = ", ".join(f"${number}" for number in range(1, WEBHOOK_COLUMNS.count(",") + 2))
_SESSION = "SELECT uid FROM rookery.sessions WHERE id = $4::text UNION ALL SELECT NULL WHERE $4::text IS NULL"
_CREATE = f"""
    WITH s AS ({_SESSION}), stored AS (
        INSERT INTO rookery.webhooks ({WEBHOOK_COLUMNS}, uid)
        SELECT {_PLACES}, s.uid FROM s ON CONFLICT (id) DO NOTHING RETURNING 1
    )
    SELECT EXISTS (SELECT 1 FROM s), EXISTS (SELECT 1 FROM stored), rookery.notify_1('webhooks', '')"""  # noqa: S608
_UPDATE = f"""
    WITH s AS ({_SESSION}), stored AS (
        UPDATE rookery.webhooks AS w SET ({WEBHOOK_COLUMNS}, uid) = ROW ({_PLACES}, s.uid)
        FROM s WHERE w.id = $1 RETURNING w.number
    ),
    parked AS (
        SELECT l.webhook, l.lane FROM rookery.lanes AS l, stored
        WHERE l.webhook = stored.number AND l.retry_at IS NOT NULL FOR UPDATE OF l SKIP LOCKED
    ),
    freed AS (
        UPDATE rookery.lanes AS l SET retry_at = NULL FROM parked
        WHERE l.webhook = parked.webhook AND l.lane = parked.lane
    )
    SELECT EXISTS (SELECT 1 FROM s), EXISTS (SELECT 1 FROM stored), rookery.notify_1('webhooks', '')"""  # noqa: S608
_DISABLE = "UPDATE rookery.webhooks SET enabled = false WHERE number = $1 AND enabled"
_DELETE = """
    WITH gone AS (DELETE FROM rookery.webhooks WHERE id = $1 RETURNING 1)
    SELECT rookery.notify_1('webhooks', '') FROM gone"""

# $1 webhook, $2 now, $3 busy lanes, $4 limit. With `limit` lanes available, nothing after the last of their heads can
# be among the first `limit` deliveries. The outer join returns one empty row for a webhook that has nothing to deliver.
_PENDING = f"""
    WITH hook AS (SELECT number FROM rookery.webhooks WHERE id = $1),
    free AS (
        (SELECT lane, head FROM rookery.lanes
         WHERE webhook = (SELECT number FROM hook) AND retry_at IS NULL AND NOT (lane = ANY ($3::text[]))
         ORDER BY head LIMIT $4)
        UNION ALL
        (SELECT lane, head FROM rookery.lanes
         WHERE webhook = (SELECT number FROM hook) AND retry_at <= $2 AND NOT (lane = ANY ($3::text[]))
         ORDER BY retry_at LIMIT $4)
    ),
    chosen AS MATERIALIZED (SELECT lane, head FROM free ORDER BY head LIMIT $4),
    bound AS (SELECT CASE WHEN count(*) = $4 THEN max(head) ELSE 9223372036854775807 END AS event FROM chosen),
    picked AS (
        SELECT d.event, chosen.lane, d.attempts FROM chosen, LATERAL (
            SELECT event, attempts FROM rookery.deliveries
            WHERE webhook = (SELECT number FROM hook) AND lane = chosen.lane AND event <= (SELECT event FROM bound)
            ORDER BY event LIMIT $4
        ) AS d ORDER BY d.event LIMIT $4
    )
    SELECT picked.lane, picked.attempts, {_EVENT}
    FROM hook LEFT JOIN (picked JOIN rookery.events AS e ON e.id = picked.event) ON true ORDER BY e.id"""  # noqa: S608
_DEAD = f"""
    SELECT d.attempts, d.error, d.at, {_EVENT}
    FROM rookery.webhooks AS w LEFT JOIN LATERAL (
        SELECT * FROM rookery.dead_letters WHERE webhook = w.number AND event > $2 ORDER BY event LIMIT $3
    ) AS d ON true LEFT JOIN rookery.events AS e ON e.id = d.event
    WHERE w.id = $1 ORDER BY d.event"""  # noqa: S608


# No lock on the duty's row: every delivery would write to it. An instance that takes the duty over waits until `until`,
# and its holder stops well before.
_RECORD = """
    SELECT rookery.record_deliveries_1($1, $2, $3, $4, $5, $6)
    WHERE $7::text IS NULL
       OR EXISTS (SELECT 1 FROM rookery.duties WHERE name = $8 AND owner = $7 AND until >= clock_timestamp())"""

# $2 events, $3 the beginning of the lanes, $4 since, $5 until. Never NULL, which would mean all.
_CHOSEN = """coalesce((
    SELECT array_agg(event) FROM rookery.dead_letters WHERE webhook = number
      AND ($2::bigint[] IS NULL OR event = ANY ($2)) AND ($3::text IS NULL OR starts_with(lane, $3))
      AND ($4::double precision IS NULL OR at >= $4) AND ($5::double precision IS NULL OR at < $5)), '{}')"""


class PostgresWebhooks(PostgresDependants):
    """Implements `WebhookStore`."""

    async def create_webhook(self, webhook: Webhook) -> Webhook:
        session, stored, _ = await self._db.row(_CREATE, *self._values(webhook))
        if not session:
            raise NotFound("session", str(webhook.session))
        if not stored:
            raise AlreadyExists("webhook", webhook.id)
        return webhook

    async def get_webhook(self, id: str) -> Webhook:
        for webhook in await self._all(f"{_SELECT} WHERE id = $1", id, of=self._webhook):
            return webhook
        raise NotFound("webhook", id)

    async def list_webhooks(self, session: str | None = None) -> Sequence[Webhook]:
        if session is None:
            return await self._all(f"{_SELECT} ORDER BY number", of=self._webhook)
        return await self._all(f"{_SELECT} WHERE session = $1 ORDER BY number", session, of=self._webhook)

    async def update_webhook(self, webhook: Webhook) -> Webhook:
        session, stored, _ = await self._db.row(_UPDATE, *self._values(webhook))
        if not session:
            await self.get_webhook(webhook.id)
            raise NotFound("session", str(webhook.session))
        if not stored:
            raise NotFound("webhook", webhook.id)
        return webhook

    async def delete_webhook(self, id: str) -> bool:
        number = await self._value("SELECT number FROM rookery.webhooks WHERE id = $1", id)
        if number is None:
            return False
        await self._delete_parts(OF_WEBHOOK, number, _DISABLE)
        return await self._db.row(_DELETE, id) is not None  # the last few rows go with it

    async def pending_deliveries(
        self, webhook: str, *, now: float, busy: Collection[str], limit: int
    ) -> Sequence[Delivery]:
        def read(row: Any) -> Delivery | None:
            return None if row[0] is None else Delivery(webhook, event_from_row(row[2:]), row[0], row[1])

        rows = await self._all(_PENDING, webhook, now, list(busy), limit, of=read)
        if not rows:
            raise NotFound("webhook", webhook)
        return [row for row in rows if row is not None]

    async def next_retry_at(self, webhook: str, *, after: float = 0.0) -> float | None:
        sql = """
            SELECT min(retry_at) FROM rookery.lanes
            WHERE webhook = (SELECT number FROM rookery.webhooks WHERE id = $1) AND retry_at > $2"""
        found: float | None = await self._value(sql, webhook, after)
        return found

    async def record_deliveries(self, outcomes: Sequence[DeliveryOutcome], *, duty: Duty | None = None) -> None:
        if not outcomes:
            return
        row = await self._db.row(
            _RECORD,
            [outcome.webhook for outcome in outcomes],
            [outcome.event_id for outcome in outcomes],
            [outcome.delivered for outcome in outcomes],
            [outcome.at for outcome in outcomes],
            [outcome.retry_at for outcome in outcomes],
            [outcome.error for outcome in outcomes],
            None if duty is None else duty.owner,
            None if duty is None else duty.name,
        )
        if row is None and duty is not None:
            raise DutyLost(duty.name)

    async def dead_letters(self, webhook: str, *, after: int, limit: int) -> Sequence[DeadLetter]:
        def read(row: Any) -> DeadLetter | None:
            return None if row[0] is None else dead_letter_from_row(row)

        rows = await self._all(_DEAD, webhook, after, limit, of=read)
        if not rows:
            raise NotFound("webhook", webhook)
        return [row for row in rows if row is not None]

    async def replay(self, webhook: str, query: ReplayQuery) -> int:
        values: list[object] = [webhook, query.event_ids]
        chosen = "$2::bigint[]"
        if query.session is not None or query.since is not None or query.until is not None:
            chosen = _CHOSEN
            values += [None if query.session is None else lane_of(query.session, ""), query.since, query.until]
        sql = f"SELECT rookery.replay_1(number, {chosen}) FROM rookery.webhooks WHERE id = $1"  # noqa: S608
        count = await self._value(sql, *values)
        if count is None:
            raise NotFound("webhook", webhook)
        return int(count)

    async def delivery_counts(self) -> Mapping[str, tuple[int, int]]:
        sql = """
            SELECT id, (SELECT count(*) FROM rookery.deliveries WHERE webhook = number),
                   (SELECT count(*) FROM rookery.dead_letters WHERE webhook = number) FROM rookery.webhooks"""
        return dict(await self._all(sql, of=lambda row: (row[0], (row[1], row[2]))))

    async def backlogs(self) -> Mapping[str, int]:
        # Session ids contain no slash, so a lane's session is the text before the first one.
        sql = """
            SELECT session, max(waiting) FROM (
                SELECT split_part(lane, '/', 1) AS session, count(*) AS waiting FROM rookery.deliveries
                WHERE webhook IN (SELECT number FROM rookery.webhooks WHERE enabled) GROUP BY webhook, 1
            ) AS counted GROUP BY session"""
        return dict(await self._all(sql, of=lambda row: (row[0], row[1])))

    async def oldest_delivery(self) -> float | None:
        sql = """
            SELECT min(stored_at) FROM rookery.events WHERE id IN (
                SELECT min(head) FROM rookery.lanes
                WHERE webhook IN (SELECT number FROM rookery.webhooks WHERE enabled) GROUP BY webhook)"""
        found: float | None = await self._value(sql)
        return found

    def _values(self, webhook: Webhook) -> tuple[object, ...]:
        return tuple(webhook_to_row(webhook, self._secrets))

    def _webhook(self, row: Any) -> Webhook:
        return webhook_from_row(row, self._secrets)
