"""The secret key of a SQLite database: its check when the store opens, and its change."""

from __future__ import annotations

import sqlite3

from ...secret_check import CANARY, SECRET_COLUMNS, check_canary
from ...secrets import SecretBox


def check_key(connection: sqlite3.Connection, location: str, secrets: SecretBox) -> None:
    """Compare the key with the canary; when an older key encrypted it, re-encrypt every secret with the newest.

    Raises:
        SecretKeyError: the key does not fit; nothing was changed.
        sqlite3.Error: for `translate`.
    """
    found = connection.execute("SELECT value FROM meta WHERE key = 'canary'").fetchone()
    if found is None:
        connection.execute("INSERT INTO meta VALUES ('canary', ?)", (secrets.encrypt(CANARY),))
        return
    if secrets.is_current(found[0]):
        return
    check_canary(found[0], location, secrets)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for table, number, column in SECRET_COLUMNS:
            rows = connection.execute(f"SELECT {number}, {column} FROM {table} WHERE {column} != ''").fetchall()  # noqa: S608
            connection.executemany(
                f"UPDATE {table} SET {column} = ? WHERE {number} = ?",  # noqa: S608 - names from `SECRET_COLUMNS`
                secrets.renewed(rows),
            )
        connection.execute("UPDATE meta SET value = ? WHERE key = 'canary'", (secrets.encrypt(CANARY),))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
