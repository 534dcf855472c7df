"""One suite for every store: `store` is each kind in turn, `backend` makes more of them on the same data."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from rookery.secrets import SecretBox
from rookery.store import Store
from rookery.stores import MemoryStore, SqliteStore

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


KINDS = ["memory", "sqlite"]


@pytest.fixture(params=KINDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    if request.param == "memory":
        yield MemoryBackend()
    else:
        yield SqliteBackend(tmp_path / "rookery.db")


@pytest.fixture
async def store(backend: Backend) -> AsyncIterator[Store]:
    store = backend.make()
    async with store.open():
        yield store
