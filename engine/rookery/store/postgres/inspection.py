"""The facts of a PostgreSQL store. See `inspection`."""

from __future__ import annotations

from typing import Any

import trio

from ...runtime.asyncio_thread import open_asyncio_thread
from ..inspection import StoreFacts, clock_difference, fits
from ..migrations import load_migrations
from ..secrets import SecretBox
from .database.pool import Database
from .store import PostgresStore

CLOSE_TIMEOUT = 1.5
"""Seconds to close the connection."""

_TABLES = "SELECT to_regclass($1), to_regclass($2), extract(epoch FROM clock_timestamp())::double precision"
_VERSION = "SELECT coalesce(max(version), 0) FROM rookery.schema_migrations"
_CANARY = "SELECT value FROM rookery.meta WHERE key = 'canary'"
_SESSIONS = "SELECT count(*), count(DISTINCT owner) FROM rookery.sessions"
_PLATFORMS = "SELECT platform, count(*) FROM rookery.sessions WHERE enabled GROUP BY platform"


async def inspect_postgres(url: str, secrets: SecretBox) -> StoreFacts:
    """Reads only, on one connection. Raises StoreError, StoreUnavailable, InvalidInput."""
    store = PostgresStore(url, secrets)
    newest = load_migrations("postgres")[-1].version
    async with open_asyncio_thread("rookery-inspection") as thread:
        database = Database(thread, store.connect_options, schema=store.schema, pool_size=1)
        await database.start()
        try:
            migrations, meta, now = await database.row(
                _TABLES, f"{store.schema}.schema_migrations", f"{store.schema}.meta"
            )
            ahead = clock_difference(now)
            if migrations is None or meta is None:
                return StoreFacts(location=store.location, exists=False, newest=newest, clock_ahead=ahead)
            version: Any = await database.row(_VERSION)
            canary = await database.row(_CANARY)
            sessions = await database.row(_SESSIONS)
            platforms = await database.fetch(_PLATFORMS, into=lambda rows: {row[0]: int(row[1]) for row in rows})
        finally:
            with trio.move_on_after(CLOSE_TIMEOUT, shield=True):
                await database.stop()
    return StoreFacts(
        location=store.location,
        exists=True,
        newest=newest,
        version=version[0],
        key_fits=fits(canary[0] if canary else None, store.location, secrets),
        sessions=sessions[0],
        enabled=sum(platforms.values()),
        platforms=platforms,
        used_by=f"{sessions[1]} instances" if sessions[1] else None,
        clock_ahead=ahead,
    )
