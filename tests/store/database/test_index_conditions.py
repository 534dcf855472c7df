"""What SQLite does for the conditions of partial indexes when a row is written."""

from __future__ import annotations

import sqlite3

import pytest

from rookery.store.migrations import load_migrations


@pytest.fixture
def connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    for migration in load_migrations("sqlite"):
        connection.executescript(migration.sql)
    return connection


@pytest.mark.parametrize("table", ["messages", "events", "chats", "chat_entries", "deliveries", "media", "sessions"])
@pytest.mark.parametrize(
    "statement", ["INSERT INTO {table} ({columns}) VALUES ({places})", "UPDATE {table} SET {values} WHERE {key}"]
)
def test_no_write_makes_a_table_of_the_values_of_a_condition(
    connection: sqlite3.Connection, table: str, statement: str
) -> None:
    key = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[5]]
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    sql = statement.format(
        table=table,
        columns=", ".join(columns),
        places=", ".join("?" * len(columns)),
        values=", ".join(f"{column} = ?" for column in columns if column not in key),
        key=" AND ".join(f"{column} = ?" for column in key),
    )
    values = [0] * sql.count("?")
    steps = [row[1] for row in connection.execute(f"EXPLAIN {sql}", values)]
    assert steps
    assert "OpenEphemeral" not in steps
