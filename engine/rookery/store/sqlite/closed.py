"""Stand-ins for the writer and the readers, before the store is opened and after it is closed."""

from __future__ import annotations

from typing import TypeVar

from ...errors import StoreUnavailable
from .database.readers import Query
from .database.writer import Work

T = TypeVar("T")


class ClosedWriter:
    """Implements `Writer`."""

    async def run(self, work: Work[T], *, background: bool = False, patience: float | None = None) -> T:
        raise StoreUnavailable("the store is not open")


class ClosedReaders:
    """Implements `Readers`."""

    async def run(self, query: Query[T]) -> T:
        raise StoreUnavailable("the store is not open")
