"""End-to-end tests run on every kind of storage that outlives a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from store.backends import PostgresBackend
from support import storage as places
from support.storage import Storage


@pytest.fixture(params=["sqlite", "postgres"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "sqlite":
        return places.sqlite(tmp_path)
    shared: Storage = request.getfixturevalue("shared_storage")
    return shared


@pytest.fixture
def shared_storage(postgres: PostgresBackend, tmp_path: Path) -> Storage:
    """A schema of its own in a PostgreSQL server."""
    return places.postgres(tmp_path, f"{postgres.url}?schema={postgres.schema}")
