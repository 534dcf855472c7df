"""The facts of files, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ...errors import NotFound
from ...model.media import MediaFile, MediaOrigin, MediaQuery, MediaState
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
# Each state and origin, and each session, is read through an index, at most a page of it.
_KIND = "unnest($2::text[]) AS w (state), unnest($3::text[]) AS o (origin)"
_EACH = """
    SELECT f.* FROM rookery.media AS f
    WHERE f.state = w.state AND f.origin = o.origin AND f.number < $1{} ORDER BY f.number DESC LIMIT $4"""
_PAGES = (
    f"SELECT {', '.join(f'p.{column}' for column in MEDIA_COLUMNS.split(', '))}, p.number "  # noqa: S608
    "FROM {}, LATERAL ({}) AS p ORDER BY p.number DESC LIMIT $4"
)
_PAGE = _PAGES.format(_KIND, _EACH.format(""))
_PAGE_OF_SESSIONS = _PAGES.format(
    f"unnest($5::text[]) AS c (session), {_KIND}", _EACH.format(" AND f.session = c.session")
)
_CURSOR = """
    INSERT INTO rookery.meta AS m (key, value) VALUES ('media_cursor', $1)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE m.value::bigint < excluded.value::bigint"""


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
        sessions = query.sessions if query.session is None else (query.session,)
        if query.session is not None and query.sessions is not None and query.session not in query.sessions:
            sessions = ()
        states = list(MediaState) if query.state is None else [query.state]
        origins = list(MediaOrigin) if query.origin is None else [query.origin]
        values: list[Any] = [2**63 - 1 if query.before is None else query.before, states, origins, query.limit]
        if sessions is not None:
            values.append(list(dict.fromkeys(sessions)))
        sql = _PAGE if sessions is None else _PAGE_OF_SESSIONS
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
