"""Places where the stores of the tests keep their data."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Protocol

import asyncpg

from rookery.secrets import SecretBox
from rookery.store import Store
from rookery.stores import MemoryStore, SqliteStore
from rookery.stores.postgres import PostgresStore

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


def run_sql(url: str, sql: str) -> None:
    """Run statements on a connection of their own. From trio: in a thread."""

    async def run() -> None:
        connection = await asyncpg.connect(url.replace("statement_cache_size=0", ""), statement_cache_size=0)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    asyncio.run(run())
