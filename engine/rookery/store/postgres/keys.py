"""API keys and the audit log in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ...errors import AlreadyExists, NotFound
from ...model.key import ApiKey, AuditEntry, AuditQuery
from ..rows.keys import AUDIT_COLUMNS, KEY_COLUMNS, audit_from_row, audit_to_row, key_from_row, key_to_row
from .base import PostgresBase

_SELECT = f"SELECT {KEY_COLUMNS} FROM rookery.api_keys"  # noqa: S608
_PLACES = ", ".join(f"${number}" for number in range(1, KEY_COLUMNS.count(",") + 2))
_CREATE = f"INSERT INTO rookery.api_keys ({KEY_COLUMNS}) VALUES ({_PLACES}) ON CONFLICT DO NOTHING RETURNING 1"  # noqa: S608
_TOUCH = """
    UPDATE rookery.api_keys AS k SET last_used_at = greatest(k.last_used_at, u.at)
    FROM unnest($1::text[], $2::double precision[]) AS u (id, at) WHERE k.id = u.id"""
_APPEND = f"""
    INSERT INTO rookery.audit ({AUDIT_COLUMNS})
    SELECT * FROM unnest($1::double precision[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[],
        $7::text[])"""  # noqa: S608
_NEWEST_EXCESS = """
    SELECT CASE WHEN highest - lowest >= $1 THEN (
        SELECT id FROM rookery.audit ORDER BY id DESC LIMIT 1 OFFSET $1) END
    FROM (SELECT (SELECT min(id) FROM rookery.audit) AS lowest, (SELECT max(id) FROM rookery.audit) AS highest) AS ends"""
_PRUNE = """
    WITH aged AS (SELECT id FROM rookery.audit WHERE at < $1 ORDER BY at LIMIT $3),
    excess AS (SELECT id FROM rookery.audit WHERE id <= $2 ORDER BY id LIMIT $3),
    gone AS (
        DELETE FROM rookery.audit WHERE id = ANY (ARRAY(
            SELECT id FROM (SELECT id FROM aged UNION SELECT id FROM excess) AS found LIMIT $3)) RETURNING 1
    )
    SELECT count(*) FROM gone"""


class PostgresKeys(PostgresBase):
    """Implements `KeyStore`."""

    _excess: tuple[tuple[float, int], int] | None = None
    """While entries are pruned: the bounds of the run, and the newest entry that is too many, 0 for none. Looking for
    it takes longer than deleting. Another run has other bounds, and looks again."""

    async def create_key(self, key: ApiKey) -> ApiKey:
        if await self._value(_CREATE, *key_to_row(key)) is None:
            raise AlreadyExists("key", key.id)
        return key

    async def get_key(self, id: str) -> ApiKey:
        for key in await self._all(f"{_SELECT} WHERE id = $1", id, of=key_from_row):
            return key
        raise NotFound("key", id)

    async def find_key(self, digest: str) -> ApiKey | None:
        return next(iter(await self._all(f"{_SELECT} WHERE digest = $1", digest, of=key_from_row)), None)

    async def remaining_keys(self, ids: Collection[str]) -> Collection[str]:
        sql = "SELECT id FROM rookery.api_keys WHERE id = ANY ($1)"
        return set(await self._all(sql, list(ids), of=lambda row: str(row[0])))

    async def list_keys(self, *, after: str | None, limit: int) -> Sequence[ApiKey]:
        return await self._all(f"{_SELECT} WHERE id > $1 ORDER BY id LIMIT $2", after or "", limit, of=key_from_row)

    async def delete_key(self, id: str) -> bool:
        return await self._value("DELETE FROM rookery.api_keys WHERE id = $1 RETURNING 1", id) is not None

    async def touch_keys(self, used: Mapping[str, float]) -> None:
        await self._db.row(_TOUCH, list(used), list(used.values()))

    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        columns = zip(*(audit_to_row(entry) for entry in entries), strict=True)
        if entries:
            await self._db.row(_APPEND, *(list(column) for column in columns))

    async def read_audit(self, query: AuditQuery) -> Sequence[AuditEntry]:
        where, values = ["true"], list[object]()
        for condition, value in (("id <", query.before), ("key =", query.key), ("session =", query.session)):
            if value is not None:
                values.append(value)
                where.append(f"{condition} ${len(values)}")
        values.append(query.limit)
        sql = (
            f"SELECT id, {AUDIT_COLUMNS} FROM rookery.audit WHERE {' AND '.join(where)} "  # noqa: S608
            f"ORDER BY id DESC LIMIT ${len(values)}"
        )
        return await self._all(sql, *values, of=audit_from_row)

    async def prune_audit(self, *, before: float, keep: int, limit: int = 1000) -> int:
        if self._excess is None or self._excess[0] != (before, keep):
            self._excess = (before, keep), int(await self._value(_NEWEST_EXCESS, keep) or 0)
        gone = int(await self._value(_PRUNE, before, self._excess[1], limit))
        if gone < limit:
            self._excess = None
        return gone
