"""Fixtures of every part: a PostgreSQL server, and a schema in it."""

from __future__ import annotations

import logging
import os
import secrets
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from store.backends import PostgresBackend, run_sql
from store.postgres_server import private_server
from support.checks.matched_changes import changes_are_matched
from support.checks.secret_watch import WATCH, SecretWatch, watching

if TYPE_CHECKING:
    from support.s3_server import S3Server

settings.register_profile("suite", deadline=None)  # milliseconds say nothing on a machine that does other work too
settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def secret_watch() -> Iterator[SecretWatch]:
    """Every log line of the suite, and the stderr of every process whose output is collected."""
    collect = subprocess.Popen.communicate

    def communicate(self: subprocess.Popen[bytes], *arguments: object, **options: object) -> tuple[object, object]:
        output, errors = collect(self, *arguments, **options)  # type: ignore[arg-type,misc]
        if errors:
            WATCH.look(errors.encode() if isinstance(errors, str) else errors, f"stderr of {self.args!r:.100}")
        return output, errors

    with pytest.MonkeyPatch.context() as patch, watching() as watch:
        patch.setattr(subprocess.Popen, "communicate", communicate)
        yield watch


@pytest.fixture(autouse=True)
def no_secret_is_logged(secret_watch: SecretWatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails the test that wrote a secret. `@pytest.mark.logs_secrets` is for tests of the masking itself."""
    logger = logging.getLogger("rookery")
    level = logger.level
    logger.setLevel(logging.DEBUG)
    yield
    logger.setLevel(level)
    found = secret_watch.take()
    if request.node.get_closest_marker("logs_secrets") is None:
        assert not found, "\n".join(found)


@pytest.fixture(autouse=True)
def every_change_of_status_is_told(request: pytest.FixtureRequest) -> Iterator[None]:
    """On every store that an engine writes to. Tests of the stores themselves write what no engine does."""
    if request.path.parent.name == "store":
        yield
        return
    with changes_are_matched():
        yield


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


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3 server, one for all: what it knows belongs to the whole process."""
    from support.s3_server import s3_server  # takes a second to import

    with s3_server() as server:
        yield server
