"""The facts of files, in SQLite."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import product
from sqlite3 import Connection

from ...errors import NotFound
from ...model.media import MediaFile, MediaOrigin, MediaQuery, MediaState
from ..contract.media import ELSEWHERE_GRACE
from ..rows.media import CHANGED_COLUMNS, MEDIA_COLUMNS, media_from_row, media_to_row
from ..rows.values import to_json
from .base import SqliteBase
from .database.connection import Database
from .database.numbered import Place, merged

_SELECT = f"SELECT {MEDIA_COLUMNS} FROM media"  # noqa: S608
_INSERT = f"INSERT INTO media (uid, {MEDIA_COLUMNS}) VALUES (?{', ?' * (1 + MEDIA_COLUMNS.count(','))})"  # noqa: S608
_PUT = (
    f"{_INSERT} ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in CHANGED_COLUMNS)
    + ", expires_at = max(expires_at, excluded.expires_at)"
)
_CHOSEN = (
    f"SELECT {MEDIA_COLUMNS}, number FROM media WHERE number IN (SELECT value FROM json_each(?)) "  # noqa: S608
    "ORDER BY number DESC"
)


def _ways(query: MediaQuery) -> Iterator[Sequence[Place]]:
    """One place for each session, state and origin that can match."""
    sessions = query.sessions if query.session is None else (query.session,)
    if query.session is not None and query.sessions is not None and query.session not in query.sessions:
        return
    states = MediaState if query.state is None else (query.state,)
    origins = MediaOrigin if query.origin is None else (query.origin,)
    for state, origin in product(states, origins):
        kind = state.value, origin.value
        if sessions is None:
            yield (Place("media", "number", "media_kind", "state = ? AND origin = ?", kind),)
            continue
        for session in dict.fromkeys(sessions):
            condition = "session = ? AND state = ? AND origin = ?"
            yield (Place("media", "number", "media_session_kind", condition, (session, *kind)),)


class SqliteMedia(SqliteBase):
    """Implements `MediaStore`."""

    async def put_media(self, file: MediaFile) -> MediaFile:
        row = media_to_row(file)

        def work(database: Database) -> MediaFile:
            connection = database.connection
            uid = None
            if file.session is not None:
                found = connection.execute("SELECT uid FROM sessions WHERE id = ?", (file.session,)).fetchone()
                if found is None:
                    raise NotFound("session", file.session)
                uid = found[0]
            connection.execute(_PUT, (uid, *row))
            return media_from_row(connection.execute(f"{_SELECT} WHERE id = ?", (file.id,)).fetchone())

        return await self._write(work)

    async def get_media(self, id: str) -> MediaFile:
        def read(connection: Connection) -> MediaFile:
            row = connection.execute(f"{_SELECT} WHERE id = ?", (id,)).fetchone()
            if row is None:
                raise NotFound("media", id)
            return media_from_row(row)

        return await self._read(read)

    async def list_media(self, query: MediaQuery) -> Sequence[tuple[int, MediaFile]]:
        def read(connection: Connection) -> Sequence[tuple[int, MediaFile]]:
            numbers = to_json(merged(connection, _ways(query), below=query.before, limit=query.limit))
            return [(row[-1], media_from_row(row)) for row in connection.execute(_CHOSEN, (numbers,))]

        return await self._read(read)

    async def delete_media(self, id: str) -> bool:
        return await self._write(
            lambda database: database.connection.execute("DELETE FROM media WHERE id = ?", (id,)).rowcount > 0
        )

    async def extend_media(self, id: str, until: float) -> bool:
        sql = "UPDATE media SET expires_at = max(expires_at, ?) WHERE id = ?"
        return await self._write(lambda database: database.connection.execute(sql, (until, id)).rowcount > 0)

    async def plan_media(self, files: Collection[MediaFile], cursor: int) -> None:
        rows = [(file.session, media_to_row(file)) for file in files]

        def work(database: Database) -> None:
            connection = database.connection
            for session, row in rows:
                found = connection.execute("SELECT uid FROM sessions WHERE id = ?", (session,)).fetchone()
                if found is not None:
                    connection.execute(f"{_INSERT} ON CONFLICT (id) DO NOTHING", (found[0], *row))
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('media_cursor', ?)", (str(cursor),))

        await self._write(work)

    async def media_cursor(self) -> int | None:
        def read(connection: Connection) -> int | None:
            row = connection.execute("SELECT value FROM meta WHERE key = 'media_cursor'").fetchone()
            return None if row is None else int(row[0])

        return await self._read(read)

    async def due_media(self, sessions: Collection[str], *, now: float, limit: int) -> Sequence[MediaFile]:
        sql = (
            f"{_SELECT} WHERE due_at <= ? AND session IN (SELECT value FROM json_each(?)) "  # noqa: S608
            "ORDER BY due_at, number LIMIT ?"
        )
        values = (now, to_json(list(sessions)), limit)
        return await self._read(lambda connection: [media_from_row(row) for row in connection.execute(sql, values)])

    async def expire_media(self, place: str, *, now: float, limit: int) -> Sequence[str]:
        sql = (
            "DELETE FROM media WHERE number IN (SELECT number FROM media WHERE expires_at <= ? "
            "AND (place IS NULL OR place = ? OR expires_at <= ?) ORDER BY expires_at LIMIT ?) RETURNING id"
        )
        values = (now, place, now - ELSEWHERE_GRACE, limit)
        return await self._write(lambda database: [id for (id,) in database.connection.execute(sql, values).fetchall()])

    async def known_media(self, ids: Collection[str], place: str) -> set[str]:
        sql = "SELECT id FROM media WHERE place = ? AND id IN (SELECT value FROM json_each(?))"
        values = (place, to_json(list(ids)))
        return await self._read(lambda connection: {id for (id,) in connection.execute(sql, values)})
