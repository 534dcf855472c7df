"""Keeps slices of a phone's history beside the device's keys until they have become events. WhatsApp sends them only once,
so a restart or another instance must find them here."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from rookery.errors import ProviderError

TIMEOUT = 5.0  # seconds to wait for another writer of the file

MAKE = """
    CREATE TABLE IF NOT EXISTS {table} (session text NOT NULL, number {number}, data {bytes} NOT NULL)"""


def sqlite_keep(path: Path, session: str, slices: Sequence[bytes]) -> None:
    """Add slices. Raises ProviderError."""
    sql = MAKE.format(table="rookery_history", number="integer PRIMARY KEY AUTOINCREMENT", bytes="blob")
    try:
        with closing(sqlite3.connect(path, timeout=TIMEOUT)) as connection, connection:
            connection.execute(sql)
            connection.executemany(
                "INSERT INTO rookery_history (session, data) VALUES (?, ?)", [(session, each) for each in slices]
            )
    except sqlite3.DatabaseError as error:
        raise ProviderError(f"the history cannot be kept in {path}: {error}") from None


def sqlite_next(path: Path, session: str, done: int | None) -> tuple[int, bytes] | None:
    """Remove the slice `done`; returns number and bytes of the oldest one that is left. Raises ProviderError."""
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(path, timeout=TIMEOUT)) as connection, connection:
            if done is not None:
                connection.execute("DELETE FROM rookery_history WHERE number = ?", (done,))
            found = connection.execute(
                "SELECT number, data FROM rookery_history WHERE session = ? ORDER BY number LIMIT 1", (session,)
            ).fetchone()
            return (int(found[0]), bytes(found[1])) if found else None
    except sqlite3.DatabaseError as error:
        if "no such table" in str(error):
            return None
        raise ProviderError(f"the history in {path} cannot be read: {error}") from None


async def postgres_keep(connection: Any, schema: str, session: str, slices: Sequence[bytes]) -> None:
    """As `sqlite_keep`; `connection` is one of asyncpg, `schema` a checked name."""
    table = f"{schema}.rookery_history"
    make = MAKE.format(table=table, number="bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", bytes="bytea")
    async with connection.transaction():
        if await connection.fetchval("SELECT to_regclass($1)", table) is None:
            # When two connections create the same table at once, one of them fails.
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", table)
            await connection.execute(make)
        await connection.executemany(
            f"INSERT INTO {table} (session, data) VALUES ($1, $2)",  # noqa: S608
            [(session, each) for each in slices],
        )


async def postgres_next(connection: Any, schema: str, session: str, done: int | None) -> tuple[int, bytes] | None:
    """As `sqlite_next`."""
    table = f"{schema}.rookery_history"
    if done is not None:
        await connection.execute(f"DELETE FROM {table} WHERE number = $1", done)  # noqa: S608
    sql = f"SELECT number, data FROM {table} WHERE session = $1 ORDER BY number LIMIT 1"  # noqa: S608
    row = await connection.fetchrow(sql, session)
    return (row[0], bytes(row[1])) if row else None


async def postgres_forget(connection: Any, schema: str, session: str) -> None:
    """Remove the slices of a session."""
    await connection.execute(f"DELETE FROM {schema}.rookery_history WHERE session = $1", session)  # noqa: S608
