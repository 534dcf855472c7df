"""The list of instances, in PostgreSQL."""

from __future__ import annotations

import msgspec

from ...model.instance import Census, Instance
from ...model.session import TERMINAL_REASONS
from .base import PostgresBase
from .database.key_rotation import rotate

_TERMINAL = ", ".join(f"'{reason}'" for reason in sorted(TERMINAL_REASONS))
_BEAT = f"""
    WITH before AS (SELECT draining FROM rookery.instances WHERE name = $1),
    mine AS (
        INSERT INTO rookery.instances (name, draining, sessions, capacity, started_at, clock_skew, keys, until)
        VALUES ($1, $2, $3, $4, $5, $8, $9, clock_timestamp() + make_interval(secs => $6))
        ON CONFLICT (name) DO UPDATE SET draining = excluded.draining, sessions = excluded.sessions,
            capacity = excluded.capacity, started_at = excluded.started_at, clock_skew = excluded.clock_skew,
            keys = excluded.keys,
            until = excluded.until
        RETURNING draining
    ),
    gone AS (
        DELETE FROM rookery.instances WHERE name IN (
            SELECT name FROM rookery.instances WHERE until < clock_timestamp() AND name <> $1 FOR UPDATE SKIP LOCKED)
    ),
    others AS (
        SELECT name, draining, sessions, capacity, started_at, clock_skew FROM rookery.instances
        WHERE name <> $1 AND until >= clock_timestamp()
    ),
    counted AS (
        SELECT count(*) AS wanted, count(*) FILTER (WHERE owner IS NULL OR lease_until < clock_timestamp()) AS free,
            count(*) FILTER (WHERE CASE WHEN owner IS NULL THEN to_timestamp(updated_at) ELSE lease_until END
                             < clock_timestamp() - make_interval(secs => $7)) AS overdue
        FROM rookery.sessions WHERE enabled AND NOT (commands = heeded AND reason IN ({_TERMINAL}))
    )
    SELECT wanted, free, overdue, (SELECT coalesce(json_agg(others), '[]') FROM others),
           extract(epoch FROM clock_timestamp())::double precision,
           (SELECT coalesce(bool_and($10 = ANY (string_to_array(keys, ','))), true) FROM rookery.instances
            WHERE name <> $1 AND until >= clock_timestamp()),
           (SELECT rookery.notify_1('instances', '') FROM mine
            WHERE mine.draining IS DISTINCT FROM (SELECT draining FROM before))
    FROM counted"""  # noqa: S608
_LEAVE = """
    WITH gone AS (DELETE FROM rookery.instances WHERE name = $1 RETURNING 1)
    SELECT rookery.notify_1('instances', '') FROM gone"""
_others = msgspec.json.Decoder(list[Instance])


class PostgresInstances(PostgresBase):
    """Implements `InstanceStore`."""

    async def beat(self, instance: Instance, *, ttl: float, patience: float) -> Census:
        row = await self._db.row(
            _BEAT,
            instance.name,
            instance.draining,
            instance.sessions,
            instance.capacity,
            instance.started_at,
            ttl,
            patience,
            instance.clock_skew,
            ",".join(self._secrets.names),
            self._secrets.names[0],
        )
        wanted, free, overdue, others, now, all_have_the_key = row[:6]
        if all_have_the_key and self._secrets.holds_back:
            await rotate(self._db, self._secrets)
        found = sorted([instance, *_others.decode(others)], key=lambda one: one.name)
        return Census(instances=tuple(found), wanted=wanted, free=free, overdue=overdue, now=now)

    async def leave(self, name: str) -> None:
        await self._db.row(_LEAVE, name)
