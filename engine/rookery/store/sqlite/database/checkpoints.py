"""Copies the write-ahead log into the database's file while the writer goes on, so that no commit waits for the disk.

SQLite itself does this inside the commit that makes the log long: 16 MiB of pages and two fsyncs, during which every
writer waits. Here a thread does it on a connection of its own. The log begins anew at its start once all of it is copied
and nothing was written meanwhile. A writer that never pauses is asked to wait a few milliseconds while the last few
pages are copied.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ....errors import StoreError

STEP = 4000
"""Pages (of 4 KiB) that the log grows by between two attempts to copy it."""

WAIT_FROM = 3 * STEP
"""Length of the log, in pages, from which on the writer waits until the last of them are copied."""

PATIENCE = 0.02
"""Seconds that the writer waits at most when the log has `WAIT_FROM` pages; proportionally more for a longer log."""

ROUNDS = 5
"""Maximum number of passes in one attempt: each copies the pages written during the pass before, which are fewer every
time."""

LIMIT = 64 * STEP
"""Length of the log, in pages, at which SQLite itself copies it inside a commit, whatever the thread does."""

_HEADER, _PAGE_HEADER = 32, 24  # bytes


class LogGauge:
    """Says how long the write-ahead log is, from its file. Each page in it carries the salt of the header; those with
    another one are left from before the log began anew. See "The WAL File Format" in
    https://sqlite.org/fileformat2.html."""

    def __init__(self, path: Path, page_size: int) -> None:
        """`path`: the database's file, which is open. Raises OSError."""
        self._file = os.open(f"{path}-wal", os.O_RDONLY | os.O_CLOEXEC)
        self._each = _PAGE_HEADER + page_size

    @property
    def salt(self) -> bytes:
        """Changes when the log begins anew."""
        return os.pread(self._file, 8, 16)

    def reaches(self, pages: int) -> bool:
        """True when the log has at least so many pages."""
        salt = os.pread(self._file, 8, _HEADER + (pages - 1) * self._each + 8)
        return len(salt) == 8 and salt == self.salt

    def close(self) -> None:
        os.close(self._file)


class Checkpointer:
    """Used by the writer's thread only. Its own thread starts with the first copy."""

    def __init__(self, gauge: LogGauge, connect: Callable[[], sqlite3.Connection]) -> None:
        """`connect` opens the database once more. The gauge is closed with this."""
        self._gauge = gauge
        self._connect = connect
        self._asked: queue.SimpleQueue[threading.Event | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._copying: threading.Event | None = None
        self._begin(b"")

    def _begin(self, salt: bytes) -> None:
        """The log has begun anew."""
        self._salt = salt
        self._next = STEP  # copy when the log has so many pages
        self._is_behind = False  # set by the thread: a copy has ended, and a few more pages were written meanwhile
        self._length = 0  # set by the thread: pages in the log

    @property
    def is_copying(self) -> bool:
        return self._copying is not None and not self._copying.is_set()

    def after_commit(self) -> None:
        """Start a copy if the log has grown; wait a moment if it has grown too long. Raises OSError."""
        if self.is_copying:
            return
        if (salt := self._gauge.salt) != self._salt:
            self._begin(salt)
        if self._is_behind and self._length >= WAIT_FROM:
            self._copy().wait(PATIENCE * self._length / WAIT_FROM)
        elif self._gauge.reaches(self._next):
            self._next += STEP if self._next < WAIT_FROM else STEP // 4
            self._copy()

    def _copy(self) -> threading.Event:
        self._is_behind = False
        self._copying = threading.Event()
        if self._thread is None:
            thread = threading.Thread(target=self._main, name="rookery-sqlite-checkpoints", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads: SQLite itself copies at `LIMIT`, unless the next attempt succeeds
                self._copying.set()
                return self._copying
            self._thread = thread
        self._asked.put(self._copying)
        return self._copying

    def close(self) -> None:
        """End the thread; a copy that has begun is finished first."""
        if self._thread is not None:
            self._asked.put(None)
            self._thread.join()
        self._gauge.close()

    def _main(self) -> None:
        connection: sqlite3.Connection | None = None
        while (asked := self._asked.get()) is not None:
            # A disk that does not work fails the writer too, which reports it. Then the log stays as it is.
            with contextlib.suppress(sqlite3.Error, OSError, StoreError):
                connection = connection or self._connect()
                self._catch_up(connection)
            asked.set()
        if connection is not None:
            connection.close()

    def _catch_up(self, connection: sqlite3.Connection) -> None:
        for _ in range(ROUNDS):
            began = time.perf_counter()
            _, self._length, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if copied < self._length:
                return  # a read that takes long still needs the pages before
            if not self._gauge.reaches(self._length + 1):
                return
            if time.perf_counter() - began < PATIENCE / 2:
                break
        self._is_behind = True
