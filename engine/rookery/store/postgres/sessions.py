"""Sessions, leases and history in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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
    code_event,
    health_to_row,
    session_from_row,
    session_to_row,
    transition_from_row,
)
from ..rows.values import to_json
from .dependants import OF_SESSION, PostgresDependants

_TERMINAL = ", ".join(f"'{reason}'" for reason in sorted(TERMINAL_REASONS))
_PLACES = ", ".join(f"${number}" for number in range(1, NEW_SESSION_COLUMNS.count(",") + 2))
_OF_S = ", ".join(f"s.{column}" for column in SESSION_COLUMNS.split(", "))

_SELECT = f"SELECT {SESSION_COLUMNS} FROM rookery.sessions"  # noqa: S608
_CREATE = f"""
    WITH created AS (
        INSERT INTO rookery.sessions ({NEW_SESSION_COLUMNS}) VALUES ({_PLACES})
        ON CONFLICT (id) DO NOTHING RETURNING uid, id
    )
    SELECT uid, rookery.notify_1('session', id) FROM created"""  # noqa: S608
_DELETE = """
    WITH deleted AS (DELETE FROM rookery.sessions WHERE id = $1 RETURNING id)
    SELECT rookery.notify_1('session', id) FROM deleted"""
_DISABLE = """
    WITH hooks AS (UPDATE rookery.webhooks SET enabled = false WHERE uid = $1 AND enabled RETURNING 1),
    told AS (SELECT rookery.notify_1('webhooks', '') FROM hooks LIMIT 1),
    changed AS (UPDATE rookery.sessions SET enabled = false WHERE uid = $1 AND enabled RETURNING 1)
    SELECT (SELECT count(*) FROM told), (SELECT count(*) FROM changed)"""
_CLAIM = f"""
    WITH free AS (
        SELECT uid, owner AS holder FROM rookery.sessions
        WHERE enabled AND (owner IS NULL OR lease_until < clock_timestamp())
          AND NOT (commands = heeded AND reason IN ({_TERMINAL}))
          AND ($2::text[] IS NULL OR id = ANY ($2))
        ORDER BY id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE rookery.sessions AS s
    SET owner = $1, fence = s.fence + 1, lease_until = clock_timestamp() + make_interval(secs => $4)
    FROM free WHERE s.uid = free.uid
    RETURNING {_OF_S}, free.holder"""  # noqa: S608
# Rows are locked in the order of `uid`, as everywhere, so that two statements over many sessions cannot deadlock.
_RENEW = """
    WITH held AS (
        SELECT s.uid FROM unnest($2::bigint[], $3::bigint[]) AS l (uid, fence)
        JOIN rookery.sessions AS s ON s.uid = l.uid AND s.fence = l.fence AND s.owner = $1
        ORDER BY s.uid FOR NO KEY UPDATE OF s
    )
    UPDATE rookery.sessions AS s SET lease_until = clock_timestamp() + make_interval(secs => $4)
    FROM held WHERE s.uid = held.uid RETURNING s.uid"""
_RELEASE = """
    WITH released AS (
        UPDATE rookery.sessions SET owner = NULL, lease_until = NULL
        WHERE uid = $1 AND owner = $2 AND fence = $3 RETURNING id
    )
    SELECT rookery.notify_1('session', id) FROM released"""
_EXPIRE = (
    "UPDATE rookery.sessions SET lease_until = '-infinity' WHERE uid = $1 AND owner = $2 AND fence = $3 RETURNING id"
)


class PostgresSessions(PostgresDependants):
    """Implements `SessionStore`."""

    async def create_session(self, session: Session) -> Session:
        uid = await self._value(_CREATE, *session_to_row(session, self._secrets))
        if uid is None:
            raise AlreadyExists("session", session.id)
        return msgspec.structs.replace(session, uid=uid, owner=None)

    async def get_session(self, id: str) -> Session:
        for session in await self._all(f"{_SELECT} WHERE id = $1", id, of=self._session):
            return session
        raise NotFound("session", id)

    async def list_sessions(self, query: SessionQuery) -> Sequence[Session]:
        where, values = ["TRUE"], list[Any]()

        def add(condition: str, value: object) -> None:
            if value is not None:
                values.append(value)
                where.append(condition.format(f"${len(values)}"))

        add("platform = {}", query.platform)
        add("status = {}", None if query.status is None else query.status.value)
        add("enabled = {}", query.enabled)
        add("owner = {}", query.owner)
        add("id > {}", query.after)
        add("id = ANY ({})", None if query.ids is None else list(query.ids))
        values.append(query.limit)
        sql = f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY id LIMIT ${len(values)}"
        bare = isinstance(query, BareSessionQuery)
        return await self._all(sql, *values, of=lambda row: session_from_row(row, self._secrets, bare=bare))

    async def count_sessions(self) -> Mapping[tuple[str, str, bool], int]:
        sql = "SELECT platform, status, enabled, count(*) FROM rookery.sessions GROUP BY 1, 2, 3"
        return dict(await self._all(sql, of=lambda row: ((row[0], row[1], row[2]), row[3])))

    async def update_session(self, id: str, change: SessionChange, *, now: float) -> Session:
        columns: dict[str, Any] = {"name": change.name, "enabled": change.enabled, "metadata": change.metadata}
        for column in ("credentials", "settings"):
            value = getattr(change, column)
            columns[column] = value if value is msgspec.UNSET else self._secrets.seal(value)
        if change.metadata is not msgspec.UNSET:
            columns["metadata"] = to_json(change.metadata)
        changed = {column: value for column, value in columns.items() if value is not msgspec.UNSET}
        assignments = "".join(f"{column} = ${number}, " for number, column in enumerate(changed, 5))
        sql = f"""
            WITH s AS (
                UPDATE rookery.sessions SET {assignments}commands = commands + $2, restarts = restarts + $3, updated_at = $4
                WHERE id = $1 RETURNING {SESSION_COLUMNS}
            )
            SELECT {SESSION_COLUMNS}, rookery.notify_1('session', id) FROM s"""  # noqa: S608
        counts = int(change.command or change.restart), int(change.restart)
        for session in await self._all(sql, id, *counts, now, *changed.values(), of=self._session):
            return session
        raise NotFound("session", id)

    async def delete_session(self, id: str) -> bool:
        uid = await self._value("SELECT uid FROM rookery.sessions WHERE id = $1", id)
        if uid is None:
            return False
        await self._delete_parts(OF_SESSION, uid, _DISABLE)
        return await self._db.row(_DELETE, id) is not None  # the last few rows go with it

    async def history(self, id: str) -> Sequence[Transition]:
        # The outer join returns one empty row for a session without history.
        sql = """
            SELECT h.status, h.reason, h.detail, h.at FROM rookery.sessions AS s
            LEFT JOIN rookery.history AS h USING (uid) WHERE s.id = $1 ORDER BY h.seq DESC"""
        rows = await self._all(sql, id, of=lambda row: transition_from_row(row) if row[0] else None)
        if not rows:
            raise NotFound("session", id)
        return [row for row in rows if row is not None]

    async def claim(
        self, owner: str, *, limit: int, now: float, ttl: float, only: Collection[str] | None = None
    ) -> Sequence[Session]:
        self._owners.add(owner)
        chosen = None if only is None else list(only)
        sessions = await self._all(_CLAIM, owner, chosen, limit, ttl, of=self._claimed)
        return sorted(sessions, key=lambda session: session.id)

    async def renew(self, owner: str, leases: Collection[Lease], *, now: float, ttl: float) -> set[str]:
        named = {lease.uid: lease.session for lease in leases if lease.owner == owner}
        fences = {lease.uid: lease.fence for lease in leases if lease.owner == owner}
        if not named:
            return set()
        held = await self._all(_RENEW, owner, list(fences), list(fences.values()), ttl, of=lambda row: row[0])
        return {named[uid] for uid in held}

    async def release(self, lease: Lease, *, lost: bool = False) -> None:
        await self._db.row(_EXPIRE if lost else _RELEASE, lease.uid, lease.owner, lease.fence)

    async def record_statuses(self, writes: Sequence[StatusWrite]) -> set[str]:
        if not writes:
            return set()
        columns = zip(
            *(
                (
                    write.lease.uid,
                    write.lease.owner,
                    write.lease.fence,
                    *health_to_row(write.health),
                    write.heeded,
                    write.number,
                    None if code is None else code.type,
                    None if code is None else code.body,
                )
                for write in writes
                for code in [None if write.code is None else code_event(write, write.code)]
            ),
            strict=True,
        )
        places = ", ".join(f"${number}" for number in range(1, 16))
        sql = f"SELECT rookery.record_statuses_3({places})"
        stale = await self._value(sql, *map(list, columns), HISTORY_LENGTH)
        return {writes[number - 1].lease.session for number in stale}

    async def save_credentials(self, lease: Lease, credentials: Mapping[str, str]) -> None:
        sql = """
            UPDATE rookery.sessions SET credentials = $4, updated_at = extract(epoch FROM clock_timestamp())
            WHERE uid = $1 AND owner = $2 AND fence = $3 RETURNING uid"""
        values = lease.uid, lease.owner, lease.fence, self._secrets.seal(credentials)
        if await self._db.row(sql, *values) is None:
            raise LeaseLost(lease.session)

    async def occupy(self, lease: Lease, account: str) -> str | None:
        sql = "SELECT rookery.occupy_1($1, $2, $3, $4)"
        other: str | None = await self._value(sql, lease.uid, lease.owner, lease.fence, account)
        if other is None:
            raise LeaseLost(lease.session)
        return other or None

    def _claimed(self, row: Any) -> Session:
        return msgspec.structs.replace(self._session(row), taken_from=row[-1])

    def _session(self, row: Any) -> Session:
        return session_from_row(row, self._secrets)
