"""Reading a SQLite database beside its writer: read-only connections in threads of their own."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

import trio

from ....errors import StoreUnavailable
from .connection import Database
from .errors import translate

T = TypeVar("T")
Query = Callable[[sqlite3.Connection], T]

READERS = 3
"""Concurrent reads: a long one in the event log does not delay the short ones."""

CLOSE_TIMEOUT = 1.0
"""Seconds to wait at the end for interrupted reads."""


class Readers(Protocol):
    """Runs queries, each on one consistent state of the database."""

    async def run(self, query: Query[T]) -> T:
        """The query sees everything that was committed before the call."""


class InlineReader:
    """Reads a database in memory directly, without a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, query: Query[T]) -> T:
        await trio.lowlevel.checkpoint()
        return _consistent(self._database.connection, query, self._database.location)


class ThreadReaders:
    """Up to `READERS` connections, opened when first needed."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], location: str) -> None:
        self._connect = connect
        self._location = location
        self._limiter = trio.CapacityLimiter(READERS)
        self._idle: list[sqlite3.Connection] = []
        self._all: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._running = 0  # queries, including those whose callers no longer wait; protected by the lock, as is `_open`
        self._open = True

    async def run(self, query: Query[T]) -> T:
        if not self._open:
            raise StoreUnavailable("the store is closed")
        # A read has no effect, so a cancelled caller leaves at once; the thread ends later and only then releases its
        # place in the limiter.
        return await trio.to_thread.run_sync(self._query, query, limiter=self._limiter, abandon_on_cancel=True)

    def _query(self, query: Query[T]) -> T:
        with self._lock:
            if not self._open:  # closed before the thread started: open nothing any more
                raise StoreUnavailable("the store is closed")
            self._running += 1
        try:
            return self._read(query)
        finally:
            with self._lock:
                self._running -= 1

    def _read(self, query: Query[T]) -> T:
        try:
            connection = self._idle.pop()
        except IndexError:
            try:
                connection = self._connect()
            except sqlite3.Error as error:
                raise translate(error, self._location) from error
            self._all.append(connection)
        try:
            return _consistent(connection, query, self._location)
        finally:
            if self._open:
                self._idle.append(connection)
            else:
                self._all.remove(connection)
                connection.close()

    async def aclose(self, deadline: float = float("inf")) -> None:
        """Interrupt current reads, then close. A read that still runs after `CLOSE_TIMEOUT`, or after `deadline` (trio
        time), closes its own connection."""
        with self._lock:
            self._open = False
        with trio.CancelScope(shield=True, deadline=min(trio.current_time() + CLOSE_TIMEOUT, deadline)):
            while self._running:
                for connection in list(self._all):
                    with contextlib.suppress(sqlite3.ProgrammingError):  # its thread has just closed it
                        connection.interrupt()
                await trio.sleep(0.001)
        while self._idle:
            connection = self._idle.pop()
            self._all.remove(connection)
            connection.close()


def _consistent(connection: sqlite3.Connection, query: Query[T], location: str) -> T:
    try:
        connection.execute("BEGIN")
        try:
            return query(connection)
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    except Exception as error:
        raise translate(error, location) from error
