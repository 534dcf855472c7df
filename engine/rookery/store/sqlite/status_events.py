"""Statuses as events, in SQLite: statuses of sends for subscribers that ask for them, statuses of sessions always."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import msgspec

from ...model.event import NewEvent
from ...model.message import STATUS_EPOCH, STATUS_EVENT, Receipt, SendOutcome
from ...model.session import Lease, StatusWrite
from ...model.subscription import asks_for
from ..rows.sessions import code_event, status_event
from ..rows.values import Row, to_json
from .addressing import address
from .database.connection import Database
from .database.event_rows import insert_events

_SELECT = """
    SELECT m.id, m.state, m.error, m.receipt, m.recipient, m.updated_at, m.uid, m.session, s.platform
    FROM messages AS m JOIN sessions AS s ON s.uid = m.uid WHERE m.id IN (SELECT value FROM json_each(?))"""
_NO_DOCUMENT = b"null"
_encode = msgspec.json.Encoder().encode
_receipt = msgspec.json.Decoder(Receipt)


def announce(database: Database, ids: Sequence[str], always: bool) -> bool:
    """Write the current states of these messages into the event log if `always` is set or a webhook asks for them.
    Returns whether anything was written."""
    if not ids or not (always or _is_asked_for(database)):
        return False
    found = {row[0]: row for row in database.connection.execute(_SELECT, (to_json(list(ids)),))}
    rows = sorted((found[id] for id in dict.fromkeys(ids) if id in found), key=lambda row: int(row[6]))
    written = False
    for uid, group in groupby(rows, key=lambda row: int(row[6])):
        of_session = list(group)
        session, platform = of_session[0][7], of_session[0][8]
        written |= _write(database, uid, session, platform, [_event_of(row) for row in of_session])
    return written


def announce_outcomes(
    database: Database, lease: Lease, platform: str, outcomes: Sequence[SendOutcome], always: bool
) -> bool:
    """`announce` for outcomes of one session that were just stored. Reads nothing back when all have a receipt that
    names the chat."""
    if not outcomes or not (always or _is_asked_for(database)):
        return False
    events = []
    for outcome in outcomes:
        receipt = outcome.receipt
        if receipt is None or not receipt.chat:
            return announce(database, [outcome.id for outcome in outcomes], always)
        events.append(
            _event(outcome.id, outcome.state.value, outcome.error, receipt.message_id, receipt.chat, outcome.at)
        )
    return _write(database, lease.uid, lease.session, platform, events)


def _is_asked_for(database: Database) -> bool:
    return any(asks_for(rule.events, STATUS_EVENT) for rule in database.rules())


def _event(id: str, state: str, error: str | None, message_id: str | None, chat: str, at: float) -> NewEvent:
    body = _encode({"id": id, "state": state, "error": error, "message_id": message_id})
    return NewEvent(f"{id}:{state}", STATUS_EVENT, at, chat, None, body, _NO_DOCUMENT, STATUS_EPOCH)


def _event_of(row: Row) -> NewEvent:
    id, state, error, receipt, recipient, at, *_ = row
    known = None if receipt is None else _receipt.decode(receipt)
    # The platform's name of the chat, so that it equals the chat of received events.
    chat = (known.chat if known else None) or recipient
    return _event(id, state, error, known.message_id if known else None, chat, at)


def _write(database: Database, uid: int, session: str, platform: str, events: Sequence[NewEvent]) -> bool:
    """The states of one session's messages."""
    before = database.last_event
    if not insert_events(database, uid, session, platform, events):
        return False
    address(database, uid, session, before)
    return True


def announce_status(
    database: Database, write: StatusWrite, *, previous: str | None, enabled: bool, platform: str
) -> None:
    """Write what this status reports into the event log: the change of status (from `previous`, unless None) and a new
    code. Events that the log already contains are skipped."""
    events = []
    if previous is not None:
        events.append(status_event(write, previous, enabled))
    if write.code is not None:
        events.append(code_event(write, write.code))
    uid, session, before = write.lease.uid, write.lease.session, database.last_event
    if insert_events(database, uid, session, platform, events):
        address(database, uid, session, before)
