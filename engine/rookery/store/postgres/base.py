"""Shared base of the parts of the PostgreSQL store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ...errors import StoreUnavailable
from ..secrets import SecretBox
from .database.pool import Database

T = TypeVar("T")


class PostgresBase:
    """One database, one box of secrets."""

    _secrets: SecretBox
    _database: Database | None
    _owners: set[str]  # names under which this process claims sessions

    @property
    def _db(self) -> Database:
        if self._database is None:
            raise StoreUnavailable("the store is not open")
        return self._database

    async def _all(self, sql: str, *values: object, of: Callable[[Any], T]) -> list[T]:
        """Run a statement and convert every row."""
        return await self._db.fetch(sql, *values, into=lambda rows: [of(row) for row in rows])

    async def _value(self, sql: str, *values: object) -> Any:
        """The first column of the first row."""
        row = await self._db.row(sql, *values)
        return None if row is None else row[0]


def changed_rows(status: str) -> int:
    """The number in a command tag like `DELETE 7`."""
    return int(status.rpartition(" ")[2])
