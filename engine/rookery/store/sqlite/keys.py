"""API keys and the audit log in SQLite."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from sqlite3 import Connection

from ...errors import AlreadyExists, NotFound
from ...model.key import ApiKey, AuditEntry, AuditQuery
from ..pieces import in_parts
from ..rows.keys import AUDIT_COLUMNS, KEY_COLUMNS, audit_from_row, audit_to_row, key_from_row, key_to_row
from ..rows.values import to_json
from .base import SqliteBase
from .database.connection import Database

_SELECT = f"SELECT {KEY_COLUMNS} FROM api_keys"  # noqa: S608
_PLACES = ", ".join("?" * (1 + KEY_COLUMNS.count(",")))
_PAGES = {
    index: f"SELECT id, {AUDIT_COLUMNS} FROM audit {where} id < ? ORDER BY id DESC LIMIT ?"  # noqa: S608
    for index, where in {
        "": "WHERE",
        "_session": "INDEXED BY audit_session WHERE session = ? AND",
        "_key": "INDEXED BY audit_key WHERE key = ? AND",
        "_session_key": "INDEXED BY audit_session_key WHERE session = ? AND key = ? AND",
    }.items()
}
"""Each by an index that has what was asked for in the order of ids."""
_ENDS = "SELECT (SELECT min(id) FROM audit), (SELECT max(id) FROM audit)"
_NEWEST_EXCESS = "SELECT id FROM audit ORDER BY id DESC LIMIT 1 OFFSET ?"
_PRUNE_OLD = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ? ORDER BY at LIMIT ?)"
_PRUNE_EXCESS = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE id <= ? ORDER BY id LIMIT ?)"


class SqliteKeys(SqliteBase):
    """Implements `KeyStore`."""

    _excess: tuple[tuple[float, int], int] | None = None
    """While entries are pruned: the bounds of the run, and the newest entry that is too many, 0 for none. Looking for
    it takes longer than deleting. Another run has other bounds, and looks again."""

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
        asked = {"session": query.session, "key": query.key}
        index = "".join(f"_{column}" for column, value in asked.items() if value is not None)
        values = [value for value in asked.values() if value is not None]
        below = 2**63 - 1 if query.before is None else query.before

        def read(connection: Connection) -> Sequence[AuditEntry]:
            rows = connection.execute(_PAGES[index], (*values, below, query.limit))
            return [audit_from_row(row) for row in rows]

        return await self._read(read)

    async def prune_audit(self, *, before: float, keep: int, limit: int = 1000) -> int:
        def find(connection: Connection) -> int:
            lowest, highest = connection.execute(_ENDS).fetchone()
            is_more = lowest is not None and highest - lowest >= keep
            row = connection.execute(_NEWEST_EXCESS, (keep,)).fetchone() if is_more else None
            return 0 if row is None else int(row[0])

        def delete(database: Database) -> int:
            connection = database.connection

            def delete_part(part: int) -> int:
                gone = connection.execute(_PRUNE_OLD, (before, part)).rowcount
                return gone + connection.execute(_PRUNE_EXCESS, (excess, part - gone)).rowcount

            gone = in_parts(delete_part, limit, database.is_late)
            return limit if gone.is_cut else gone.rows

        if self._excess is None or self._excess[0] != (before, keep):
            self._excess = (before, keep), await self._read(find)  # beside the writer: it looks at all that are kept
        excess = self._excess[1]
        gone = await self._write(delete, background=True)
        if gone < limit:
            self._excess = None
        return gone

    async def _keys(self, rest: str, *values: object) -> Sequence[ApiKey]:
        def read(connection: Connection) -> Sequence[ApiKey]:
            return [key_from_row(row) for row in connection.execute(f"{_SELECT} {rest}", values)]

        return await self._read(read)
