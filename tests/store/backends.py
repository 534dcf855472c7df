"""Places where the stores of the tests keep their data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import pytest
import trio

from rookery.store.contract import Store
from rookery.store.migrations import load_migrations
from rookery.store.open import MemoryStore, SqliteStore
from rookery.store.postgres.database import migrate
from rookery.store.postgres.store import PostgresStore
from rookery.store.secrets import SecretBox

KEY = "a long passphrase of the test suite"


class Backend(Protocol):
    """A place where stores keep their data."""

    def make(self, key: str = KEY, **options: Any) -> Store:
        """A store on this place, not open."""


class MemoryBackend:
    def make(self, key: str = KEY, **options: Any) -> Store:
        return MemoryStore(SecretBox.from_text(key), **options)


class SqliteBackend:
    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self, key: str = KEY, **options: Any) -> Store:
        return SqliteStore(self.path, SecretBox.from_text(key), **options)


class PostgresBackend:
    def __init__(self, url: str, schema: str) -> None:
        self.url = url
        self.schema = schema

    def make(self, key: str = KEY, **options: Any) -> Store:
        return PostgresStore(options.pop("url", self.url), SecretBox.from_text(key), schema=self.schema, **options)


def run_sql(url: str, sql: str) -> object:
    """Run statements on a connection of their own; the first value of a single one. From trio: in a thread."""

    async def run() -> object:
        connection = await asyncpg.connect(url.replace("statement_cache_size=0", ""), statement_cache_size=0)
        try:
            return await (connection.execute(sql) if ";" in sql else connection.fetchval(sql))
        finally:
            await connection.close()

    return asyncio.run(run())


async def until_asleep(url: str, count: int) -> None:
    """Return when so many connections are in the middle of `pg_sleep`."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    with trio.fail_after(30):
        while await trio.to_thread.run_sync(run_sql, url, sql) != count:
            pass


@asynccontextmanager
async def older(postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch, version: int) -> AsyncIterator[Store]:
    """The database as a program leaves it that knows the migrations up to this one."""
    known = [one for one in load_migrations("postgres") if one.version <= version]
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "load_migrations", lambda _: known)
        store = postgres.make()
        async with store.open():
            yield store
