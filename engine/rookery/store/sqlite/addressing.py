"""Creates the deliveries of stored events to webhooks, in SQLite."""

from __future__ import annotations

from ...model.webhook import lane_of
from .database.connection import Database


def address(database: Database, uid: int, session: str, after: int) -> None:
    """One delivery for each event above `after` and each enabled webhook that wants it."""
    rules = [rule for rule in database.rules() if rule.uid is None or rule.uid == uid]
    if not rules:
        return
    connection = database.connection
    stored = connection.execute("SELECT id, type, chat FROM events WHERE id > ? ORDER BY id", (after,)).fetchall()
    deliveries = []
    heads: dict[tuple[int, str], int] = {}
    for rule in rules:
        for event, type, chat in stored:
            if rule.wants(type, chat):
                lane = lane_of(session, chat)
                deliveries.append((event, rule.number, lane))
                heads.setdefault((rule.number, lane), event)
    connection.executemany("INSERT INTO deliveries (event, webhook, lane) VALUES (?, ?, ?)", deliveries)
    connection.executemany(
        "INSERT INTO lanes (webhook, lane, head) VALUES (?, ?, ?) ON CONFLICT (webhook, lane) DO NOTHING",
        [(webhook, lane, head) for (webhook, lane), head in heads.items()],
    )
