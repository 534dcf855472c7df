"""One suite for every store: `store` is each kind in turn, `backend` makes more of them on the same data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rookery.store.contract import Store
from store.backends import Backend, MemoryBackend, PostgresBackend, SqliteBackend


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
