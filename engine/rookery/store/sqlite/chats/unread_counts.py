"""Remembers how many messages of a chat are unread, so that a list of chats need not count them each time.

A row of `chat_unread` is the number of received messages of a chat after the time `read_at`, at most `UNREAD_MOST`. Every
new entry of a chat comes through `add_entries`, and a trigger deletes the row with an entry that counts. A read mark needs
nothing: the number is used only while `read_at` is the time of the mark.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from sqlite3 import Connection

from ....model.chat import ChatEntry
from ...rows.chats import UNREAD, UNREAD_MOST, entry_to_row
from ...rows.values import to_json
from ..database.connection import Database

_ADD_ENTRY = """
    INSERT INTO chat_entries (event, uid, chat, at, role, message_id)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS (SELECT 1 FROM events AS e WHERE e.id = ?1)
    ON CONFLICT (event, message_id) DO NOTHING"""
_REMEMBERED = "SELECT read_at FROM chat_unread WHERE uid = ? AND chat = ?"
_COUNT_MORE = f"UPDATE chat_unread SET unread = min(unread + ?, {UNREAD_MOST}) WHERE uid = ? AND chat = ?"  # noqa: S608
_REMEMBER = f"""
    INSERT OR REPLACE INTO chat_unread (uid, chat, read_at, unread)
    SELECT c.uid, c.chat, coalesce(c.read_at, 0), {UNREAD.replace("rookery.", "")}
    FROM chats AS c WHERE c.uid = ? AND c.chat IN (SELECT value FROM json_each(?))"""  # noqa: S608


def add_entries(connection: Connection, entries: Sequence[ChatEntry]) -> None:
    """Add those whose events exist and that are not there yet."""
    remembered = _remembered(connection, entries)
    others: list[ChatEntry] = []
    counted: list[ChatEntry] = []
    for entry in entries:
        after = remembered.get((entry.uid, entry.chat)) if entry.role == "in" else None
        (others if after is None or entry.at <= after else counted).append(entry)
    connection.executemany(_ADD_ENTRY, [entry_to_row(entry) for entry in others])
    more: Counter[tuple[int, str]] = Counter()
    for entry in counted:  # one by one: only those that are new count
        if connection.execute(_ADD_ENTRY, entry_to_row(entry)).rowcount > 0:
            more[entry.uid, entry.chat] += 1
    connection.executemany(_COUNT_MORE, [(number, *chat) for chat, number in more.items()])


def remember_unread(database: Database, uid: int, chats: Sequence[str]) -> None:
    """Count the unread messages of these chats. Not to wait for a copy of the log: it would be withdrawn before its turn."""
    database.connection.execute(_REMEMBER, (uid, to_json(list(chats))))


def _remembered(connection: Connection, entries: Sequence[ChatEntry]) -> dict[tuple[int, str], float]:
    """Up to when each chat of these entries was read when its unread messages were counted, if they were."""
    chats = {(entry.uid, entry.chat) for entry in entries}
    return {chat: row[0] for chat in chats for row in connection.execute(_REMEMBERED, chat)}
