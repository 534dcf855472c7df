"""API keys and the audit log in SQLite."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from sqlite3 import Connection

from ...errors import AlreadyExists, NotFound
from ...model.key import ApiKey, AuditEntry, AuditQuery
from ..rows.keys import AUDIT_COLUMNS, KEY_COLUMNS, audit_from_row, audit_to_row, key_from_row, key_to_row
from ..rows.values import to_json
from .base import SqliteBase
from .database.connection import Database
from .database.numbered import Place, merged

_SELECT = f"SELECT {KEY_COLUMNS} FROM api_keys"  # noqa: S608
_PLACES = ", ".join("?" * (1 + KEY_COLUMNS.count(",")))
_AUDIT = f"SELECT id, {AUDIT_COLUMNS} FROM audit"  # noqa: S608
_NEWEST = f"{_AUDIT} WHERE id < ? ORDER BY id DESC LIMIT ?"
_CHOSEN = f"{_AUDIT} WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id DESC"  # noqa: S608


class SqliteKeys(SqliteBase):
    """Implements `KeyStore`."""

    async def create_key(self, key: ApiKey) -> ApiKey:
        row = key_to_row(key)

        def work(database: Database) -> ApiKey:
            connection = database.connection
            if connection.execute("SELECT 1 FROM api_keys WHERE id = ? OR digest = ?", (key.id, key.digest)).fetchone():
                raise AlreadyExists("key", key.id)
            connection.execute(f"INSERT INTO api_keys ({KEY_COLUMNS}) VALUES ({_PLACES})", row)  # noqa: S608
            return key

        return await self._write(work)

    async def get_key(self, id: str) -> ApiKey:
        for key in await self._keys("WHERE id = ?", id):
            return key
        raise NotFound("key", id)

    async def find_key(self, digest: str) -> ApiKey | None:
        return next(iter(await self._keys("WHERE digest = ?", digest)), None)

    async def remaining_keys(self, ids: Collection[str]) -> Collection[str]:
        found = await self._keys("WHERE id IN (SELECT value FROM json_each(?))", to_json(list(ids)))
        return {key.id for key in found}

    async def list_keys(self, *, after: str | None, limit: int) -> Sequence[ApiKey]:
        return await self._keys("WHERE id > ? ORDER BY id LIMIT ?", after or "", limit)

    async def delete_key(self, id: str) -> bool:
        return await self._write(
            lambda database: database.connection.execute("DELETE FROM api_keys WHERE id = ?", (id,)).rowcount > 0
        )

    async def touch_keys(self, used: Mapping[str, float]) -> None:
        sql = "UPDATE api_keys SET last_used_at = max(coalesce(last_used_at, 0), ?) WHERE id = ?"
        rows = [(at, id) for id, at in used.items()]
        await self._write(lambda database: database.connection.executemany(sql, rows) and None)

    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        sql = f"INSERT INTO audit ({AUDIT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
        rows = [audit_to_row(entry) for entry in entries]
        await self._write(lambda database: database.connection.executemany(sql, rows) and None)

    async def read_audit(self, query: AuditQuery) -> Sequence[AuditEntry]:
        both = [
            Place("audit", "id", f"audit_{column}", f"{column} = ?", (value,))
            for column, value in (("session", query.session), ("key", query.key))
            if value is not None
        ]
        below = 2**63 - 1 if query.before is None else query.before

        def read(connection: Connection) -> Sequence[AuditEntry]:
            if not both:
                return [audit_from_row(row) for row in connection.execute(_NEWEST, (below, query.limit))]
            ids = to_json(merged(connection, [both], below=below, limit=query.limit))
            return [audit_from_row(row) for row in connection.execute(_CHOSEN, (ids,))]

        return await self._read(read)

    async def prune_audit(self, *, before: float, keep: int) -> int:
        sql = (
            "DELETE FROM audit WHERE id <= coalesce((SELECT max(id) FROM audit WHERE at < ?), 0) "
            "OR id <= coalesce((SELECT id FROM audit ORDER BY id DESC LIMIT 1 OFFSET ?), 0)"
        )
        return await self._write(
            lambda database: database.connection.execute(sql, (before, keep)).rowcount, background=True
        )

    async def _keys(self, rest: str, *values: object) -> Sequence[ApiKey]:
        def read(connection: Connection) -> Sequence[ApiKey]:
            return [key_from_row(row) for row in connection.execute(f"{_SELECT} {rest}", values)]

        return await self._read(read)
