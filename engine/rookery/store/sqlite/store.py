"""The embedded default: everything in one SQLite file, or in memory for tests."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from ...errors import StoreError
from ...runtime.clock import GuardedClock
from ..secrets import SecretBox
from .chats.chats import SqliteChats
from .closed import ClosedReaders, ClosedWriter
from .database.checkpoints import Checkpointer, LogGauge
from .database.connection import Database, connect, prepare
from .database.directory_lock import DirectoryLock
from .database.errors import translate
from .database.readers import InlineReader, ThreadReaders
from .database.writer import GroupWriter, InlineWriter
from .duties import SqliteDuties
from .events import SqliteEvents
from .instances import SqliteInstances
from .keys import SqliteKeys
from .media import SqliteMedia
from .messages.messages import SqliteMessages
from .messages.waiting import SqliteWaitingMessages
from .sessions import SqliteSessions
from .webhook_facts import SqliteWebhookFacts
from .webhooks import SqliteWebhooks


class SqliteStore(
    SqliteSessions,
    SqliteKeys,
    SqliteEvents,
    SqliteMessages,
    SqliteWaitingMessages,
    SqliteMedia,
    SqliteWebhooks,
    SqliteChats,
    SqliteWebhookFacts,
    SqliteDuties,
    SqliteInstances,
):
    """Implements `Store` for one engine at a time.

    Args:
        path: the database file; None keeps everything in memory, without threads, until the store is closed.
        secrets: encrypts credentials, settings and webhook secrets.
        wait: seconds to wait for another engine to let go of the file.
        full_sync: survive a power cut too, at the price of one fsync for each transaction.
        clock: wall clock for `stored_at` and `updated_at`, seconds since the epoch.
    """

    shared = False

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        secrets: SecretBox,
        *,
        wait: float = 0.0,
        full_sync: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = None if path is None else Path(path)
        self._secrets = secrets
        self._wait = wait
        self._full_sync = full_sync
        self._clock = GuardedClock(clock)
        self._writer = ClosedWriter()
        self._readers = ClosedReaders()
        self._in_use = False
        self.installation = ""
        self.close_by = float("inf")

    @property
    def path(self) -> Path | None:
        """The database's file; None: in memory."""
        return self._path

    @property
    def location(self) -> str:
        return "memory" if self._path is None else str(self._path)

    async def check_writable(self) -> None:
        def work(database: Database) -> None:
            database.connection.execute(
                "INSERT OR REPLACE INTO meta VALUES ('written_at', ?)", (str(database.clock()),)
            )

        await self._write(work)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[SqliteStore]:
        if self._in_use:
            raise StoreError(f"the store {self.location} is open already")
        self._in_use = True
        try:
            async with self._in_memory() if self._path is None else self._on_disk(self._path):
                yield self
        finally:
            self._writer = ClosedWriter()
            self._readers = ClosedReaders()
            self._in_use = False

    @asynccontextmanager
    async def _in_memory(self) -> AsyncIterator[None]:
        database = self._connect()
        self._writer = InlineWriter(database)
        self._readers = InlineReader(database)
        try:
            yield
        finally:
            database.close()

    @asynccontextmanager
    async def _on_disk(self, path: Path) -> AsyncIterator[None]:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot create the directory {path.parent} ({error.strerror})") from None
        lock = DirectoryLock(path)
        await lock.acquire(self._wait)
        writer = GroupWriter(f"rookery-sqlite-{path.name}")
        # From here on the thread owns the lock, so that it is freed last, whatever happens to this task.
        await writer.start(self._connect, lock.release)
        readers = ThreadReaders(lambda: connect(path, read_only=True), self.location)
        self._writer, self._readers = writer, readers
        try:
            yield
        finally:
            await readers.aclose(self.close_by)
            await writer.aclose(self.close_by)

    def _connect(self) -> Database:
        """Open and prepare the writer's connection. Raises SecretKeyError, StoreError."""
        try:
            connection = connect(self._path, full_sync=self._full_sync)
            try:
                return self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        except OSError as error:
            raise StoreError(f"cannot open {self.location} ({error.strerror})") from None
        except sqlite3.Error as error:
            raise translate(error, self.location) from error

    def _prepare(self, connection: sqlite3.Connection) -> Database:
        database = prepare(connection, self.location, self._secrets, self._clock)
        self.installation = connection.execute("SELECT value FROM meta WHERE key = 'installation'").fetchone()[0]
        if (path := self._path) is not None:
            page_size: int = connection.execute("PRAGMA page_size").fetchone()[0]
            database.checkpoints = Checkpointer(LogGauge(path, page_size), lambda: connect(path, create=False))
        return database

    def __repr__(self) -> str:
        return f"<SqliteStore {self.location}>"


class MemoryStore(SqliteStore):
    """A store that disappears when it is closed: for tests, and for engines that need no persistence."""

    def __init__(self, secrets: SecretBox | None = None, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(None, secrets or SecretBox.generated(), clock=clock)
