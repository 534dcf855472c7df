"""The shared database: the SQLite store's own SQL in memory, with leases, duties, instances and calls as on PostgreSQL.

Every statement of every engine comes here, one after another; what it changed is compared with what it was allowed to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import outcome

from rookery.errors import LeaseLost
from rookery.model import TERMINAL_REASONS, Lease, Session
from rookery.model.instance import Census, Instance, InstanceCall, StoreChange
from rookery.store.rows.sessions import SESSION_COLUMNS, session_from_row
from rookery.store.sqlite.database.connection import Database, connect, prepare
from rookery.store.sqlite.database.writer import _alone

from ..determinism import PlainBox
from ..world import Mailbox, World
from .observer import Observer

_TERMINAL = ", ".join(f"'{reason}'" for reason in sorted(TERMINAL_REASONS))
WANTED = f"enabled AND NOT (commands = heeded AND reason IN ({_TERMINAL}))"
_SCHEMA = "ALTER TABLE sessions ADD COLUMN lease_until REAL; ALTER TABLE sessions ADD COLUMN account TEXT;"
_FREE = f"""
    SELECT uid, owner FROM sessions WHERE {WANTED} AND (owner IS NULL OR lease_until < ?)
    AND (? IS NULL OR id IN (SELECT value FROM json_each(?))) ORDER BY id LIMIT ?"""
_TAKE = f"""
    UPDATE sessions SET owner = ?, fence = fence + 1, lease_until = ? WHERE uid = ?
    RETURNING {SESSION_COLUMNS}"""
_COUNT = f"""
    SELECT count(*), coalesce(sum(owner IS NULL OR lease_until < ?1), 0),
           coalesce(sum(CASE WHEN owner IS NULL THEN updated_at ELSE lease_until END < ?1 - ?2), 0)
    FROM sessions WHERE {WANTED}"""


class SharedDatabase:
    """One for all engines of a run. `box` holds secrets as they are."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.box = PlainBox()
        self.database: Database = prepare(connect(None), "the shared database", self.box, lambda: world.wall)
        self.connection = self.database.connection
        self.connection.executescript(_SCHEMA)
        self.observer = Observer(world, self.connection)
        self.watchers: dict[Any, Mailbox] = {}  # by process
        self.instances: dict[str, tuple[Instance, float]] = {}
        self.duties: dict[str, tuple[str, float]] = {}
        self.calls: dict[str, list[Any]] = {}  # id: [call, deadline, taken, answer]

    def store(self, process: Any) -> Any:
        """As `process` reaches it."""
        from .store import SimulatedStore

        return SimulatedStore(self, process)

    # Transactions

    def run(self, work: Callable[[Database], Any], actor: str, lease: Lease | None = None) -> outcome.Outcome[Any]:
        """One transaction of the engine `actor`, under `lease` if it claims to have one."""
        self.observer.begin(actor, lease)
        result = _alone(self.database, work)
        self.observer.end(committed=isinstance(result, outcome.Value))
        return result

    def notify(self, kind: Any, id: str | None = None) -> None:
        """Tell every engine that listens, a moment later."""
        world = self.world
        for process, mailbox in self.watchers.items():
            if process.machine.deaf or process.machine.database in ("refuse", "hang"):
                continue
            if world.chance.random() < 0.01:
                continue
            world.after(0.001 + 0.01 * world.chance.random(), mailbox.put, StoreChange(kind, id))

    # Leases

    def claim(self, owner: str, limit: int, ttl: float, only: str | None) -> list[Session]:
        now = self.world.wall
        taken = []
        for uid, holder in self.connection.execute(_FREE, (now, only, only, limit)).fetchall():
            row = self.connection.execute(_TAKE, (owner, now + ttl, uid)).fetchone()
            session = session_from_row(row, self.box)
            taken.append(msgspec.structs.replace(session, taken_from=holder))
        return taken

    def renew(self, leases: list[Lease], ttl: float) -> set[str]:
        until = self.world.wall + ttl
        sql = "UPDATE sessions SET lease_until = ? WHERE uid = ? AND owner = ? AND fence = ?"
        return {
            lease.session
            for lease in leases
            if self.connection.execute(sql, (until, lease.uid, lease.owner, lease.fence)).rowcount
        }

    def release(self, lease: Lease, lost: bool) -> bool:
        change = "lease_until = -1e300" if lost else "owner = NULL, lease_until = NULL"
        sql = f"UPDATE sessions SET {change} WHERE uid = ? AND owner = ? AND fence = ?"
        return self.connection.execute(sql, (lease.uid, lease.owner, lease.fence)).rowcount > 0

    def occupy(self, lease: Lease, account: str) -> str | None:
        held = self.connection.execute(
            "SELECT platform FROM sessions WHERE uid = ? AND owner = ? AND fence = ?",
            (lease.uid, lease.owner, lease.fence),
        ).fetchone()
        if held is None:
            raise LeaseLost(lease.session)
        other = self.connection.execute(
            "SELECT id FROM sessions WHERE platform = ? AND account = ? AND uid <> ? AND owner IS NOT NULL "
            "AND lease_until > ? ORDER BY uid LIMIT 1",
            (held[0], account, lease.uid, self.world.wall),
        ).fetchone()
        if other is not None:
            found: str = other[0]
            return found
        self.connection.execute("UPDATE sessions SET account = ? WHERE uid = ?", (account, lease.uid))
        return None

    def holds(self, lease: Lease) -> bool:
        """As the database sees it now, expiry included."""
        row = self.connection.execute(
            "SELECT lease_until FROM sessions WHERE uid = ? AND owner = ? AND fence = ?",
            (lease.uid, lease.owner, lease.fence),
        ).fetchone()
        return row is not None and (row[0] or 0.0) >= self.world.wall

    def owner_of(self, session: str) -> tuple[str | None, float]:
        """Who holds it, and until when (virtual time)."""
        row = self.connection.execute("SELECT owner, lease_until FROM sessions WHERE id = ?", (session,)).fetchone()
        if row is None or row[0] is None:
            return None, 0.0
        return row[0], row[1] - self.world.wall + self.world.now

    def wanted(self) -> dict[str, bool]:
        """Which sessions should run and have no owner whose lease is valid, for all sessions."""
        sql = f"SELECT id, {WANTED} AND (owner IS NULL OR lease_until < ?) FROM sessions ORDER BY id"
        return {id: bool(free) for id, free in self.connection.execute(sql, (self.world.wall,))}

    # Instances, duties, calls

    def beat(self, instance: Instance, ttl: float, patience: float) -> Census:
        now = self.world.wall
        before = self.instances.get(instance.name)
        self.instances[instance.name] = (instance, now + ttl)
        self.instances = {name: one for name, one in self.instances.items() if one[1] >= now}
        wanted, free, overdue = self.connection.execute(_COUNT, (now, patience)).fetchone()
        if before is None or before[0].draining != instance.draining:
            self.notify("instances")
        found = tuple(one for _, (one, _) in sorted(self.instances.items()))
        return Census(instances=found, wanted=wanted, free=free, overdue=overdue, now=now)

    def leave(self, name: str) -> None:
        if self.instances.pop(name, None):
            self.notify("instances")

    def take_duties(self, owner: str, names: list[str], ttl: float) -> set[str]:
        now = self.world.wall
        for name in names:
            holder = self.duties.get(name)
            if holder is None or holder[0] == owner or holder[1] < now:
                self.duties[name] = (owner, now + ttl)
        return {name for name in names if self.duties[name][0] == owner}

    def drop_duties(self, owner: str, names: list[str]) -> None:
        dropped = [name for name in names if self.duties.get(name, ("",))[0] == owner]
        for name in dropped:
            del self.duties[name]
        if dropped:
            self.notify("duties")

    def submit_call(self, call: InstanceCall) -> None:
        self.calls.setdefault(call.id, [call, self.world.wall + call.seconds, False, None])
        self.notify("calls", call.owner)

    def take_calls(self, owner: str, limit: int) -> list[InstanceCall]:
        now = self.world.wall
        self.calls = {id: row for id, row in self.calls.items() if row[1] >= now - 60.0}
        found = []  # type: ignore[var-annotated]
        for row in self.calls.values():
            if len(found) < limit and row[0].owner == owner and not row[2] and row[1] > now:
                row[2] = True
                found.append(msgspec.structs.replace(row[0], seconds=row[1] - now))
        return found

    def answer_call(self, id: str, answer: bytes) -> bool:
        row = self.calls.get(id)
        if row is None or row[1] <= self.world.wall:
            return False
        row[3] = answer
        self.notify("call", id)
        return True

    def fetch_answer(self, id: str) -> bytes | None:
        row = self.calls.get(id)
        if row is None or row[3] is None:
            return None
        del self.calls[id]
        answer: bytes = row[3]
        return answer

    def withdraw_call(self, id: str) -> bool:
        row = self.calls.pop(id, None)
        return row is not None and not row[2]
