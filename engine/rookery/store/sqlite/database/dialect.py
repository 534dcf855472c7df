"""Statements that both databases share, as `rows.chats` describes them, in SQLite's dialect."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from sqlite3 import Connection

from ...rows.values import Row, to_json

_LIST = re.compile(r"\{in (\$\d)\}")
_PAIRS = re.compile(r"\{pairs (\$\d) (\$\d)\}")
# The second list is read by position: joining the lists would compare each value with every value of the other.
_TABLE = r"(SELECT a.value AS w_chat, json_extract(\2, '$[' || a.key || ']') AS w_value FROM json_each(\1) AS a)"


@lru_cache(maxsize=64)
def statement_text(statement: str) -> str:
    """A statement of `rows.chats` in SQLite's dialect."""
    placed = statement.replace("{id m.receipt}", "json_extract(m.receipt, '$.message_id')")
    listed = _LIST.sub(r"IN (SELECT value FROM json_each(\1))", placed)
    return _PAIRS.sub(_TABLE, listed).replace("rookery.", "")


def named(values: Sequence[object]) -> dict[str, object]:
    return {
        str(number): to_json(list(value)) if isinstance(value, list | tuple | set) else value
        for number, value in enumerate(values, 1)
    }


def fetch_all(connection: Connection, statement: str, *values: object) -> list[Row]:
    return connection.execute(statement_text(statement), named(values)).fetchall()


def run_many(connection: Connection, statement: str, rows: Sequence[Row]) -> None:
    connection.executemany(statement_text(statement), [named(row) for row in rows])
