"""The store for real deployments: everything in PostgreSQL, shared by any number of instances."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import trio

from ...errors import InvalidInput, StoreError
from ...runtime.asyncio_thread import AsyncioThread, open_asyncio_thread
from ..secrets import SecretBox
from .calls import PostgresCalls
from .chats import PostgresChats
from .database.appends import AppendQueue
from .database.key_rotation import check_key
from .database.migrate import migrate
from .database.pool import Database
from .duties import PostgresDuties
from .events import PostgresEvents
from .instances import PostgresInstances
from .keys import PostgresKeys
from .media import PostgresMedia
from .messages.messages import PostgresMessages
from .messages.waiting import PostgresWaitingMessages
from .notifications import PostgresNotifications
from .sessions import PostgresSessions
from .webhook_facts import PostgresWebhookFacts
from .webhooks import PostgresWebhooks

FINISH_TIMEOUT = 0.5
"""Seconds at the end for appends in progress; then they are cancelled."""

CLOSE_TIMEOUT = 1.5
"""Seconds for each of the two steps of closing, whatever state the database is in."""


HURRIED_CANCEL = 0.2  # seconds


class PostgresStore(
    PostgresSessions,
    PostgresKeys,
    PostgresEvents,
    PostgresMessages,
    PostgresWaitingMessages,
    PostgresMedia,
    PostgresWebhooks,
    PostgresChats,
    PostgresWebhookFacts,
    PostgresDuties,
    PostgresInstances,
    PostgresCalls,
    PostgresNotifications,
):
    """Implements `Store`, `Notifying` and `CallStore` for any number of engines at once.

    Args:
        url: `postgresql://user:password@host:port/database`, with libpq's parameters. `schema`, `pool_size`,
            `command_timeout` and `statement_cache_size` may be given there too.
        secrets: encrypts credentials, settings and webhook secrets.
        schema: where the tables are; created if it is missing.
        pool_size: maximum number of connections, whatever the number of sessions; the listener has one more.
        command_timeout: seconds for one statement; afterwards it counts as failed.
        statement_cache_size: prepared statements kept for each connection; 0 for PgBouncer in transaction mode.

    Raises:
        InvalidInput: the URL or a parameter in it is wrong.
    """

    shared = True

    def __init__(
        self,
        url: str,
        secrets: SecretBox,
        *,
        schema: str = "rookery",
        pool_size: int = 10,
        command_timeout: float = 5.0,
        statement_cache_size: int = 100,
    ) -> None:
        parts = urlsplit(url)
        options = {
            "schema": schema,
            "pool_size": pool_size,
            "command_timeout": command_timeout,
            "statement_cache_size": statement_cache_size,
        }
        ours, theirs = _split_query(parts.query, options)
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,47}", ours["schema"]):
            raise InvalidInput("the schema has to be lower case letters, digits and underscores", field="schema")
        if ours["pool_size"] < 1 or ours["command_timeout"] <= 0 or ours["statement_cache_size"] < 0:
            raise InvalidInput("pool_size and command_timeout have to be positive", field="store")
        self.schema: str = ours["schema"]
        self._pool_size: int = ours["pool_size"]
        self.connect_options = {
            "dsn": urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(theirs), "")),
            "command_timeout": ours["command_timeout"],
            "statement_cache_size": ours["statement_cache_size"],
            "server_settings": {} if "application_name" in dict(theirs) else {"application_name": "rookery"},
        }
        self._place = parts.netloc.rpartition("@")[2] + parts.path
        self._secrets = secrets
        self._database: Database | None = None
        self._appends: AppendQueue | None = None
        self._owners = set()
        self._in_use = False
        self.installation = ""
        self._close_by = float("inf")

    @property
    def close_by(self) -> float:
        """See `Store.close_by`. From now on, the wait for an abandoned statement lasts no longer than
        `HURRIED_CANCEL`."""
        return self._close_by

    @close_by.setter
    def close_by(self, at: float) -> None:
        self._close_by = at
        if self._database is not None:
            self._database.thread.cancel_timeout = HURRIED_CANCEL

    @property
    def location(self) -> str:
        return f"postgresql://{self._place}" + (f" (schema {self.schema})" if self.schema != "rookery" else "")

    async def check_writable(self) -> None:
        await self._db.row(
            "INSERT INTO rookery.meta (key, value) VALUES ('written_at', clock_timestamp()::text) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value RETURNING 1"
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[PostgresStore]:
        if self._in_use:
            raise StoreError(f"the store {self.location} is open already")
        self._in_use = True
        try:
            async with open_asyncio_thread("rookery-postgres") as thread:
                database = Database(thread, self.connect_options, schema=self.schema, pool_size=self._pool_size)
                await database.start()
                try:
                    await migrate(database)
                    await check_key(database, self._secrets, self.location)
                    self.installation = (
                        await database.row("SELECT value FROM rookery.meta WHERE key = 'installation'")
                    )[0]
                    async with self._serving(database) as self._appends:
                        self._database = database
                        yield self
                finally:
                    self._database = None
                    with self._closing(2, thread):
                        await database.stop()
        finally:
            self._appends = None
            self._in_use = False

    @asynccontextmanager
    async def _serving(self, database: Database) -> AsyncIterator[AppendQueue]:
        """The queue of appends, and the task in the other thread that empties it."""

        async def start() -> tuple[AppendQueue, asyncio.Task[None]]:
            queue = AppendQueue(database)
            return queue, asyncio.create_task(queue.serve())

        async def stop(patience: float) -> None:
            queue.finish()
            await asyncio.wait([task], timeout=patience)
            task.cancel()
            await asyncio.wait([task])

        queue, task = await database.call(start)
        try:
            yield queue
        finally:
            with self._closing(3, database.thread) as scope:
                patience = min(FINISH_TIMEOUT, (scope.deadline - trio.current_time()) / 2)
                await database.call(lambda: stop(patience))

    def _closing(self, steps: int, thread: AsyncioThread) -> trio.CancelScope:
        """The deadline for one of the `steps` that are left until `close_by`."""
        seconds = min(CLOSE_TIMEOUT, max(0.0, self.close_by - trio.current_time()) / steps)
        thread.close_timeout = seconds
        if seconds < CLOSE_TIMEOUT:
            thread.cancel_timeout = min(thread.cancel_timeout, seconds / 3)
            seconds -= thread.cancel_timeout
        return trio.move_on_after(seconds, shield=True)

    def __repr__(self) -> str:
        return f"<PostgresStore {self.location}>"


def _split_query(query: str, options: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Separate our own parameters of a URL (over `options`, converted to their types) from the driver's."""
    ours, theirs = dict(options), []
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in options:
            theirs.append((name, value))
            continue
        try:
            ours[name] = type(options[name])(value)
        except ValueError:
            raise InvalidInput(f"{name} in the store's URL has to be a number", field="store") from None
    return ours, theirs
