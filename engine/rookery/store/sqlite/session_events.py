"""What happens to sessions as events, in SQLite: written with the status, in one transaction."""

from __future__ import annotations

from ...model.session import SESSION_EPOCH, StatusWrite
from ..rows.sessions import code_event, status_event
from .addressing import address
from .database.connection import Database

_INSERT = """
    INSERT INTO events (id, uid, epoch, key, session, platform, type, time, chat, sender, body, raw, stored_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?, x'6e756c6c', ?) ON CONFLICT (uid, epoch, key) DO NOTHING"""


def announce_status(
    database: Database, write: StatusWrite, *, previous: str | None, enabled: bool, platform: str
) -> None:
    """Write what this status tells into the event log: the change of status (from `previous`, unless None) and a new code.
    What the log has already is passed over."""
    events = []
    if previous is not None:
        events.append(status_event(write, previous, enabled))
    if write.code is not None:
        events.append(code_event(write, write.code))
    for event in events:
        before = database.last_event
        values = (
            before + 1,
            write.lease.uid,
            SESSION_EPOCH,
            event.key,
            write.lease.session,
            platform,
            event.type,
            event.time,
            event.body,
            database.clock(),
        )
        if database.connection.execute(_INSERT, values).rowcount:
            database.last_event = before + 1
            address(database, write.lease.uid, write.lease.session, before)
