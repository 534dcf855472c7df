"""Statements for many rows at once.

One statement for many rows takes half the time of one for each: SQLite looks the tables up once, and the thread gives up the
interpreter's lock once, not for each row.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from sqlite3 import Connection

from ...rows.values import Row

CHUNKS = (100, 30, 10, 3, 1)
"""Rows of the statements that insert; a few fixed sizes keep the statements prepared."""

PADDED = (128, 32, 8)
"""Rows of the statements that update. A row that begins with an empty text, which is no id, fills an empty place."""


class ManyRows:
    """A statement with a list of rows, `{rows}` in its text.

    Args:
        padded: rows that begin with an empty text may be added, as they change nothing. They hold no NULL: `sqlite3` looks
            for an adapter of each, which takes ten times as long as a number.
    """

    def __init__(self, statement: str, columns: int, *, padded: bool = False) -> None:
        row = f"(?{', ?' * (columns - 1)})"
        sizes = PADDED if padded else CHUNKS
        self._statements = [(size, statement.replace("{rows}", ", ".join([row] * size))) for size in sizes]
        self._empty = ("", *(0,) * (columns - 1)) if padded else None

    def run(self, connection: Connection, rows: Sequence[Row], further: Row = ()) -> int:
        """Returns the number of rows that changed. `further`: the values that follow the rows."""
        changed = done = 0
        for index, (size, statement) in enumerate(self._statements):
            smaller = 0 if index + 1 == len(self._statements) else self._statements[index + 1][0]
            while (left := len(rows) - done) >= size or (self._empty is not None and left > smaller):
                values = list(chain.from_iterable(rows[done : done + size]))
                if left < size and self._empty is not None:
                    values += self._empty * (size - left)
                values += further
                changed += connection.execute(statement, values).rowcount
                done += size
        return changed
