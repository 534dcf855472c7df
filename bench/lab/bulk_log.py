"""A long log with everything that grows beside it, written by SQL alone: ten million events in minutes, not hours.

`furnish(directory, Amounts.of(10_000_000))` opens a new store, which makes its schema, and writes into the tables what the
store's own calls would have written. Indexes are dropped first and made again at the end.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from lab.long_log import SESSIONS, Clock, open_store, sessions
from rookery.model.webhook import Webhook
from rookery.store.contract import Store

DAY = 86400.0
TYPES = ("message", "edited_message", "message_reaction", "callback_query", "message.file", "my_chat_member")
RARE = 10
"""Rare events of session-0, one in each tenth of the log."""
TOGETHER = 10
"""Events of a session that were stored together."""
BUSY_CHATS = 40
"""Chats of each session that half of its events belong to; session-1 has a single chat, `big`."""


class Amounts(msgspec.Struct, frozen=True):
    """How many rows each table gets."""

    events: int
    people: int  # chats of each session, besides the busy ones
    queued: int  # sends of session-4 that wait
    finished: int  # sends of each session that are over
    deliveries: int  # that wait for a disabled webhook
    letters: int
    audit: int
    media: int
    keys: int

    @classmethod
    def of(cls, events: int) -> Amounts:
        """A log of so many events and what goes with it: pages are full in a short one, too."""
        return cls(
            events=events,
            people=max(200, events // 1000),
            queued=max(300, events // 100),
            finished=max(1_000, events // 100),
            deliveries=max(300, events // 50),
            letters=max(300, events // 50),
            audit=max(1_000, events // 20),
            media=max(600, events // 30),
            keys=300,
        )


_NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :{count}) "
_EVENTS = """
    INSERT INTO events (id, uid, epoch, key, session, platform, type, time, chat, sender, body, raw, stored_at)
    SELECT i, s.uid, 0, CAST(i AS text), s.id, 'telegram',
        CASE WHEN i % (:events / {rare}) = 0 THEN 'poll.answer'
             WHEN h % 100 < 88 THEN 'message' WHEN h % 100 < 93 THEN 'edited_message'
             WHEN h % 100 < 96 THEN 'message_reaction' WHEN h % 100 < 98 THEN 'callback_query'
             WHEN h % 100 = 98 THEN 'message.file' ELSE 'my_chat_member' END,
        at, CASE WHEN i % (:events / {rare}) = 0 THEN 'rare' WHEN s.id = 'session-1' THEN 'big'
            WHEN h % 2 = 0 THEN 'busy-' || (h / 2 % {busy}) ELSE 'person-' || (h / 2 % :people) END,
        'user-' || (h % 5000),
        CAST('{{"message_id":"' || i || '","from_me":false,"chat_type":"private","sender_name":"Person ' || (h % 5000) ||
            '","text":"a message of ordinary length, as people write them all day"}}' AS blob),
        CAST('{{"update_id":' || i || ',"message":{{"text":"a message of ordinary length, as people write them all day",' ||
            '"chat":{{"id":7,"type":"private"}}}}}}' AS blob), at
    FROM (SELECT i, (i * 2654435761) % 4294967296 / 64 AS h, :began + i * :step AS at FROM n)
    JOIN sessions AS s ON s.id = 'session-' || (i / {together} % {sessions})"""
_RUNS = """
    INSERT INTO event_runs (session, type, first, last)
    SELECT session, type, min(id), max(id) FROM (
        SELECT session, type, id, id - row_number() OVER (PARTITION BY session, type ORDER BY id) AS run FROM events)
    GROUP BY session, type, run, id / 256 ORDER BY session, type, max(id)"""
_EVENT_CHATS = """
    INSERT INTO event_chats SELECT chat, session, type, id FROM events WHERE chat IS NOT NULL
    ORDER BY chat, session, type, id"""
_ENTRIES = """
    INSERT INTO chat_entries (event, message_id, uid, chat, at, role)
    SELECT id, CASE type WHEN 'message' THEN CAST(id AS text) ELSE CAST(id - 10 AS text) END, uid, chat, time,
        CASE type WHEN 'message' THEN 'in' WHEN 'edited_message' THEN 'edit' ELSE 'reaction' END
    FROM events WHERE type IN ('message', 'edited_message', 'message_reaction') ORDER BY id"""
_CHATS = """
    INSERT INTO chats (uid, chat, name, kind, last_at)
    SELECT uid, chat, 'The chat ' || chat, 'private', max(at) FROM chat_entries WHERE role = 'in' GROUP BY uid, chat"""
_MESSAGES = """
    INSERT INTO messages (id, uid, session, recipient, content, options, state, receipt, attempts, created_at, updated_at,
        expires_at, chat, is_entry)
    SELECT s.id || '-' || :state || '-' || i, s.uid, s.id, chat,
        '{{"type":"text","text":"an answer of ordinary length"}}', '{{}}', state,
        CASE WHEN state = 'sent' THEN '{{"message_id":"s' || i || '","at":1.7e9,"chat":"' || chat || '"}}' END,
        1, at, at, at + 1e6, chat, 1
    FROM (SELECT i, :began + i * :step AS at,
            CASE WHEN :state <> 'sent' THEN :state WHEN i <= 20 THEN 'failed' WHEN i % 97 = 0 THEN 'unknown'
                 ELSE 'sent' END AS state,
            CASE WHEN i % 2 THEN 'busy-' || (i / 2 % {busy}) ELSE 'person-' || (i / 2 % :people) END AS chat FROM n)
    CROSS JOIN sessions AS s WHERE :session IS NULL OR s.id = :session"""
_FURTHER = (
    (
        "deliveries",
        """INSERT INTO deliveries (event, webhook, lane) SELECT e.id, w.number, e.session || '/' || e.chat
        FROM n JOIN events AS e ON e.id = :events - :deliveries + i JOIN webhooks AS w ON w.id = 'slow'""",
    ),
    (
        "letters",
        """INSERT INTO dead_letters (event, webhook, lane, attempts, error, at)
        SELECT e.id, w.number, e.session || '/' || e.chat, 5, 'the endpoint answered 500', e.stored_at
        FROM n JOIN events AS e ON e.id = :events - :letters + i JOIN webhooks AS w ON w.id = 'hook'""",
    ),
    (
        "audit",
        """INSERT INTO audit (at, key, call, session, target, outcome, client)
        SELECT :began + i * :step, 'key-' || (i % 50), 'send_message', 'session-' || (i % 9), NULL, 202, NULL FROM n""",
    ),
    (
        "media",
        """INSERT INTO media (id, uid, session, origin, state, content_type, size, attempts, created_at, expires_at)
        SELECT 'media-' || i, s.uid, s.id, CASE i % 3 WHEN 0 THEN 'uploaded' ELSE 'inbound' END,
            CASE WHEN i <= 10 THEN 'failed' ELSE 'stored' END, 'image/jpeg', 1000, 1, :began + i * :step, :began + 1e8
        FROM n JOIN sessions AS s ON s.id = 'session-' || (i % 9)""",
    ),
    (
        "keys",
        """INSERT INTO api_keys (id, name, digest, scopes, created_at)
        SELECT printf('k%05d', i), 'Key ' || i, 'digest-' || i, 'read', 1.7e9 FROM n""",
    ),
    (
        "history",
        """INSERT INTO history (uid, status, reason, detail, at)
        SELECT s.uid, CASE i % 2 WHEN 0 THEN 'CONNECTED' ELSE 'RECONNECTING' END, 'none', '', :began + i FROM n
        CROSS JOIN sessions AS s""",
    ),
    (
        "attempts",
        """INSERT INTO attempts (webhook, event, attempt, at, seconds, delivered, status, error, answer)
        SELECT w.number, :events - i, 1, :began, 0.1, 0, 500, 'the endpoint answered 500', 'no'
        FROM n CROSS JOIN webhooks AS w""",
    ),
    (
        "lanes",
        """INSERT INTO lanes (webhook, lane, head) SELECT webhook, lane, min(event) FROM deliveries GROUP BY webhook, lane""",
    ),
)


async def furnish(directory: Path, amounts: Amounts, *, now: float) -> Store:
    """Make the database in this directory, which exists. Its sessions and webhooks are disabled."""
    clock = Clock()
    clock.now = now
    store = open_store(directory, clock)
    async with store.open():
        await sessions(store)
        for id in ("hook", "slow"):
            await store.create_webhook(
                Webhook(id=id, url="http://127.0.0.1:9/", secret="whsec_MDEyMzQ1Njc4OWFiY2RlZg==", enabled=False)
            )
    fill(directory / "rookery.db", amounts, now)
    return store


@contextmanager
def without_indexes(connection: sqlite3.Connection) -> Iterator[None]:
    """Rows are sorted once for each index at the end, in place of looking for the place of each."""
    made = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    for name, _ in made:
        connection.execute(f"DROP INDEX {name}")
    yield
    for _, sql in made:
        connection.execute(sql)


def fill(path: Path, amounts: Amounts, now: float) -> None:
    """Write the rows. The events were stored in the six days that ended two days before `now`."""
    places = {"rare": RARE, "busy": BUSY_CHATS, "sessions": SESSIONS, "together": TOGETHER}
    values = {
        **msgspec.structs.asdict(amounts),
        "history": 50,
        "attempts": 50,
        "lanes": 1,
        "state": "",
        "session": None,
    }
    values.update(began=now - 8 * DAY, step=6 * DAY / amounts.events)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        pragmas = ("journal_mode = DELETE", "journal_mode = OFF", "synchronous = OFF", "foreign_keys = OFF")
        for pragma in (*pragmas, "cache_size = -200000", "threads = 2"):
            connection.execute(f"PRAGMA {pragma}")

        def run(count: str, sql: str, **more: object) -> None:
            began = time.monotonic()
            connection.execute(_NUMBERS.format(count=count) + sql, {**values, **more})
            print(f"{sql.split()[2]:14s} {time.monotonic() - began:6.1f} s", flush=True)

        with without_indexes(connection):
            run("events", _EVENTS.format(**places))
            run("lanes", _RUNS)
            run("lanes", _EVENT_CHATS)
            run("lanes", _ENTRIES)
            run("lanes", _CHATS)
            messages = _MESSAGES.format(**places)
            run("finished", messages, state="sent", step=6 * DAY / amounts.finished)
            run("queued", messages, state="queued", session="session-4", step=6 * DAY / amounts.queued)
            for count, sql in _FURTHER:
                of = getattr(amounts, count, 0)
                run(count, sql, **({"step": 6 * DAY / of} if count in ("audit", "media") else {}))
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('chats_position', ?)", (str(amounts.events),))
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('last_event', ?)", (str(amounts.events),))
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('media_cursor', ?)", (str(amounts.events),))
        connection.execute("UPDATE sessions SET enabled = 0, owner = NULL")
        connection.execute("PRAGMA journal_mode = WAL")
