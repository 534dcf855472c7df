"""Writes events into the log, many at once, and the runs by which its pages are found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from operator import attrgetter

from msgspec.structs import astuple

from ....model.event import NewEvent
from .chunks import CHUNKS
from .connection import Database

LONGEST_RUN = 256
"""Maximum number of ids that a run spans, so that a search for the runs around an id is bounded."""

_COMMON = ("id", "uid", "session", "platform", "stored_at")  # one value for all rows; the ids count up from it
_OWN = NewEvent.__struct_fields__
_ADD_RUN = "INSERT INTO event_runs (session, type, first, last) VALUES (?, ?, ?, ?)"
_ADD_SHORTER_RUN = (
    "INSERT INTO event_runs (session, type, first, last) SELECT ?1, ?2, ?3, last "
    "FROM (SELECT max(id) AS last FROM events WHERE id BETWEEN ?3 AND ?4) WHERE last IS NOT NULL"
)
"""For events of which some were skipped: a run ends with a stored event, as ids above the highest one may be given to other
sessions after a restart."""
_type = attrgetter("type")


def _insert(size: int) -> str:
    rows = []
    for number in range(size):
        first = len(_COMMON) + 1 + number * len(_OWN)
        own = ", ".join(f"?{place}" for place in range(first, first + len(_OWN)))
        rows.append(f"(?1 + {number}, ?2, ?3, ?4, ?5, {own})")
    columns = ", ".join((*_COMMON, *_OWN))
    return f"INSERT INTO events ({columns}) VALUES {', '.join(rows)} ON CONFLICT (uid, epoch, key) DO NOTHING"  # noqa: S608


_INSERTS = [(size, _insert(size)) for size in CHUNKS]


def insert_events(database: Database, uid: int, session: str, platform: str, events: Sequence[NewEvent]) -> int:
    """Store these events of one session under the next ids. Those whose key is known are skipped, and their ids stay
    unused. Returns the number of stored events."""
    connection = database.connection
    before, now = database.last_event, database.clock()
    stored = done = 0
    for size, statement in _INSERTS:
        while len(events) - done >= size:
            part = events if len(events) == size else events[done : done + size]
            values = [before + done + 1, uid, session, platform, now, *chain.from_iterable(map(astuple, part))]
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
