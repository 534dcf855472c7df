"""One suite for every store: `store` is each kind in turn, `backend` makes more of them on the same data."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import pytest

from rookery.secrets import SecretBox
from rookery.store import Store
from rookery.stores import MemoryStore, SqliteStore
from rookery.stores.postgres import PostgresStore
from store.postgres_server import private_server

KEY = "a long passphrase of the test suite"


class Backend(Protocol):
    """A place where stores keep their data."""

    kind: str
    durable: bool

    def make(self, key: str = KEY, **options: Any) -> Store:
        """A store on this place, not open."""


class MemoryBackend:
    kind = "memory"
    durable = False

    def make(self, key: str = KEY, **options: Any) -> Store:
        return MemoryStore(SecretBox.from_text(key), **options)


class SqliteBackend:
    kind = "sqlite"
    durable = True

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self, key: str = KEY, **options: Any) -> Store:
        return SqliteStore(self.path, SecretBox.from_text(key), **options)


class PostgresBackend:
    kind = "postgres"
    durable = True

    def __init__(self, url: str, schema: str) -> None:
        self.url = url
        self.schema = schema

    def make(self, key: str = KEY, **options: Any) -> Store:
        return PostgresStore(options.pop("url", self.url), SecretBox.from_text(key), schema=self.schema, **options)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL that tests may write to: `DATABASE_URL`, or a server of our own."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
    else:
        with private_server() as server:
            yield server.url


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[PostgresBackend]:
    """A schema of its own for each test, dropped at the end."""
    schema = f"rookery_test_{secrets.token_hex(6)}"
    yield PostgresBackend(postgres_url, schema)
    run_sql(postgres_url, f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def run_sql(url: str, sql: str) -> None:
    """Run statements on a connection of their own. From trio: in a thread."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    asyncio.run(run())


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    if request.param == "memory":
        return MemoryBackend()
    if request.param == "sqlite":
        return SqliteBackend(tmp_path / "rookery.db")
    postgres: PostgresBackend = request.getfixturevalue("postgres")
    return postgres


@pytest.fixture
async def store(backend: Backend) -> AsyncIterator[Store]:
    store = backend.make()
    async with store.open():
        yield store
