"""Statuses as events, in SQLite: those of sends for whoever asks for them, those of sessions always."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ...model.message import STATUS_EPOCH, STATUS_EVENT
from ...model.session import SESSION_EPOCH, StatusWrite
from ...model.subscription import asks_for
from ..rows.messages import MESSAGE_COLUMNS, message_from_row
from ..rows.sessions import code_event, status_event
from .addressing import address
from .database.connection import Database

_INSERT = """
    INSERT INTO events (id, uid, epoch, key, session, platform, type, time, chat, sender, body, raw, stored_at)
    SELECT ?, uid, ?, ?, ?, (SELECT platform FROM sessions AS s WHERE s.uid = m.uid), ?, ?, ?, NULL, ?, x'6e756c6c', ?
    FROM messages AS m WHERE id = ? ON CONFLICT (uid, epoch, key) DO NOTHING"""


def announce(database: Database, ids: Sequence[str], always: bool) -> bool:
    """Write the present states of these messages into the event log: if `always`, or if a webhook asks for them. Returns
    whether anything was written."""
    if not ids or not (always or any(asks_for(rule.events, STATUS_EVENT) for rule in database.rules())):
        return False
    connection = database.connection
    written = False
    for id in ids:
        row = connection.execute(f"SELECT {MESSAGE_COLUMNS}, uid FROM messages WHERE id = ?", (id,)).fetchone()  # noqa: S608
        if row is None:
            continue
        message = message_from_row(row)
        body = msgspec.json.encode(
            {
                "id": id,
                "state": message.state.value,
                "error": message.error,
                "message_id": message.receipt.message_id if message.receipt else None,
            }
        )
        before = database.last_event
        # As the platform calls it, so that it is the chat of what comes from there.
        chat = (message.receipt.chat if message.receipt else None) or message.to
        values = (
            before + 1,
            STATUS_EPOCH,
            f"{id}:{message.state}",
            message.session,
            STATUS_EVENT,
            message.updated_at,
            chat,
            body,
            database.clock(),
            id,
        )
        if connection.execute(_INSERT, values).rowcount:
            database.last_event = before + 1
            address(database, row[-1], message.session, before)
            written = True
    return written


_INSERT_OF_SESSION = """
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
        if database.connection.execute(_INSERT_OF_SESSION, values).rowcount:
            database.last_event = before + 1
            address(database, write.lease.uid, write.lease.session, before)
