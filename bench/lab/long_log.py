"""A long event log on SQLite, made with the store's own calls."""

from __future__ import annotations

import random
import sqlite3
import time
from pathlib import Path

from rookery.model.event import NewEvent
from rookery.model.session import Health, Lease, Reason, Session, SessionStatus
from rookery.store.contract import Store
from rookery.store.secrets import SecretBox
from rookery.store.sqlite.store import SqliteStore

SESSIONS, CHATS = 10, 200
BATCH = 1000
BODY = b'{"text":"a message of ordinary length, as people write them all day","message_id":"%d"}'
RAW = b'{"update_id":%d,"message":{"text":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","chat":{"id":7,"type":"private"}}}'
SECRET_KEY = "a-key-for-the-benchmark-0123456789abcdef"
OLD = 100.0  # when the old events were stored: long ago


def new_events(first: int, count: int, rng: random.Random) -> list[NewEvent]:
    return [
        NewEvent(
            str(n),
            "message" if n % 10 else "reaction",
            1.7e9,
            str(rng.randrange(CHATS)),
            "9",
            BODY % n,
            RAW % n,
        )
        for n in range(first, first + count)
    ]


class Clock:
    """A wall clock that the benchmark sets."""

    def __init__(self) -> None:
        self.now = OLD

    def __call__(self) -> float:
        return self.now


def open_store(directory: Path, clock: Clock) -> SqliteStore:
    return SqliteStore(directory / "rookery.db", SecretBox.from_text(SECRET_KEY), clock=clock)


async def sessions(store: Store) -> list[Lease]:
    found = []
    for number in range(SESSIONS):
        health = Health(status=SessionStatus.DISCONNECTED, reason=Reason.CREATED, detail="", since=OLD)
        id = f"session-{number}"
        await store.create_session(Session(id=id, platform="telegram", name=id, enabled=True, health=health))
        [row] = await store.claim("bench", limit=1, now=time.time(), ttl=1e6, only=[id])
        found.append(Lease(row.id, row.uid, "bench", row.fence))
    return found


async def fill(store: Store, leases: list[Lease], count: int, steps: int) -> list[tuple[int, float]]:
    """Store so many events; returns the CPU microseconds of each in every step."""
    rng = random.Random(7)
    found = []
    done = 0
    for step in range(1, steps + 1):
        began, cpu = done, time.process_time()
        while done < count * step // steps:
            batch = new_events(done, min(BATCH, count - done), rng)
            await store.append(leases[done // BATCH % SESSIONS], batch, str(done))
            done += len(batch)
        found.append((done, 1e6 * (time.process_time() - cpu) / max(1, done - began)))
    return found


def settle(directory: Path) -> None:
    """The view of chats begins at the end of the log: building it is measured by nothing here. No session is started."""
    with sqlite3.connect(directory / "rookery.db") as connection:
        connection.execute("INSERT OR REPLACE INTO meta SELECT 'chats_position', CAST(max(id) AS TEXT) FROM events")
        connection.execute(
            "INSERT OR IGNORE INTO event_chats SELECT chat, session, type, id FROM events WHERE chat IS NOT NULL "
            "ORDER BY chat, session, type, id"
        )
        connection.execute("UPDATE sessions SET enabled = 0")
        connection.execute("UPDATE webhooks SET enabled = 0")
    connection.close()
