"""The connection that hears notifications of other instances' changes. Runs in the asyncio thread.

A connection whose other end disappeared silently looks merely idle. So the listener sends the server a query every
second on that same connection: once the answer is here, so is everything that was sent before it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from ....log import get_logger
from .errors import translate
from .pool import Connection, Database

CHECK_INTERVAL = 1.0  # seconds between two queries on the listening connection

LATE = 1.0
"""Seconds after which an answer is late: until it comes, notifications may be missing."""

DEAD = 3.0
"""Seconds after which a connection without an answer is given up."""

CONNECT_TIMEOUT = 2.0  # seconds
TRY_OUT = 2.0  # seconds within which a notification to ourselves should arrive
RECONNECT_DELAYS = (0.1, 0.2, 0.5)  # seconds; the last one repeats

log = get_logger("SESSION")


class Listener:
    """`tell` is called in the loop with the kind and the id of each change, and with `everything` after each
    connection.

    `hears` may be read from any thread: whether notifications arrive, as far as this side can know.
    """

    def __init__(self, database: Database, tell: Callable[[str, str], None]) -> None:
        self._database = database
        self._tell = tell
        self._answers = False  # the last query was answered in time
        self._heard = asyncio.Event()
        self._failures = 0

    @property
    def hears(self) -> bool:
        return self._answers and self._heard.is_set()

    async def run(self) -> None:
        """Connect, listen, notice the end, connect again, until cancelled."""
        while True:
            try:
                await self._listen()
            except Exception as error:
                if not self._failures:
                    log.warning("no notifications arrive; changes are found by polling", error=str(translate(error)))
                self._failures += 1
            if self._failures == 1:
                self._tell("everything", "")  # no instance should have to wait for the first connection
            await asyncio.sleep(RECONNECT_DELAYS[min(self._failures, len(RECONNECT_DELAYS)) - 1])

    async def _listen(self) -> None:
        self._heard = asyncio.Event()
        connection = None
        trial = None
        try:
            connection = await self._database.connect(CONNECT_TIMEOUT)
            ended = asyncio.Event()
            connection.add_termination_listener(lambda _: ended.set())
            await connection.add_listener(self._database.channel, self._hear)
            if self._failures:
                log.info("notifications arrive again")
            self._failures = 0
            self._answers = True
            self._tell("everything", "")
            trial = asyncio.create_task(self._try_out())
            await self._check(connection, ended)
        finally:
            self._answers = False
            if trial is not None:
                trial.cancel()
            if connection is not None:
                connection.terminate()

    def _hear(self, _: object, __: int, ___: str, payload: Any) -> None:
        self._heard.set()
        kind, _, id = str(payload).partition(" ")
        self._tell(kind, id)

    async def _check(self, connection: Connection, ended: asyncio.Event) -> None:
        """Return when the connection was closed; raise when it has gone silent."""
        question = f'LISTEN "{self._database.channel}"'  # it changes nothing, and says in pg_stat_activity what this is
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), CHECK_INTERVAL)
                return
            asking = asyncio.ensure_future(connection.execute(question, timeout=DEAD))
            try:
                await asyncio.wait([asking], timeout=LATE)
                self._answers = asking.done()
                await asking
                self._answers = True
            except TimeoutError:
                await self._database.distrust()  # the other connections used the same network path
                raise
            finally:
                asking.cancel()

    async def _try_out(self) -> None:
        """Log when notifications do not arrive: PgBouncer in transaction mode accepts LISTEN and delivers nothing."""
        hello = self._database.text("SELECT rookery.notify_1('hello', '')")
        heard = self._heard
        while True:
            try:
                await self._database.use(lambda connection: connection.execute(hello))
                break
            except Exception as error:
                log.debug("the test notification failed", error=str(translate(error)))
                await asyncio.sleep(RECONNECT_DELAYS[-1])
        try:
            await asyncio.wait_for(heard.wait(), TRY_OUT)
        except TimeoutError:
            log.warning(
                "notifications do not arrive, so changes are found by polling: PgBouncer in transaction mode? "
                "A direct connection makes handoffs immediate"
            )
