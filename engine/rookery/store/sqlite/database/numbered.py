"""Pages of a table by the row's number, newest first, that cost the same however many rows do not match.

A page is read through indexes that hold the rows of one value in the order of their numbers. Where several values may
match, their pages are merged. Where two indexes must agree, each is asked in turn for its next number, which skips what
the other one does not have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Connection

import msgspec

from ...event_ids import Halving
from ...rows.values import Row

WALK = 200
"""Rows that are looked at one after another before two indexes are made to agree."""
HITS = 10
"""Matching rows among these from which on it is cheaper to go on so."""
LEAPS = 500
"""Numbers that the indexes are asked for in turn before the rows are looked at again, which is quicker where each number lies
between two others."""


NO_END = 2**63 - 1


class Span(msgspec.Struct, frozen=True):
    """Bounds of a time, which grows with the rows' numbers from one step to the next.

    `out_of_order`: seconds by which the times of two rows may be the wrong way round without a step between them.
    """

    column: str
    since: float | None
    until: float | None  # exclusive
    out_of_order: float
    steps: Sequence[int] = ()  # in order

    @property
    def stretches(self) -> Iterator[tuple[int, int]]:
        """The first number and the end of what lies between two steps, the highest first."""
        end = NO_END
        for step in reversed(self.steps):
            yield step, end
            end = step
        yield 0, end


class Place:
    """Where rows that match are found.

    Args:
        table: its numbers are in `column`, the integer primary key.
        index: holds the rows for which `condition` is true, in the order of their numbers.
        values: for the condition's question marks.
    """

    def __init__(self, table: str, column: str, index: str, condition: str, values: Row) -> None:
        self._source = f"FROM {table} INDEXED BY {index} WHERE {condition}"
        self._column = column
        self.condition = condition
        self.values = values

    def bounds(self, connection: Connection, span: Span, first: int, end: int) -> tuple[int, int]:
        """Numbers above and below which no row of this stretch is within the span."""
        above, below = first - 1, end
        if span.since is not None:
            above = self._first(connection, span.column, span.since - span.out_of_order, first, end) - 1
        if span.until is not None:
            below = min(end, self._first(connection, span.column, span.until + span.out_of_order, first, end))
        return above, below

    def _first(self, connection: Connection, time: str, moment: float, first: int, end: int) -> int:
        """The number of the first row of a stretch with this time or a later one; one above every number of the stretch when
        there is none."""
        look = f"SELECT {self._column}, {time} {self._source}"
        within = f"AND {self._column} >= ? AND {self._column} < ? ORDER BY {self._column}"
        ends = [
            connection.execute(f"{look} {within} {order} LIMIT 1", (*self.values, first, end)).fetchone()
            for order in ("ASC", "DESC")
        ]
        if ends[0] is None or ends[0][1] >= moment:
            return first
        if ends[1][1] < moment:
            return int(ends[1][0]) + 1
        search = Halving(ends[0][0], ends[1][0])
        look += f" AND {self._column} >= ? ORDER BY {self._column} LIMIT 1"
        while (middle := search.middle) is not None:
            number, at = connection.execute(look, (*self.values, middle)).fetchone() or (None, 0.0)
            search.found(number, old=at < moment)
        return search.end

    def page(
        self, connection: Connection, above: int, below: int, limit: int, further: Sequence[Place], span: Span | None
    ) -> list[int]:
        """The highest `limit` numbers between these bounds for which the conditions of `further` hold, too."""
        order = f"AND {self._column} < ? AND {self._column} > ? ORDER BY {self._column} DESC LIMIT ?"
        conditions, asked = _conditions(further, span)
        if not further:
            sql = f"SELECT {self._column} {self._source} {conditions} {order}"
            rows = connection.execute(sql, (*self.values, *asked, below, above, limit)).fetchall()
            return [row[0] for row in rows]
        for place in further:
            latest = place.next_one(connection, above, below, span)
            if latest is None:
                return []
            below = min(below, latest + 1)
        sql = f"SELECT {self._column}, TRUE {conditions} {self._source} {order}"
        found: list[int] = []
        has_leapt = False
        while len(found) < limit:
            rows = connection.execute(sql, (*asked, *self.values, below, above, WALK)).fetchall()
            hits = [number for number, matches in rows if matches]
            found += hits
            if len(rows) < WALK:
                break
            below = rows[-1][0]
            if len(hits) < HITS and len(found) < limit and not has_leapt:
                agreed, below = _agreed(connection, [self, *further], above, below, limit - len(found), span)
                found += agreed
                has_leapt = True
        return found[:limit]

    def next_one(self, connection: Connection, above: int, below: int, span: Span | None) -> int | None:
        """The highest number between these bounds."""
        found = self.page(connection, above, below, 1, (), span)
        return found[0] if found else None


def _conditions(places: Sequence[Place], span: Span | None) -> tuple[str, Row]:
    conditions = [place.condition for place in places]
    values = [value for place in places for value in place.values]
    if span is not None:
        for sign, moment in ((">=", span.since), ("<", span.until)):
            if moment is not None:
                conditions.append(f"{span.column} {sign} ?")
                values.append(moment)
    return "".join(f" AND {condition}" for condition in conditions), tuple(values)


def _agreed(
    connection: Connection, places: Sequence[Place], above: int, below: int, limit: int, span: Span | None
) -> tuple[list[int], int]:
    """The highest numbers that all places have, and the number below which others may follow."""
    found: list[int] = []
    number, agreeing = below, 0
    for leap in range(LEAPS):
        latest = places[leap % len(places)].next_one(connection, above, number + (agreeing > 0), span)
        if latest is None:
            return found, above
        agreeing = agreeing + 1 if agreeing and latest == number else 1
        number = latest
        if agreeing == len(places):
            found.append(number)
            if len(found) == limit:
                break
            agreeing = 0
    return found, number + (agreeing > 0)


def each(column: str, table: str, condition: str = "") -> str:
    """A statement for the different values of a column, each found with one step in the index."""
    first = f" WHERE {condition}" if condition else ""
    further = f" AND {condition}" if condition else ""
    return (
        f"WITH RECURSIVE known (value) AS (SELECT min({column}) FROM {table}{first} UNION ALL "  # noqa: S608
        f"SELECT (SELECT min({column}) FROM {table} WHERE {column} > known.value{further}) "
        "FROM known WHERE known.value IS NOT NULL) SELECT value FROM known WHERE value IS NOT NULL"
    )


def merged(
    connection: Connection, ways: Iterable[Sequence[Place]], *, below: int | None, limit: int, span: Span | None = None
) -> list[int]:
    """The highest `limit` numbers below this one, which no two ways have in common. Each way is a list of places that must
    all have a number."""
    found: list[int] = []
    least, top = -1, NO_END if below is None else below
    for first, *further in ways:
        page: list[int] = []
        for start, stop in [(0, NO_END)] if span is None else span.stretches:
            if len(page) == limit or stop <= least:
                break
            if start >= top:
                continue
            above, end = (-1, top) if span is None else first.bounds(connection, span, start, stop)
            page += first.page(connection, max(above, least), min(end, top), limit - len(page), further, span)
        found = sorted([*found, *page], reverse=True)[:limit] if found else page
        if len(found) == limit:
            least = found[-1] if found else top  # what follows can only come after this one
    return found
