"""Statements for the deliveries of one webhook in SQLite: which are next, and how their outcomes are recorded.

A lane's row in `lanes` names its first pending event and says until when the lane is parked. Everything that removes or
adds a delivery keeps it correct.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from sqlite3 import Connection

import msgspec

from ...errors import NotFound
from ...model.webhook import Delivery, DeliveryOutcome
from ..rows.events import EVENT_COLUMNS, event_from_row
from ..rows.values import to_json

_ids = msgspec.json.Decoder(list[int]).decode

# The lanes that may be delivered, each with the ids of its first deliveries as a JSON list: every row of a result releases
# the interpreter's lock once, so fewer rows disturb trio's thread less. With `:limit` lanes available, nothing after the
# last of their heads can be among the first `:limit` deliveries.
_FREE = "lane NOT IN (SELECT value FROM json_each(:busy))"
_QUEUES = f"""
    WITH free AS (
        SELECT head, lane FROM (SELECT head, lane FROM lanes
            WHERE webhook = :number AND retry_at IS NULL AND {_FREE} ORDER BY head LIMIT :limit)
        UNION ALL
        SELECT head, lane FROM (SELECT head, lane FROM lanes
            WHERE webhook = :number AND retry_at <= :now AND {_FREE} ORDER BY retry_at LIMIT :limit)
    ),
    chosen AS MATERIALIZED (SELECT head, lane FROM free ORDER BY head LIMIT :limit),
    bound AS MATERIALIZED (
        SELECT CASE WHEN count(*) = :limit THEN max(head) ELSE 9223372036854775807 END AS event FROM chosen
    )
    SELECT lane, (SELECT json_group_array(event) FROM (
        SELECT event FROM deliveries WHERE webhook = :number AND lane = chosen.lane AND event <= (SELECT event FROM bound)
        ORDER BY event LIMIT :limit)) FROM chosen"""  # noqa: S608
_DELIVERIES = (
    f"SELECT d.attempts, {', '.join(f'e.{column}' for column in EVENT_COLUMNS.split(', '))} "  # noqa: S608
    "FROM json_each(?) AS wanted CROSS JOIN deliveries AS d ON d.event = wanted.value AND d.webhook = ? "
    "CROSS JOIN events AS e ON e.id = d.event"
)

# If a delivered event was its lane's head, the lane's next event becomes its head: -1, which is no id, if there is none.
_EVENTS = "(SELECT value FROM json_each(:events))"
_DELIVERED = (
    f"""
    UPDATE lanes SET retry_at = NULL, head = coalesce((
        SELECT event FROM deliveries
        WHERE webhook = :number AND lane = lanes.lane AND event NOT IN {_EVENTS} ORDER BY event LIMIT 1), -1)
    WHERE webhook = :number AND head IN {_EVENTS} AND lane IN (
        SELECT lane FROM deliveries WHERE webhook = :number AND event IN {_EVENTS})""",  # noqa: S608
    f"DELETE FROM deliveries WHERE webhook = :number AND event IN {_EVENTS}",  # noqa: S608
    "DELETE FROM lanes INDEXED BY lanes_ready WHERE webhook = :number AND head = -1 AND retry_at IS NULL",
)


def number_of(connection: Connection, webhook: str) -> int:
    """The webhook's row number. Raises NotFound."""
    number = _known_number(connection, webhook)
    if number is None:
        raise NotFound("webhook", webhook)
    return number


def _known_number(connection: Connection, webhook: str) -> int | None:
    row = connection.execute("SELECT number FROM webhooks WHERE id = ?", (webhook,)).fetchone()
    return None if row is None else row[0]


def pending(connection: Connection, webhook: str, now: float, avoid: str, limit: int) -> Sequence[Delivery]:
    """See `WebhookStore.pending_deliveries`; `avoid` is a JSON list of lanes. Raises NotFound."""
    number = number_of(connection, webhook)
    values = {"number": number, "now": now, "busy": avoid, "limit": limit}
    queues = connection.execute(_QUEUES, values).fetchall()
    lanes = {event: lane for lane, events in queues for event in _ids(events)}
    chosen = sorted(lanes)[:limit]
    rows = connection.execute(_DELIVERIES, (to_json(chosen), number)).fetchall() if chosen else []
    return [
        Delivery(webhook, event_from_row(row), lanes[row[0]], attempts)
        for attempts, *row in sorted(rows, key=itemgetter(1))
    ]


def record(connection: Connection, outcomes: Sequence[DeliveryOutcome]) -> None:
    """See `WebhookStore.record_deliveries`. Outcomes of webhooks that no longer exist are skipped."""
    numbers = {id: _known_number(connection, id) for id in {outcome.webhook for outcome in outcomes}}
    for (webhook, delivered), run in groupby(outcomes, key=lambda outcome: (outcome.webhook, outcome.delivered)):
        if (number := numbers[webhook]) is None:
            continue
        if delivered:
            values = {"number": number, "events": to_json([outcome.event_id for outcome in run])}
            for statement in _DELIVERED:
                connection.execute(statement, values)
        else:
            for outcome in run:
                _record_failure(connection, number, outcome)


def _record_failure(connection: Connection, number: int, outcome: DeliveryOutcome) -> None:
    key = (outcome.event_id, number)
    if outcome.retry_at is not None:
        rows = connection.execute(
            "UPDATE deliveries SET attempts = attempts + 1 WHERE event = ? AND webhook = ? RETURNING lane", key
        ).fetchall()
        connection.executemany(
            "UPDATE lanes SET retry_at = ? WHERE webhook = ? AND lane = ? AND head = ?",
            [(outcome.retry_at, number, lane, outcome.event_id) for (lane,) in rows],
        )
        return
    rows = connection.execute(
        "DELETE FROM deliveries WHERE event = ? AND webhook = ? RETURNING lane, attempts", key
    ).fetchall()
    connection.executemany(
        "INSERT OR REPLACE INTO dead_letters (event, webhook, lane, attempts, error, at) VALUES (?, ?, ?, ?, ?, ?)",
        [(*key, lane, attempts + 1, outcome.error or "", outcome.at) for lane, attempts in rows],
    )
    _settle(connection, [(number, lane) for lane, _ in rows])


def forget_deliveries(connection: Connection, events: Sequence[int]) -> None:
    """These events are about to be deleted."""
    rows = connection.execute(
        "DELETE FROM deliveries WHERE event IN (SELECT value FROM json_each(?)) RETURNING webhook, lane",
        (to_json(events),),
    ).fetchall()
    _settle(connection, set(rows))


def replay(connection: Connection, webhook: str, which: Mapping[str, object]) -> int:
    """See `WebhookStore.replay`; `which` has the conditions `chosen` (a JSON list of events), `lanes` (their beginning),
    `since` and `until`, None where all match. Raises NotFound."""
    number = number_of(connection, webhook)
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
