"""Duties, and notifications of other instances' changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any, get_args, get_type_hints

import trio

from ...log import get_logger
from ...model.instance import StoreChange
from .base import PostgresBase
from .database.errors import translate
from .database.pool import Database

KEEPALIVE = 10.0
"""Seconds between two queries on the listening connection, which bounds how long a dead connection goes unnoticed."""

TRY_OUT = 2.0  # seconds within which a notification to ourselves should arrive
RECONNECT_DELAYS = (0.1, 0.5, 1.0, 2.0)  # seconds; the last one repeats

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

log = get_logger("SESSION")


class PostgresDuties(PostgresBase):
    """Implements `DutyStore` and `Notifying`."""

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
        await database.call(lambda: _listen(database, lambda kind, id: database.thread.tell(lambda: change(kind, id))))


async def _listen(database: Database, tell: Callable[[str, str], None]) -> None:
    """Runs in the loop until cancelled: connect, listen, notice the end, connect again."""
    failures = 0
    while True:
        connection = None
        try:
            connection = await database.connect()
            ended = asyncio.Event()
            connection.add_termination_listener(lambda _, ended=ended: ended.set())
            heard = asyncio.Event()

            def hear(_: object, __: int, ___: str, payload: Any, heard: asyncio.Event = heard) -> None:
                heard.set()
                kind, _, id = str(payload).partition(" ")
                tell(kind, id)

            await connection.add_listener(database.channel, hear)
            if failures:
                log.info("notifications are back")
            failures = 0
            tell("everything", "")
            await _try_out(database, heard)
            while not ended.is_set():
                try:
                    await asyncio.wait_for(ended.wait(), KEEPALIVE)
                except TimeoutError:
                    await connection.execute("SELECT 1")
        except Exception as error:
            if not failures:
                log.warning("no notifications for now, polling goes on", error=str(translate(error)))
            failures += 1
        finally:
            if connection is not None:
                connection.terminate()
        if failures == 1:
            tell("everything", "")  # no instance should have to wait for the first connection
        await asyncio.sleep(RECONNECT_DELAYS[min(failures, len(RECONNECT_DELAYS) - 1)])


async def _try_out(database: Database, heard: asyncio.Event) -> None:
    """Log when notifications do not arrive: PgBouncer in transaction mode accepts LISTEN and delivers nothing."""
    await database.use(lambda connection: connection.execute(database.text("SELECT rookery.notify_1('hello', '')")))
    try:
        await asyncio.wait_for(heard.wait(), TRY_OUT)
    except TimeoutError:
        log.warning(
            "notifications do not get through, changes are found by polling: PgBouncer in transaction mode? "
            "A direct connection makes handoffs immediate"
        )
