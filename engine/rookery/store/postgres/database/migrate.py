"""Brings the schema of a PostgreSQL database up to date, also when several instances start at once."""

from __future__ import annotations

from ....errors import StoreError
from ...event_ids import first_after
from ...migrations import Migration, load_migrations
from .pool import Connection, Database

MIGRATION_TIMEOUT = 600.0
"""Seconds that one migration may take; instances that start meanwhile wait for it this long."""


async def migrate(database: Database) -> None:
    """Bring the schema up to date, each migration in one transaction, one instance at a time.

    Raises:
        StoreError: the schema belongs to a newer version that this one cannot work with, or may not be created.
    """
    encoding = (await database.row("SHOW server_encoding"))[0]
    if encoding != "UTF8":
        raise StoreError(
            f"the database is encoded in {encoding}, which cannot hold every text: create one with "
            f"CREATE DATABASE rookery ENCODING 'UTF8' TEMPLATE template0"
        )
    migrations = load_migrations("postgres")

    async def prepare(connection: Connection) -> int:
        await _lock(connection, database)
        # Not `IF NOT EXISTS`: that needs the right to create schemas even when the schema exists, and it relies on what
        # this connection cached before it had the lock.
        if not await connection.fetchval("SELECT 1 FROM pg_namespace WHERE nspname = $1", database.schema):
            await connection.execute(f"CREATE SCHEMA {database.schema}")
        await connection.execute(
            database.text(
                "CREATE TABLE IF NOT EXISTS rookery.schema_migrations (version integer PRIMARY KEY, name text NOT NULL, "
                "oldest integer NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
            )
        )
        return await _done(connection, database, migrations[-1].version)

    done = await _current(database, migrations[-1].version)
    if done is None:
        done = await database.transaction(prepare)
    was_there = done > 0
    for migration in migrations:
        if migration.version > done:
            await database.transaction(lambda connection, m=migration: _apply(connection, database, m))  # type: ignore[misc]
    if was_there:
        await database.transaction(lambda connection: _raise_event_ids(connection, database))


async def _current(database: Database, newest: int) -> int | None:
    """The version of an existing schema, read without a lock: the usual start changes nothing."""
    table = await database.row("SELECT to_regclass($1)", f"{database.schema}.schema_migrations")
    if table[0] is None:
        return None
    return await database.work(lambda connection: _done(connection, database, newest))


async def _done(connection: Connection, database: Database, newest: int) -> int:
    row = await connection.fetchrow(
        database.text("SELECT coalesce(max(version), 0), coalesce(max(oldest), 0) FROM rookery.schema_migrations")
    )
    if row[1] > newest:
        raise StoreError(
            f"the schema {database.schema} was changed by a newer Rookery (version {row[0]}, this one knows {newest}) "
            f"in a way that this one cannot work with: update Rookery"
        )
    version: int = row[0]
    return version


async def _apply(connection: Connection, database: Database, migration: Migration) -> None:
    await _lock(connection, database)
    table = database.text("rookery.schema_migrations")
    if await connection.fetchrow(f"SELECT 1 FROM {table} WHERE version = $1", migration.version):  # noqa: S608
        return  # another instance was faster
    await connection.execute(database.text(migration.sql), timeout=MIGRATION_TIMEOUT)
    await connection.execute(
        f"INSERT INTO {table} (version, name, oldest) VALUES ($1, $2, $3)",  # noqa: S608
        migration.version,
        migration.name,
        migration.oldest,
    )


async def _raise_event_ids(connection: Connection, database: Database) -> None:
    """See `store.event_ids`. Holds the lock that writers of events take, so that readers see increasing ids."""
    await connection.execute(database.text("SELECT pg_advisory_xact_lock({lock}, 1)"))
    now = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::double precision")
    await connection.execute(
        database.text("SELECT setval('rookery.events_id_seq', greatest(last_value, $1)) FROM rookery.events_id_seq"),
        first_after(now),
    )


async def _lock(connection: Connection, database: Database) -> None:
    # A transaction lock, not a connection lock: it works through PgBouncer, and disappears with this process.
    await connection.execute(
        f"SELECT pg_advisory_xact_lock({database.lock_number}, 2)",
        timeout=MIGRATION_TIMEOUT,
    )
