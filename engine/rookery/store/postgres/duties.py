"""Duties of instances, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection

from .base import PostgresBase

_TAKE = """
    INSERT INTO rookery.duties AS d (name, owner, until)
    SELECT DISTINCT name, $1, clock_timestamp() + make_interval(secs => $3) FROM unnest($2::text[]) AS name ORDER BY name
    ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until
        WHERE d.owner = excluded.owner OR d.until < clock_timestamp()
    RETURNING name"""
_DROP = """
    WITH dropped AS (DELETE FROM rookery.duties WHERE owner = $1 AND name = ANY ($2) RETURNING 1)
    SELECT rookery.notify_1('duties', '') FROM dropped LIMIT 1"""


class PostgresDuties(PostgresBase):
    """Implements `DutyStore`."""

    async def take_duties(self, owner: str, names: Collection[str], *, ttl: float) -> set[str]:
        return set(await self._all(_TAKE, owner, list(names), ttl, of=lambda row: row[0]))

    async def drop_duties(self, owner: str, names: Collection[str]) -> None:
        await self._db.row(_DROP, owner, list(names))
