"""Runs statements on a bounded pool of PostgreSQL connections, from trio.

The pool lives in its own thread (`asyncio_thread`). The number of connections does not depend on the number of
sessions. A connection that misbehaves when it is returned is terminated, never reused.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg

from ....errors import StoreUnavailable
from ....runtime.asyncio_thread import AsyncioThread
from .errors import REPEATABLE, translate

T = TypeVar("T")
Connection = Any
"""asyncpg has no types of its own."""
Work = Callable[[Connection], Awaitable[T]]

CONNECT_TIMEOUT = 5.0  # seconds
ACQUIRE_TIMEOUT = 5.0  # seconds to wait for a free connection
RELEASE_TIMEOUT = 1.0  # seconds to return one; then it is terminated
CLOSE_TIMEOUT = 1.0  # seconds for all connections to close; then they are terminated
IMPATIENCE = 1.0  # seconds; see `Database.distrust`
ATTEMPTS = 4
"""Maximum number of attempts for a transaction that conflicts with another."""


class Database:
    """Runs statements, each call in a transaction of its own.

    SQL names tables as `rookery.table`; that schema stands for the configured one.
    """

    def __init__(self, thread: AsyncioThread, connect: dict[str, Any], *, schema: str, pool_size: int) -> None:
        self.thread = thread
        self.schema = schema
        self._connect = connect
        self._pool_size = pool_size
        self._pool: Any = None
        self._texts: dict[str, str] = {}
        self._in_use: dict[Connection, float] = {}  # since when, in the loop's time

    @property
    def lock_number(self) -> int:
        """A signed 32-bit number of this schema, the first half of the keys of advisory locks."""
        return zlib.crc32(f"rookery {self.schema}".encode()) - 2**31

    @property
    def channel(self) -> str:
        """The notification channel of this schema."""
        return f"rookery_{self.schema}"

    def text(self, sql: str) -> str:
        """`sql` with the configured schema."""
        try:
            return self._texts[sql]
        except KeyError:
            placed = sql.replace("{lock}", str(self.lock_number)).replace("{channel}", self.channel)
            return self._texts.setdefault(sql, placed.replace("rookery.", f"{self.schema}."))

    async def start(self) -> None:
        """Create the pool; it connects on first use."""

        async def make() -> None:
            self._pool = await asyncpg.create_pool(
                **self._connect,
                min_size=0,
                max_size=self._pool_size,
                timeout=CONNECT_TIMEOUT,
                reset=_nothing,  # the default costs an extra round trip per use, and we leave no state on connections
            )

        await self.call(make)

    async def stop(self) -> None:
        """Close the connections, by force after `CLOSE_TIMEOUT`."""

        async def close() -> None:
            pool, self._pool = self._pool, None
            if pool is None:
                return
            try:
                await asyncio.wait_for(pool.close(), CLOSE_TIMEOUT)
            except Exception:
                pool.terminate()

        await self.call(close)

    async def connect(self, seconds: float = CONNECT_TIMEOUT) -> Connection:
        """In the loop: a connection outside the pool, within `seconds`. The caller closes it."""
        return await asyncpg.connect(**self._connect, timeout=seconds)

    async def distrust(self) -> None:
        """In the loop: a connection has been silent for seconds, so the others may lead nowhere too. Idle ones are replaced
        before their next use, and statements that have waited for longer than `IMPATIENCE` fail now: each would wait for
        the whole `command_timeout`."""
        if self._pool is None:
            return
        await self._pool.expire_connections()
        now = asyncio.get_running_loop().time()
        for connection, since in list(self._in_use.items()):
            if now - since >= IMPATIENCE:
                connection.terminate()

    async def fetch(self, sql: str, *values: object, into: Callable[[list[Any]], T]) -> T:
        """Run one statement; `into` builds the result from its rows, in the thread."""

        async def work(connection: Connection) -> T:
            return into(await connection.fetch(self.text(sql), *values))

        return await self.work(work)

    async def row(self, sql: str, *values: object) -> Any:
        """The first row of one statement, or None."""

        async def work(connection: Connection) -> Any:
            return await connection.fetchrow(self.text(sql), *values)

        return await self.work(work)

    async def transaction(self, work: Work[T]) -> T:
        """Run several statements in one transaction. `work` may be called again when the transaction conflicts with
        another."""

        async def inside(connection: Connection) -> T:
            async with connection.transaction():
                result: T = await work(connection)
            return result

        return await self.work(inside)

    async def work(self, work: Work[T]) -> T:
        """Run `work` with a connection, from trio."""
        result: T = await self.call(lambda: self.use(work))
        return result

    async def use(self, work: Work[T]) -> T:
        """Run `work` with a connection, in the loop; again if its transaction conflicted with another."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._once(work)
            except asyncpg.PostgresError as error:
                if error.sqlstate not in REPEATABLE or attempt == ATTEMPTS:
                    if error.sqlstate == "25006" and self._pool is not None:
                        await self._pool.expire_connections()  # the name may resolve to another server now
                    raise
                await asyncio.sleep(0.005 * 2**attempt)
        raise AssertionError("unreachable")

    async def _once(self, work: Work[T]) -> T:
        pool = self._pool
        if pool is None:
            raise StoreUnavailable("the store is closed")
        try:
            connection = await pool.acquire(timeout=ACQUIRE_TIMEOUT)
        except TimeoutError:
            free = pool.get_idle_size() or pool.get_size() < pool.get_max_size()
            raise StoreUnavailable(
                "the database does not accept connections in time"
                if free
                else f"all {pool.get_max_size()} database connections are busy"
            ) from None
        self._in_use[connection] = asyncio.get_running_loop().time()
        try:
            return await work(connection)
        finally:
            del self._in_use[connection]
            # asyncpg shields and bounds this. If it fails, the connection is already terminated, and the earlier error
            # matters more to the caller.
            with contextlib.suppress(Exception):
                await pool.release(connection, timeout=RELEASE_TIMEOUT)

    async def call(self, start: Callable[[], Any]) -> Any:
        """Run a coroutine in the thread and translate its errors."""
        try:
            return await self.thread.run(start)
        except Exception as error:
            translated = translate(error)
            if translated is error:
                raise
            raise translated from error


async def _nothing(_: object) -> None:
    """Connections keep no state, so there is nothing to reset."""
