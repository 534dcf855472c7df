"""Shared base of the parts of the SQLite store."""

from __future__ import annotations

from typing import TypeVar

from ..secrets import SecretBox
from .database.readers import Query, Readers
from .database.writer import Work, Writer

T = TypeVar("T")


class SqliteBase:
    """One writer, some readers, one box of secrets."""

    _secrets: SecretBox
    _writer: Writer
    _readers: Readers

    async def _write(self, work: Work[T], *, background: bool = False, patience: float | None = None) -> T:
        return await self._writer.run(work, background=background, patience=patience)

    async def _read(self, query: Query[T]) -> T:
        return await self._readers.run(query)
