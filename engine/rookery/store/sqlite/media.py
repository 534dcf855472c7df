"""The facts of files, in SQLite."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from sqlite3 import Connection

from ...errors import NotFound
from ...model.media import MediaFile, MediaQuery
from ..contract.media import ELSEWHERE_GRACE
from ..rows.media import CHANGED_COLUMNS, MEDIA_COLUMNS, media_from_row, media_to_row
from ..rows.values import Row, to_json
from .base import SqliteBase
from .database.connection import Database
from .database.numbered import Place, each, merged

_SELECT = f"SELECT {MEDIA_COLUMNS} FROM media"  # noqa: S608
_INSERT = f"INSERT INTO media (uid, {MEDIA_COLUMNS}) VALUES (?{', ?' * (1 + MEDIA_COLUMNS.count(','))})"  # noqa: S608
_PUT = (
    f"{_INSERT} ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in CHANGED_COLUMNS)
    + ", expires_at = max(expires_at, excluded.expires_at)"
)
_NEWEST = f"SELECT {MEDIA_COLUMNS}, number FROM media WHERE number < ? ORDER BY number DESC LIMIT ?"  # noqa: S608
_CHOSEN = (
    f"SELECT {MEDIA_COLUMNS}, number FROM media WHERE number IN (SELECT value FROM json_each(?)) "  # noqa: S608
    "ORDER BY number DESC"
)


_STATES = each("state", "media")
_STATES_OF = each("state", "media", "session = ?1")
_ORIGINS = each("origin", "media", "state = ?1")
_ORIGINS_OF = each("origin", "media", "session = ?1 AND state = ?2")


def _ways(connection: Connection, query: MediaQuery) -> Iterator[Sequence[Place]]:
    """One place for each session, state and origin that can match. A newer version may have written values that are not
    known here."""
    sessions = query.sessions if query.session is None else (query.session,)
    if query.session is not None and query.sessions is not None and query.session not in query.sessions:
        return
    for session in (None,) if sessions is None else dict.fromkeys(sessions):
        if session is not None and query.state is None and query.origin is None:
            yield (Place("media", "number", "media_named", "session = ?", (session,)),)
            continue
        of, condition = ((), "") if session is None else ((session,), "session = ? AND ")
        index = "media_kind" if session is None else "media_session_kind"
        for state in _values(connection, query.state, _STATES if session is None else _STATES_OF, of):
            for origin in _values(connection, query.origin, _ORIGINS if session is None else _ORIGINS_OF, (*of, state)):
                yield (Place("media", "number", index, f"{condition}state = ? AND origin = ?", (*of, state, origin)),)


def _values(connection: Connection, asked: str | None, statement: str, of: Row) -> Sequence[str]:
    return [row[0] for row in connection.execute(statement, of)] if asked is None else [str(asked)]


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
            if query == MediaQuery(before=query.before, limit=query.limit):
                below = 2**63 - 1 if query.before is None else query.before
                rows = connection.execute(_NEWEST, (below, query.limit))
                return [(row[-1], media_from_row(row)) for row in rows]
            numbers = to_json(merged(connection, _ways(connection, query), below=query.before, limit=query.limit))
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
