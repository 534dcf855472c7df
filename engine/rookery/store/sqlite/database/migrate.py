"""Brings the schema of a SQLite database up to date. One engine has the file, so nothing else migrates it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from ....errors import StoreError
from ...migrations import load_migrations


def migrate(connection: sqlite3.Connection, location: str, clock: Callable[[], float]) -> bool:
    """Apply the migrations, each in one transaction. True when the database existed before.

    Raises:
        StoreError: a newer version wrote the database.
        sqlite3.Error: for `translate`.
    """
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations "
        "(version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at REAL NOT NULL)"
    )
    done: int = connection.execute("SELECT coalesce(max(version), 0) FROM schema_migrations").fetchone()[0]
    migrations = load_migrations("sqlite")
    if done > migrations[-1].version:
        raise StoreError(
            f"{location} was written by a newer Rookery (schema {done}, this version knows {migrations[-1].version}): "
            f"update Rookery, or restore a backup from before the update"
        )
    for migration in migrations:
        if migration.version <= done:
            continue
        try:
            # One script, because `executescript` would commit a transaction that began before it.
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{migration.sql};\n"
                f"INSERT INTO schema_migrations VALUES ({migration.version}, '{migration.name}', {clock():f});\nCOMMIT;"
            )
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return done > 0
