"""Fixtures of every part: a PostgreSQL server, and a schema in it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from store.backends import PostgresBackend, run_sql
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
