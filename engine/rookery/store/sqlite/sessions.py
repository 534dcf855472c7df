"""Sessions, leases and history in SQLite."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from sqlite3 import Connection
from typing import Any

import msgspec

from ...errors import AlreadyExists, LeaseLost, NotFound
from ...model.session import (
    HISTORY_LENGTH,
    TERMINAL_REASONS,
    BareSessionQuery,
    Lease,
    Session,
    SessionChange,
    SessionQuery,
    StatusWrite,
    Transition,
)
from ..rows.sessions import (
    NEW_SESSION_COLUMNS,
    SESSION_COLUMNS,
    health_to_row,
    session_from_row,
    session_to_row,
    transition_from_row,
)
from ..rows.values import to_json
from .base import SqliteBase
from .database.connection import Database
from .database.dependants import SESSION, delete_whole
from .status_events import announce_status

_TERMINAL = ", ".join(f"'{reason}'" for reason in sorted(TERMINAL_REASONS))
_HELD = "uid = ? AND owner = ? AND fence = ?"

_PLACES = f"?{', ?' * NEW_SESSION_COLUMNS.count(',')}"
_INSERT = f"INSERT INTO sessions ({NEW_SESSION_COLUMNS}) VALUES ({_PLACES})"  # noqa: S608
_SELECT = f"SELECT {SESSION_COLUMNS} FROM sessions"  # noqa: S608
_RETURNING = f"RETURNING {SESSION_COLUMNS}"

_CLAIM = f"""
    UPDATE sessions SET owner = :owner, fence = fence + 1 WHERE uid IN (
        SELECT uid FROM sessions
        WHERE enabled AND owner IS NULL AND NOT (commands = heeded AND reason IN ({_TERMINAL}))
          AND (:only IS NULL OR id IN (SELECT value FROM json_each(:only)))
        ORDER BY id LIMIT :limit
    ) {_RETURNING}"""  # noqa: S608 - nothing but constants

_TRIM = f"""
    DELETE FROM history WHERE uid = ?
    AND seq <= (SELECT seq FROM history WHERE uid = ? ORDER BY seq DESC LIMIT 1 OFFSET {HISTORY_LENGTH})"""  # noqa: S608


class SqliteSessions(SqliteBase):
    """Implements `SessionStore`."""

    async def create_session(self, session: Session) -> Session:
        row = session_to_row(session, self._secrets)

        def work(database: Database) -> int:
            if database.connection.execute("SELECT 1 FROM sessions WHERE id = ?", (session.id,)).fetchone():
                raise AlreadyExists("session", session.id)
            uid = database.connection.execute(_INSERT, row).lastrowid
            assert uid is not None
            return uid

        return msgspec.structs.replace(session, uid=await self._write(work), owner=None)

    async def get_session(self, id: str) -> Session:
        def query(connection: Connection) -> Session:
            row = connection.execute(f"{_SELECT} WHERE id = ?", (id,)).fetchone()
            if row is None:
                raise NotFound("session", id)
            return session_from_row(row, self._secrets)

        return await self._read(query)

    async def list_sessions(self, query: SessionQuery) -> Sequence[Session]:
        bare = isinstance(query, BareSessionQuery)
        where, values = ["TRUE"], list[Any]()
        for column in ("platform", "status", "enabled", "owner"):
            value = getattr(query, column)
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        if query.after is not None:
            where.append("id > ?")
            values.append(query.after)
        if query.ids is not None:
            where.append("id IN (SELECT value FROM json_each(?))")
            values.append(to_json(query.ids))
        sql = f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY id LIMIT ?"

        def read(connection: Connection) -> Sequence[Session]:
            rows = connection.execute(sql, [*values, query.limit])
            return [session_from_row(row, self._secrets, bare=bare) for row in rows]

        return await self._read(read)

    async def count_sessions(self) -> Mapping[tuple[str, str, bool], int]:
        sql = "SELECT platform, status, enabled, count(*) FROM sessions GROUP BY platform, status, enabled"

        def query(connection: Connection) -> Mapping[tuple[str, str, bool], int]:
            return {(row[0], row[1], bool(row[2])): row[3] for row in connection.execute(sql)}

        return await self._read(query)

    async def update_session(self, id: str, change: SessionChange, *, now: float) -> Session:
        columns: dict[str, Any] = {}
        for column in ("name", "enabled"):
            columns[column] = getattr(change, column)
        for column in ("credentials", "settings"):
            value = getattr(change, column)
            columns[column] = value if value is msgspec.UNSET else self._secrets.seal(value)
        columns["metadata"] = change.metadata if change.metadata is msgspec.UNSET else to_json(change.metadata)
        changed = {column: value for column, value in columns.items() if value is not msgspec.UNSET}
        assignments = "".join(f"{column} = ?, " for column in changed)
        sql = (
            f"UPDATE sessions SET {assignments}commands = commands + ?, restarts = restarts + ?, updated_at = ? "  # noqa: S608
            f"WHERE id = ? {_RETURNING}"
        )
        values = [*changed.values(), change.command or change.restart, change.restart, now, id]

        def work(database: Database) -> Session:
            row = database.connection.execute(sql, values).fetchone()
            if row is None:
                raise NotFound("session", id)
            return session_from_row(row, self._secrets)

        return await self._write(work)

    async def delete_session(self, id: str) -> bool:
        return await delete_whole(self._write, SESSION, id)

    async def history(self, id: str) -> Sequence[Transition]:
        sql = "SELECT status, reason, detail, at FROM history WHERE uid = ? ORDER BY seq DESC"

        def query(connection: Connection) -> Sequence[Transition]:
            found = connection.execute("SELECT uid FROM sessions WHERE id = ?", (id,)).fetchone()
            if found is None:
                raise NotFound("session", id)
            return [transition_from_row(row) for row in connection.execute(sql, found)]

        return await self._read(query)

    async def claim(
        self, owner: str, *, limit: int, now: float, ttl: float, only: Collection[str] | None = None
    ) -> Sequence[Session]:
        # Only one engine can use this store, so leases do not expire and `now` and `ttl` are ignored.
        values = {"owner": owner, "only": None if only is None else to_json(list(only)), "limit": limit}

        def work(database: Database) -> Sequence[Session]:
            rows = database.connection.execute(_CLAIM, values).fetchall()
            return sorted((session_from_row(row, self._secrets) for row in rows), key=lambda session: session.id)

        return await self._write(work)

    async def renew(self, owner: str, leases: Collection[Lease], *, now: float, ttl: float) -> set[str]:
        held = {(lease.uid, lease.owner, lease.fence): lease.session for lease in leases if lease.owner == owner}

        def query(connection: Connection) -> set[str]:
            rows = connection.execute("SELECT uid, owner, fence FROM sessions WHERE owner = ?", (owner,))
            return {held[row] for row in rows if row in held}

        return await self._read(query)

    async def release(self, lease: Lease, *, lost: bool = False) -> None:  # no other instance exists to notify
        def work(database: Database) -> None:
            database.connection.execute(f"UPDATE sessions SET owner = NULL WHERE {_HELD}", held_by(lease))  # noqa: S608

        await self._write(work)

    async def record_statuses(self, writes: Sequence[StatusWrite]) -> set[str]:
        return await self._write(lambda database: _record_statuses(database, writes))

    async def save_credentials(self, lease: Lease, credentials: Mapping[str, str]) -> None:
        sealed = self._secrets.seal(credentials)
        sql = f"UPDATE sessions SET credentials = ?, updated_at = ? WHERE {_HELD}"  # noqa: S608

        def work(database: Database) -> None:
            values = (sealed, database.clock(), *held_by(lease))
            if database.connection.execute(sql, values).rowcount == 0:
                raise LeaseLost(lease.session)

        await self._write(work)

    async def occupy(self, lease: Lease, account: str) -> str | None:
        return None  # only one process exists, and its provider knows which accounts run there


def held_by(lease: Lease) -> tuple[int, str, int]:
    """Values for `uid = ? AND owner = ? AND fence = ?`."""
    return lease.uid, lease.owner, lease.fence


def is_held(connection: Connection, lease: Lease) -> bool:
    """False when another owner holds the session, when it has no owner, or when it is gone."""
    return connection.execute(f"SELECT 1 FROM sessions WHERE {_HELD}", held_by(lease)).fetchone() is not None  # noqa: S608


def check_lease(connection: Connection, lease: Lease) -> str:
    """Returns the session's platform. Raises LeaseLost when another owner holds the session, when it has no owner, or
    when it is gone."""
    found = connection.execute(f"SELECT platform FROM sessions WHERE {_HELD}", held_by(lease)).fetchone()  # noqa: S608
    if found is None:
        raise LeaseLost(lease.session)
    platform: str = found[0]
    return platform


def _record_statuses(database: Database, writes: Sequence[StatusWrite]) -> set[str]:
    connection = database.connection
    stale = set()
    for write in writes:
        held = held_by(write.lease)
        sql = f"SELECT status, reason, id, platform, enabled, told_fence, told_number FROM sessions WHERE {_HELD}"  # noqa: S608
        before = connection.execute(sql, held).fetchone()
        if before is None:
            stale.add(write.lease.session)
            continue
        if before[5] == write.lease.fence and before[6] >= write.number:
            continue
        health = write.health
        connection.execute(
            "UPDATE sessions SET status = ?, reason = ?, detail = ?, since = ?, action = ?, last_error = ?, "
            "next_retry_at = ?, heeded = ?, updated_at = ?, told_fence = ?, told_number = ? WHERE uid = ?",
            (
                *health_to_row(health),
                write.heeded,
                database.clock(),
                write.lease.fence,
                write.number,
                write.lease.uid,
            ),
        )
        changed = before[:2] != (health.status.value, health.reason.value)
        if changed:
            connection.execute(
                "INSERT INTO history (uid, status, reason, detail, at) VALUES (?, ?, ?, ?, ?)",
                (write.lease.uid, health.status.value, health.reason.value, health.detail, health.since),
            )
            connection.execute(_TRIM, (write.lease.uid, write.lease.uid))
        announce_status(
            database, write, previous=before[0] if changed else None, enabled=bool(before[4]), platform=before[3]
        )
    return stale
