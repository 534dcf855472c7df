"""Duties, and notifications of other instances' changes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import get_args, get_type_hints

import trio

from ...model.instance import StoreChange
from .base import PostgresBase
from .database.listening import Listener

_KINDS = frozenset(get_args(get_type_hints(StoreChange)["kind"]))

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
    """Implements `DutyStore` and `Notifying`."""

    _listener: Listener | None = None

    @property
    def hears(self) -> bool:
        return self._listener is not None and self._listener.hears

    async def take_duties(self, owner: str, names: Collection[str], *, ttl: float) -> set[str]:
        return set(await self._all(_TAKE, owner, list(names), ttl, of=lambda row: row[0]))

    async def drop_duties(self, owner: str, names: Collection[str]) -> None:
        await self._db.row(_DROP, owner, list(names))

    async def watch(
        self,
        on_change: Callable[[StoreChange], object],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        started = False

        def change(kind: str, id: str) -> None:
            nonlocal started
            if not started:
                started = True
                task_status.started()
            if kind in _KINDS:  # a newer version may send other kinds
                on_change(StoreChange(kind, id or None))  # type: ignore[arg-type]

        database = self._db
        self._listener = Listener(database, lambda kind, id: database.thread.tell(lambda: change(kind, id)))
        try:
            await database.call(self._listener.run)
        finally:
            self._listener = None
