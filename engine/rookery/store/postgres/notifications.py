"""Notifications of other instances' changes, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args, get_type_hints

import trio

from ...model.instance import StoreChange
from .base import PostgresBase
from .database.listening import Listener

_KINDS = frozenset(get_args(get_type_hints(StoreChange)["kind"]))


class PostgresNotifications(PostgresBase):
    """Implements `Notifying`."""

    _listener: Listener | None = None

    @property
    def hears(self) -> bool:
        return self._listener is not None and self._listener.hears

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
