"""The facts of files, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ...errors import NotFound
from ...model.media import MediaFile, MediaQuery
from ..contract.media import ELSEWHERE_GRACE
from ..rows.media import CHANGED_COLUMNS, MEDIA_COLUMNS, media_from_row, media_to_row
from .base import PostgresBase
from .database.pool import Connection

_COUNT = 1 + MEDIA_COLUMNS.count(",")
_SELECT = f"SELECT {MEDIA_COLUMNS} FROM rookery.media"  # noqa: S608
# `$2` is the session. If the session is being deleted meanwhile, the foreign key refuses the row, and the statement is
# retried.
_INSERT = f"""
    INSERT INTO rookery.media (uid, {MEDIA_COLUMNS})
    SELECT (SELECT uid FROM rookery.sessions WHERE id = $2), {", ".join(f"${n}" for n in range(1, _COUNT + 1))}
    WHERE $2::text IS NULL OR EXISTS (SELECT 1 FROM rookery.sessions WHERE id = $2)"""  # noqa: S608
_PUT = (
    f"{_INSERT} ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in CHANGED_COLUMNS)
    + f", expires_at = greatest(rookery.media.expires_at, excluded.expires_at) RETURNING {MEDIA_COLUMNS}"
)
_EXPIRE = """
    DELETE FROM rookery.media WHERE number IN (
        SELECT number FROM rookery.media WHERE expires_at <= $1 AND (place IS NULL OR place = $2 OR expires_at <= $3)
        ORDER BY expires_at LIMIT $4 FOR UPDATE SKIP LOCKED
    ) RETURNING id"""
_CURSOR = """
    INSERT INTO rookery.meta AS m (key, value) VALUES ('media_cursor', $1)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE m.value::bigint < excluded.value::bigint"""
# The kinds that there are, each found with one step in the index: a newer version may have written others.
_KINDS = """
    WITH RECURSIVE kinds AS (
        (SELECT state, origin FROM rookery.media ORDER BY state, origin LIMIT 1)
        UNION ALL
        SELECT n.state, n.origin FROM kinds AS k, LATERAL (
            SELECT state, origin FROM rookery.media WHERE (state, origin) > (k.state, k.origin)
            ORDER BY state, origin LIMIT 1) AS n
    )"""


def _page(query: MediaQuery) -> tuple[str, list[Any]]:
    """The statement and its values. Each session and kind that can match is read through an index, at most a page of it."""
    values: list[Any] = [2**63 - 1 if query.before is None else query.before, query.limit]

    def place(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    sources, where, kinds = list[str](), ["f.number < $1"], ["TRUE"]
    sessions = query.sessions if query.session is None else (query.session,)
    if sessions is not None:
        if query.sessions is not None and query.session is not None and query.session not in query.sessions:
            sessions = ()
        sources.append(f"unnest({place(list(dict.fromkeys(sessions)))}::text[]) AS c (session)")
        where.append("f.session = c.session")
    for column, value in (("state", query.state), ("origin", query.origin)):
        if value is not None:
            kinds.append(f"{column} = {place(str(value))}")
    if len(kinds) > 1:
        sources.append(f"(SELECT * FROM kinds WHERE {' AND '.join(kinds)}) AS k")  # noqa: S608
        where += ["f.state = k.state", "f.origin = k.origin"]
    each = f"SELECT f.* FROM rookery.media AS f WHERE {' AND '.join(where)} ORDER BY f.number DESC LIMIT $2"  # noqa: S608
    found = ", ".join([*sources, f"LATERAL ({each}) AS p"])
    columns = ", ".join(f"p.{column}" for column in f"{MEDIA_COLUMNS}, number".split(", "))
    common = _KINDS if len(kinds) > 1 else ""
    return f"{common} SELECT {columns} FROM {found} ORDER BY p.number DESC LIMIT $2", values  # noqa: S608


class PostgresMedia(PostgresBase):
    """Implements `MediaStore`."""

    async def put_media(self, file: MediaFile) -> MediaFile:
        row = await self._db.row(_PUT, *media_to_row(file))
        if row is None:
            raise NotFound("session", file.session or "")
        return media_from_row(row)

    async def get_media(self, id: str) -> MediaFile:
        for file in await self._all(f"{_SELECT} WHERE id = $1", id, of=media_from_row):
            return file
        raise NotFound("media", id)

    async def list_media(self, query: MediaQuery) -> Sequence[tuple[int, MediaFile]]:
        sql, values = _page(query)
        return await self._all(sql, *values, of=lambda row: (row[-1], media_from_row(row)))

    async def delete_media(self, id: str) -> bool:
        return await self._value("DELETE FROM rookery.media WHERE id = $1 RETURNING 1", id) is not None

    async def extend_media(self, id: str, until: float) -> bool:
        sql = "UPDATE rookery.media SET expires_at = greatest(expires_at, $2) WHERE id = $1 RETURNING 1"
        return await self._value(sql, id, until) is not None

    async def plan_media(self, files: Collection[MediaFile], cursor: int) -> None:
        database = self._db
        rows = [media_to_row(file) for file in files]

        async def work(connection: Connection) -> None:
            if rows:
                await connection.executemany(database.text(f"{_INSERT} ON CONFLICT (id) DO NOTHING"), rows)
            await connection.execute(database.text(_CURSOR), str(cursor))

        await database.transaction(work)

    async def media_cursor(self) -> int | None:
        found = await self._value("SELECT value FROM rookery.meta WHERE key = 'media_cursor'")
        return None if found is None else int(found)

    async def due_media(self, sessions: Collection[str], *, now: float, limit: int) -> Sequence[MediaFile]:
        sql = f"{_SELECT} WHERE due_at <= $1 AND session = ANY ($2) ORDER BY due_at, number LIMIT $3"
        return await self._all(sql, now, list(sessions), limit, of=media_from_row)

    async def expire_media(self, place: str, *, now: float, limit: int) -> Sequence[str]:
        return await self._all(_EXPIRE, now, place, now - ELSEWHERE_GRACE, limit, of=lambda row: str(row[0]))

    async def known_media(self, ids: Collection[str], place: str) -> set[str]:
        sql = "SELECT id FROM rookery.media WHERE place = $1 AND id = ANY ($2)"
        return set(await self._all(sql, place, list(ids), of=lambda row: str(row[0])))
