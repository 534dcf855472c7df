"""Writes events into the log, many at once, and the runs by which its pages are found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from operator import attrgetter

from ....model.event import NewEvent
from ...rows.values import Row
from .chunks import CHUNKS
from .connection import Database

LONGEST_RUN = 256
"""Maximum number of ids that a run spans, so that a search for the runs around an id is bounded."""

_COMMON = ("id", "uid", "session", "platform", "stored_at")  # one value for all rows; the ids count up from it
_OWN = ("key", "type", "time", "chat", "body", "raw", "epoch", "sender")
_ADD_RUN = "INSERT INTO event_runs (session, type, first, last) VALUES (?, ?, ?, ?)"
_ADD_SHORTER_RUN = (
    "INSERT INTO event_runs (session, type, first, last) SELECT ?1, ?2, ?3, last "
    "FROM (SELECT max(id) AS last FROM events WHERE id BETWEEN ?3 AND ?4) WHERE last IS NOT NULL"
)
"""For events of which some were skipped: a run ends with a stored event, as ids above the highest one may be given to other
sessions after a restart."""
_type = attrgetter("type")


def _insert(size: int, columns_of_each: Sequence[str]) -> str:
    rows = []
    for number in range(size):
        first = len(_COMMON) + 1 + number * len(columns_of_each)
        own = ", ".join(f"?{place}" for place in range(first, first + len(columns_of_each)))
        rows.append(f"(?1 + {number}, ?2, ?3, ?4, ?5, {own})")
    columns = ", ".join((*_COMMON, *columns_of_each))
    return f"INSERT INTO events ({columns}) VALUES {', '.join(rows)} ON CONFLICT (uid, epoch, key) DO NOTHING"  # noqa: S608


_INSERTS, _INSERTS_WITHOUT_SENDER = ([(size, _insert(size, own)) for size in CHUNKS] for own in (_OWN, _OWN[:-1]))
"""`sqlite3` looks for an adapter of each NULL and of each value of `bytes`, which takes ten times as long as binding a number
and three times as long as binding a `bytearray`."""


def _with_sender(event: NewEvent) -> Row:
    return (*_without_sender(event), event.sender)


def _without_sender(event: NewEvent) -> Row:
    return event.key, event.type, event.time, event.chat, bytearray(event.body), bytearray(event.raw), event.epoch


def insert_events(database: Database, uid: int, session: str, platform: str, events: Sequence[NewEvent]) -> int:
    """Store these events of one session under the next ids. Those whose key is known are skipped, and their ids stay
    unused. Returns the number of stored events."""
    connection = database.connection
    before, now = database.last_event, database.clock()
    stored = done = 0
    if any(event.sender is not None for event in events):
        inserts, to_row = _INSERTS, _with_sender
    else:
        inserts, to_row = _INSERTS_WITHOUT_SENDER, _without_sender
    for size, statement in inserts:
        while len(events) - done >= size:
            part = events if len(events) == size else events[done : done + size]
            values = [before + done + 1, uid, session, platform, now, *chain.from_iterable(map(to_row, part))]
            stored += connection.execute(statement, values).rowcount
            done += size
    if stored:
        add_run = _ADD_RUN if stored == done else _ADD_SHORTER_RUN
        for run in _runs(events, before + 1):
            connection.execute(add_run, (session, *run))
        # The count also stays after a rollback: gaps are harmless.
        database.last_event = before + done
    return stored


def _runs(events: Sequence[NewEvent], first: int) -> Iterator[tuple[str, int, int]]:
    """Type, first id and last id of each run, if the events get consecutive ids from `first` on."""
    for type, group in groupby(map(_type, events)):
        end = first + len(list(group))
        while first < end:
            last = min(first + LONGEST_RUN, end) - 1
            yield type, first, last
            first = last + 1
