"""One suite for every store: `store` is each kind in turn, `backend` makes more of them on the same data."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from rookery.store import Store
from store.backends import Backend, MemoryBackend, PostgresBackend, SqliteBackend, run_sql
from store.postgres_server import private_server


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


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    if request.param == "memory":
        return MemoryBackend()
    if request.param == "sqlite":
        return SqliteBackend(tmp_path / "rookery.db")
    postgres: PostgresBackend = request.getfixturevalue("postgres")
    return postgres


@pytest.fixture(params=["sqlite", "postgres"])
def durable(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """A backend whose data outlives the store."""
    if request.param == "sqlite":
        return SqliteBackend(tmp_path / "rookery.db")
    postgres: PostgresBackend = request.getfixturevalue("postgres")
    return postgres


@pytest.fixture
async def store(backend: Backend) -> AsyncIterator[Store]:
    store = backend.make()
    async with store.open():
        yield store
