"""The statements behind `ChatStore`, the same for both databases.

They are in PostgreSQL's dialect. SQLite uses them without the schema. Each database puts its own list in place of
`{in $n}`, its own table of the columns `w_chat` and `w_value` in place of `{pairs $n $m}`, made of two lists, and the
message id in a receipt in place of `{id m.receipt}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...model.chat import ChatEntry, ChatNews, ChatPlace, ChatRow, ChatSource, Position
from ...model.event import Event
from ...model.message import OutboundMessage
from .events import EVENT_COLUMNS
from .messages import MESSAGE_COLUMNS
from .values import Row

FIRST: ChatPlace = (1e300, "")
"""Before all chats of a session."""
LAST: ChatPlace = (-1e300, "")
"""Behind them."""
UNREAD_MOST = 1000
"""Unread messages are counted up to this number."""
REMEMBERED_FROM = 10
"""How many messages of a chat are unread is remembered from this number on; fewer are counted at each look, which is
cheap, and a look at ordinary chats writes nothing."""
REMEMBERED_AT_ONCE = 10
"""Chats whose unread messages one transaction counts: writers wait for it, about 15 ms on PostgreSQL."""

REMEMBER_SECONDS = 0.1
"""How long a look at a list waits for the counts to be remembered: where writers are held up, they are counted again."""

_EVENT = ", ".join(f"v.{column}" for column in EVENT_COLUMNS.split(", "))
_MESSAGE = ", ".join(f"m.{column}" for column in MESSAGE_COLUMNS.split(", "))
_SOURCE = "id, uid, type, platform, time, chat, body, stored_at"
_SESSION = "(SELECT s.uid FROM rookery.sessions AS s WHERE s.id = $1)"

POSITION = "SELECT value FROM rookery.meta WHERE key = 'chats_position'"
SOURCES = f"SELECT {_SOURCE} FROM rookery.events WHERE id > $1 ORDER BY id LIMIT $2"  # noqa: S608
SOURCES_OF = f"SELECT {_SOURCE} FROM rookery.events WHERE id > $1 AND session = $3 ORDER BY id LIMIT $2"  # noqa: S608
SOURCES_IN = f"SELECT {_SOURCE} FROM rookery.events WHERE id {{in $1}} ORDER BY id"  # noqa: S608
MOVE_POSITION = """
    INSERT INTO rookery.meta AS m (key, value) VALUES ('chats_position', CAST($1 AS text))
    ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE CAST(m.value AS bigint) < CAST(excluded.value AS bigint)"""
TELL_CHAT = """
    UPDATE rookery.chats SET name = coalesce(CAST($3 AS text), name), kind = coalesce(CAST($4 AS text), kind),
        read_at = CASE WHEN CAST($5 AS double precision) > coalesce(read_at, 0) THEN $5 ELSE read_at END
    WHERE uid = $1 AND chat = $2"""
SESSION_UID = "SELECT uid FROM rookery.sessions WHERE id = $1"
UNREAD = f"""(
        SELECT count(*) FROM (
            SELECT 1 FROM rookery.chat_entries AS e
            WHERE e.uid = c.uid AND e.chat = c.chat AND e.role IN ('in', 'out') AND e.role = 'in'
              AND e.at > coalesce(c.read_at, 0) LIMIT {UNREAD_MOST}) AS u)"""  # noqa: S608
# A number that was counted for another read mark is of no use.
_REMEMBERED = """FROM rookery.chat_unread AS u
         WHERE u.uid = c.uid AND u.chat = c.chat AND u.read_at = coalesce(c.read_at, 0)"""


def _list(those: str = "") -> str:
    """Select the next `$4` of a session's chats, of `those` only."""
    return f"""
    SELECT c.chat, c.name, c.kind, c.last_at, c.retention,
        coalesce((SELECT u.unread {_REMEMBERED}), {UNREAD}),
        (SELECT e.event FROM rookery.chat_entries AS e WHERE e.uid = c.uid AND e.chat = c.chat AND e.role IN ('in', 'out')
         ORDER BY e.at DESC, e.event DESC LIMIT 1),
        (SELECT m.number FROM rookery.messages AS m WHERE m.uid = c.uid AND m.chat = c.chat AND m.is_entry
         ORDER BY m.created_at DESC, m.number DESC LIMIT 1),
        (SELECT e.at FROM rookery.chat_entries AS e WHERE e.uid = c.uid AND e.chat = c.chat AND e.role IN ('in', 'out')
         ORDER BY e.at DESC, e.event DESC LIMIT 1),
        (SELECT e.role FROM rookery.chat_entries AS e WHERE e.uid = c.uid AND e.chat = c.chat AND e.role IN ('in', 'out')
         ORDER BY e.at DESC, e.event DESC LIMIT 1),
        EXISTS (SELECT 1 {_REMEMBERED})
    FROM (
        SELECT * FROM rookery.chats AS f
        WHERE f.uid = $1 AND (f.last_at, f.chat) < (CAST($2 AS double precision), CAST($3 AS text)) {those}
        ORDER BY f.last_at DESC, f.chat DESC LIMIT $4) AS c
    ORDER BY c.last_at DESC, c.chat DESC"""  # noqa: S608


LIST = _list()
FIND = _list("""
          AND (f.last_at, f.chat) >= (CAST($5 AS double precision), CAST($6 AS text))
          AND (lower(f.name) LIKE CAST($7 AS text) ESCAPE '!' OR lower(f.chat) LIKE CAST($7 AS text) ESCAPE '!')""")
# A search that examines chats up to a place, and not a number of them, misses none that stays where it is while others
# move between the two statements.
LAST_EXAMINED = """
    SELECT last_at, chat FROM rookery.chats
    WHERE uid = $1 AND (last_at, chat) < (CAST($2 AS double precision), CAST($3 AS text))
    ORDER BY last_at DESC, chat DESC LIMIT 1 OFFSET $4"""
# Not joined with `chat_entries`: without fresh statistics the planner reads both tables from end to end.
LAST_EVENTS = f"SELECT {_EVENT} FROM rookery.events AS v WHERE v.id {{in $1}}"  # noqa: S608
LAST_SENDS = f"SELECT number, {MESSAGE_COLUMNS} FROM rookery.messages WHERE number {{in $1}}"  # noqa: S608
PAGE_EVENTS = f"""
    SELECT e.at, e.role, {_EVENT} FROM rookery.chat_entries AS e JOIN rookery.events AS v ON v.id = e.event
    WHERE e.uid = $1 AND e.chat = $2 AND e.role IN ('in', 'out')
      AND (e.at, e.event) < (CAST($3 AS double precision), CAST($4 AS bigint))
    ORDER BY e.at DESC, e.event DESC LIMIT $5"""  # noqa: S608
PAGE_SENDS = f"""
    SELECT number, {MESSAGE_COLUMNS} FROM rookery.messages
    WHERE uid = $1 AND chat = $2 AND is_entry
      AND (created_at, number) < (CAST($3 AS double precision), CAST($4 AS bigint))
    ORDER BY created_at DESC, number DESC LIMIT $5"""  # noqa: S608
ABOUT_EVENTS = f"""
    SELECT e.message_id, e.role, {_EVENT} FROM rookery.chat_entries AS e JOIN rookery.events AS v ON v.id = e.event
    WHERE e.uid = $1 AND e.chat = $2 AND e.role NOT IN ('in', 'out') AND e.message_id {{in $3}} ORDER BY e.event"""  # noqa: S608
ABOUT_SENDS = f"""
    SELECT {MESSAGE_COLUMNS} FROM rookery.messages
    WHERE uid = $1 AND chat = $2 AND NOT is_entry AND created_at >= $3 AND state IN ('sent', 'delivered', 'read')
      AND content NOT LIKE '{{"type":"typing"%' AND content NOT LIKE '{{"type":"read"%'
    ORDER BY number DESC LIMIT 1000"""  # noqa: S608
# SQLite keeps the order of tables in a CROSS JOIN: the pairs come first, and each is looked up in an index.
ABOUT_LAST_EVENTS = f"""
    SELECT e.chat, e.message_id, e.role, {_EVENT}
    FROM {{pairs $2 $3}} CROSS JOIN rookery.chat_entries AS e JOIN rookery.events AS v ON v.id = e.event
    WHERE e.uid = $1 AND e.chat = w_chat AND e.message_id = w_value AND e.role NOT IN ('in', 'out')
    ORDER BY e.event"""  # noqa: S608
ABOUT_LAST_SENDS = f"""
    SELECT m.chat, {_MESSAGE}
    FROM {{pairs $2 $3}} CROSS JOIN rookery.messages AS m
    WHERE m.uid = $1 AND m.chat = w_chat AND NOT m.is_entry
      AND m.created_at >= CAST(w_value AS double precision) AND m.state IN ('sent', 'delivered', 'read')
      AND m.content NOT LIKE '{{"type":"typing"%' AND m.content NOT LIKE '{{"type":"read"%'
    ORDER BY m.number DESC LIMIT 5000"""  # noqa: S608
SENT_AMONG = """
    SELECT w_chat, w_value FROM {pairs $2 $3} CROSS JOIN rookery.messages AS m
    WHERE m.uid = $1 AND m.receipt IS NOT NULL AND {id m.receipt} = w_value AND m.chat = w_chat
      AND m.is_entry"""
# `coalesce` keeps SQLite from the index of whole pages, which would be read from end to end.
REPORTED_AMONG = """
    SELECT w_chat, w_value
    FROM {pairs $2 $3} CROSS JOIN rookery.chat_entries AS e JOIN rookery.events AS v ON v.id = e.event
    WHERE e.uid = $1 AND e.chat = w_chat AND e.message_id = w_value AND coalesce(e.role, '') IN ('in', 'out')
      AND NOT v.type {in $4}"""
KEEP = f"UPDATE rookery.chats SET retention = $3 WHERE uid = {_SESSION} AND chat = $2 RETURNING chat"  # noqa: S608

ERASE_MEDIA = "DELETE FROM rookery.media WHERE id {in $1} RETURNING id"
ERASE_LETTERS = "DELETE FROM rookery.dead_letters WHERE event {in $1}"
ERASE_EVENTS = "DELETE FROM rookery.events WHERE id {in $1}"
# Each of them in an index.
ERASED_MESSAGES = tuple(
    f"SELECT number FROM rookery.messages WHERE uid = $1 AND {those} LIMIT $3"  # noqa: S608
    for those in ("is_entry AND chat = $2", "NOT is_entry AND chat = $2", "recipient = $2")
)
ERASE_MESSAGES = "DELETE FROM rookery.messages WHERE number {in $1}"
ERASE_UNREAD = "DELETE FROM rookery.chat_unread WHERE uid = $1 AND chat = $2"
ERASE_CHAT = "DELETE FROM rookery.chats WHERE uid = $1 AND chat = $2"

# What has outlived its chat's own retention, each in an index by age. Every part is limited to `$2` rows.
_NOT_NEEDED = """
    AND NOT EXISTS (SELECT 1 FROM rookery.deliveries AS d WHERE d.event = e.event)
    AND NOT EXISTS (SELECT 1 FROM rookery.dead_letters AS l WHERE l.event = e.event)"""
OLD_EVENTS = tuple(
    f"""
    SELECT e.event FROM rookery.chats AS c CROSS JOIN rookery.chat_entries AS e
    WHERE c.retention IS NOT NULL AND e.uid = c.uid AND e.chat = c.chat AND e.role {those} ('in', 'out')
      AND e.at < CAST($1 AS double precision) - c.retention {_NOT_NEEDED} LIMIT $2"""  # noqa: S608
    for those in ("IN", "NOT IN")
)
OLD_MESSAGES = tuple(
    f"""
    SELECT m.number FROM rookery.chats AS c CROSS JOIN rookery.messages AS m
    WHERE c.retention IS NOT NULL AND m.uid = c.uid AND m.chat = c.chat AND {those}
      AND m.created_at < CAST($1 AS double precision) - c.retention AND m.state NOT IN ('queued', 'sending', 'scheduled')
    LIMIT $2"""  # noqa: S608
    for those in ("m.is_entry", "NOT m.is_entry")
)
_IS_EMPTY = """
    c.last_at < $1 AND c.retention IS NULL
    AND NOT EXISTS (SELECT 1 FROM rookery.chat_entries AS e
                    WHERE e.uid = c.uid AND e.chat = c.chat AND e.role IN ('in', 'out'))
    AND NOT EXISTS (SELECT 1 FROM rookery.messages AS m WHERE m.uid = c.uid AND m.chat = c.chat AND m.is_entry)"""
EMPTY_CHATS = f"""
    SELECT c.uid, c.chat FROM rookery.sessions AS s CROSS JOIN rookery.chats AS c
    WHERE c.uid = s.uid AND {_IS_EMPTY} LIMIT $2"""  # noqa: S608
TIDY_CHAT = f"DELETE FROM rookery.chats AS c WHERE c.uid = $2 AND c.chat = $3 AND {_IS_EMPTY}"  # noqa: S608
# The retention is compared again, because it may have changed since the rows were found. A subquery for each row, because
# without fresh statistics PostgreSQL's planner would join whole tables.
TIDY_EVENTS = f"""
    DELETE FROM rookery.events AS v WHERE v.id {{in $1}}
      AND (SELECT 1 FROM rookery.chat_entries AS o CROSS JOIN rookery.chats AS c
           WHERE o.event = v.id AND c.uid = o.uid AND c.chat = o.chat AND c.retention IS NOT NULL
             AND o.at < CAST($2 AS double precision) - c.retention LIMIT 1) IS NOT NULL
      {_NOT_NEEDED.replace("e.event", "v.id")}"""  # noqa: S608
TIDY_MESSAGES = """
    DELETE FROM rookery.messages AS m WHERE m.number {in $1} AND m.state NOT IN ('queued', 'sending', 'scheduled')
      AND m.created_at < CAST($2 AS double precision)
          - (SELECT c.retention FROM rookery.chats AS c WHERE c.uid = m.uid AND c.chat = m.chat)"""


def source_from_row(row: Row) -> ChatSource:
    """From a row that `SOURCES` selects."""
    return ChatSource(*row)


def entry_to_row(entry: ChatEntry) -> Row:
    """The columns of `chat_entries`."""
    return entry.event, entry.uid, entry.chat, entry.at, entry.role, entry.message_id


def chat_to_row(news: ChatNews) -> Row:
    """The columns of `chats`, or what `TELL_CHAT` needs without a message."""
    if news.last_at is None:
        return news.uid, news.chat, news.name, news.kind, news.read_at
    return news.uid, news.chat, news.name, news.kind, news.last_at, news.read_at


def pattern_of(search: str) -> str:
    """For LIKE with `!` as the escape character."""
    plain = search.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%{plain}%"


def found_page(rows: Sequence[Row], limit: int, end: ChatPlace | None) -> tuple[Sequence[Row], ChatPlace | None]:
    """A page of a search and where the next one begins, from up to `limit + 1` rows of `FIND` and the last chat that was
    examined."""
    if len(rows) <= limit:
        return rows, end
    last = rows[limit - 1]
    return rows[:limit], (last[3], last[0])


def bounds(before: Position) -> tuple[tuple[float, int], tuple[float, int]]:
    """The exclusive bounds (time, number) of the events and sends before a position."""
    if before.sent:
        return (before.at, 2**62), (before.at, before.number)
    return (before.at, before.number), (before.at, -1)


def worth_remembering(rows: Sequence[Row]) -> Iterator[Sequence[str]]:
    """The chats, from rows that `LIST` selects, whose unread messages should not be counted again, in pieces."""
    chats = [row[0] for row in rows if row[5] >= REMEMBERED_FROM and not row[10]]
    for begin in range(0, len(chats), REMEMBERED_AT_ONCE):
        yield chats[begin : begin + REMEMBERED_AT_ONCE]


def chat_from_row(row: Row, events: dict[Any, Event], sends: dict[Any, OutboundMessage]) -> ChatRow:
    """From a row that `LIST` selects, and the newest events by id and sends by number."""
    return ChatRow(
        chat=row[0],
        name=row[1],
        kind=row[2],
        last_at=row[3],
        retention=row[4],
        unread=row[5],
        event=(row[8], row[9], events[row[6]]) if row[6] in events else None,
        send=sends.get(row[7]),
    )
