"""Writes the states of one session's sends, inside one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from sqlite3 import Connection

from ....model.message import MessageState, Recorded, SendOutcome, may_follow
from ....model.session import Lease
from ...rows.values import Row, to_json
from ..database.chunks import ManyRows
from ..database.connection import Database
from ..sessions import check_lease
from ..status_events import announce_outcomes
from .queue import TOUCH_CHATS

_USUAL_FIRST = sorted(MessageState, key=lambda state: state is not MessageState.SENDING)
_CAN_FOLLOW = {
    # The sign hides the state from the planner, which would look for it in an index of all waiting messages.
    # Compared one after another: for `IN` SQLite would make a table of them.
    state: "(" + " OR ".join(f"+state = '{stored}'" for stored in _USUAL_FIRST if may_follow(stored, state)) + ")"
    for state in MessageState
}
_MOVES = {
    (state, receipts): (
        "UPDATE messages SET state = :state, updated_at = :at, error = :error, "  # noqa: S608
        f"{'receipt = :receipt, ' if receipts else ''}attempts = attempts + {int(state is MessageState.SENDING)} "
        f"WHERE id = :id AND uid = :uid AND {condition}"
    )
    for state, condition in _CAN_FOLLOW.items()
    for receipts in (False, True)
}
"""The statement that sets each state, only from the states that it may replace. One that names no receipt leaves the index of
receipts alone."""


@cache
def _many(state: MessageState, errors: bool, receipts: bool, chats: bool) -> ManyRows:
    """The same for many messages, with `_row` of each. `errors`: with the reason; `receipts`: only messages of their own;
    `chats`: with the chat, which has to be the one that the message has already."""
    names = ["id", "at"]
    names += [name for name, is_given in (("error", errors), ("receipt", receipts), ("chat", chats)) if is_given]
    given = {name: f"new.column{number}" for number, name in enumerate(names, 1)}
    receipt = f"receipt = {given['receipt']}, " if receipts else ""
    condition = f"{' AND is_entry' if receipts else ''}{' AND chat = ' + given['chat'] if chats else ''}"
    return ManyRows(
        f"UPDATE messages SET state = '{state}', updated_at = new.column2, error = {given.get('error', 'NULL')}, "  # noqa: S608
        f"{receipt}attempts = attempts + {int(state is MessageState.SENDING)} "
        f"FROM (VALUES {{rows}}) AS new WHERE id = new.column1 AND {_CAN_FOLLOW[state]}{condition} AND uid = ?",
        len(names),
        padded=True,
    )


_STATES = "SELECT id, state FROM messages WHERE uid = ? AND id IN (SELECT value FROM json_each(?))"


def record_sends(database: Database, lease: Lease, outcomes: Sequence[SendOutcome], announce: bool) -> Recorded:
    """See `MessageStore.record_sends`."""
    platform = check_lease(database.connection, lease)
    refused = _move_all(database.connection, lease, outcomes)
    told = [outcome for outcome in outcomes if outcome.state.final and outcome.id not in refused]
    return Recorded(frozenset(refused), announce_outcomes(database, lease, platform, told, announce))


def _move_all(connection: Connection, lease: Lease, outcomes: Sequence[SendOutcome]) -> set[str]:
    """Returns the ids of the messages whose state was refused."""
    if len(outcomes) == 1 or len({outcome.id for outcome in outcomes}) < len(outcomes):  # then their order matters
        return {outcome.id for outcome in outcomes if not _move(connection, lease, outcome)}
    groups: dict[tuple[MessageState, bool, bool, bool], list[SendOutcome]] = {}
    for outcome in outcomes:
        receipt = outcome.receipt
        # Most receipts name the chat that the message has already; then nothing else changes with them.
        chats = receipt is not None and receipt.chat is not None
        key = outcome.state, outcome.error is not None, receipt is not None, chats
        groups.setdefault(key, []).append(outcome)
    refused: set[str] = set()
    for key, group in groups.items():
        state = key[0]
        moved = _many(*key).run(connection, [_row(outcome) for outcome in group], (lease.uid,))
        if moved == len(group):
            continue
        if state is MessageState.SENDING:  # writing it again would count another attempt
            ids = to_json([outcome.id for outcome in group])
            stored = dict(connection.execute(_STATES, (lease.uid, ids)).fetchall())
            refused |= {outcome.id for outcome in group if stored.get(outcome.id) != state.value}
        else:  # rows that were moved may be written again
            refused |= {outcome.id for outcome in group if not _move(connection, lease, outcome)}
    return refused


def _row(outcome: SendOutcome) -> Row:
    """What `outcome` has of its values, for `_many`."""
    row: list[object] = [outcome.id, outcome.at]
    if outcome.error is not None:
        row.append(outcome.error)
    if (receipt := outcome.receipt) is not None:
        row.append(to_json(receipt))
        if receipt.chat is not None:
            row.append(receipt.chat)
    return row


def _move(connection: Connection, lease: Lease, outcome: SendOutcome) -> bool:
    """False when the state was refused."""
    receipt = None if outcome.receipt is None else to_json(outcome.receipt)
    values = {
        "state": outcome.state.value,
        "at": outcome.at,
        "error": outcome.error,
        "receipt": receipt,
        "id": outcome.id,
        "uid": lease.uid,
    }
    if not connection.execute(_MOVES[outcome.state, receipt is not None], values).rowcount:
        return False
    if outcome.receipt is not None:
        _place(connection, lease.uid, outcome.id, outcome.receipt.chat)
    return True


def _place(connection: Connection, uid: int, id: str, chat: str | None) -> None:
    """A receipt named the message's chat, perhaps by another name than its sender did."""
    sql = 'SELECT chat, is_entry, created_at, content LIKE \'{"type":"read"%\' FROM messages WHERE id = ?'
    before, is_entry, created_at, is_read = connection.execute(sql, (id,)).fetchone()
    now = before if chat is None else chat
    if now != before:
        connection.execute("UPDATE messages SET chat = ? WHERE id = ?", (now, id))
        # The row under the first name goes if there is nothing else.
        connection.execute(
            "DELETE FROM chats WHERE uid = ?1 AND chat = ?2 AND kind IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM messages WHERE uid = ?1 AND chat = ?2 AND is_entry)",
            (uid, before),
        )
    if is_entry and now != before:
        TOUCH_CHATS.run(connection, [(uid, now, created_at)])
    if is_read:
        connection.execute(
            "UPDATE chats SET read_at = max(coalesce(read_at, 0), ?) WHERE uid = ? AND chat = ?", (created_at, uid, now)
        )
