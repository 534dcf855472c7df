"""A SQLite connection as the store needs it: opened with its settings, migrated, and its secret key checked."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import msgspec

from ....errors import StoreError
from ....model.subscription import asks_for
from ...event_ids import OldEvents, first_after
from ...secrets import SecretBox
from ...send_room import SendRoom
from .checkpoints import LIMIT, Checkpointer
from .key_rotation import check_key
from .migrate import migrate

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another program (a backup, a shell) that has locked the database."""


CLOCK_TOLERANCE = 5.0
"""Seconds by which stored times may lie in the future before the clock counts as set back."""

OUT_OF_ORDER = 5.0
"""Seconds by which the time of acceptance of a send may run against the order of numbers without being noted in `send_steps`:
a send is numbered when it is stored, and it waits for the database until then."""

LATEST_TIME = (
    "SELECT max(at) FROM (SELECT max(updated_at) AS at FROM sessions "
    "UNION ALL SELECT stored_at FROM (SELECT stored_at FROM events ORDER BY id DESC LIMIT 1))"
)
"""Approximately when this database was last written."""


class WebhookRule(msgspec.Struct, frozen=True):
    """Which events a webhook receives: the part that `append` needs to know."""

    number: int
    uid: int | None
    events: frozenset[str] | None
    chats: frozenset[str] | None

    def wants(self, type: str, chat: str | None) -> bool:
        return asks_for(self.events, type) and (self.chats is None or chat in self.chats)


def _listed(value: str | None) -> frozenset[str] | None:
    """An empty set when the value cannot be read: that webhook gets nothing, and all others get their events."""
    try:
        return None if value is None else frozenset(msgspec.json.decode(value, type=list[str]))
    except (msgspec.DecodeError, ValueError):
        return frozenset()


class Database:
    """The writer's connection and what the writer caches. Used by one thread at a time."""

    def __init__(self, connection: sqlite3.Connection, location: str, clock: Callable[[], float]) -> None:
        self.connection = connection
        self.location = location
        self.clock = clock
        self.old_events = OldEvents()
        self.last_event = 0  # the highest assigned event id; gaps are fine, going back is not
        self.room = SendRoom(alone=True)
        self.full: dict[tuple[int, bool], tuple[int, int]] = {}
        """Queues that were full, by their limit and the number of rows changed until then: the same number means that they
        still are."""
        self.checkpoints: Checkpointer | None = None
        self.late_at = float("inf")
        """When a transaction that deletes should end, in the time of `perf_counter`. Never where no real time passes."""
        self._newest_send: float | None = None
        self._has_stepped = False
        self._rules: list[WebhookRule] | None = None

    def rules(self) -> list[WebhookRule]:
        """The enabled webhooks, as of this point of this transaction."""
        if self._rules is None:
            rows = self.connection.execute("SELECT number, uid, events, chats FROM webhooks WHERE enabled")
            self._rules = [
                WebhookRule(number, uid, _listed(events), _listed(chats)) for number, uid, events, chats in rows
            ]
        return self._rules

    @property
    def newest_send(self) -> float:
        """The highest time of acceptance since the last of the `send_steps`, or a higher one."""
        if self._newest_send is None:
            row = self.connection.execute("SELECT created_at FROM messages ORDER BY number DESC LIMIT 1").fetchone()
            self._newest_send = float("-inf") if row is None else row[0] + OUT_OF_ORDER
        return self._newest_send

    def sends_stored(self, newest: float, steps: Sequence[int]) -> None:
        """`newest` as above; `steps`: which of the last sends, counted from the end (0: the last one), were accepted more
        than OUT_OF_ORDER before one with a lower number."""
        self._newest_send = newest
        if steps:
            self._has_stepped = True
            last: int = self.connection.execute("SELECT max(number) FROM messages").fetchone()[0]
            self.connection.executemany("INSERT INTO send_steps VALUES (?)", [(last - step,) for step in steps])

    def forget(self) -> None:
        """A transaction was rolled back, or webhooks are changing: read the rules again."""
        self._rules = None
        if self._has_stepped:  # the step may be rolled back
            self._newest_send, self._has_stepped = None, False

    def forget_counts(self) -> None:
        """A transaction was rolled back in which one piece of work may have counted what another one had changed."""
        self.room.forget()
        self.full.clear()
        self._newest_send = None

    def is_late(self) -> bool:
        """This transaction has held the writer for long enough."""
        return perf_counter() >= self.late_at

    @property
    def is_copying(self) -> bool:
        """The write-ahead log is being copied into the file: the disk is busy."""
        return self.checkpoints is not None and self.checkpoints.is_copying

    def after_commit(self) -> None:
        """The writer has committed and is between two transactions."""
        if self.checkpoints is not None:
            with contextlib.suppress(OSError):
                self.checkpoints.after_commit()

    def close(self) -> None:
        """Close, and truncate the write-ahead log if no reader is in the way."""
        try:
            if self.checkpoints is not None:
                self.checkpoints.close()
        finally:
            self.connection.close()


def connect(
    path: Path | None, *, full_sync: bool = False, read_only: bool = False, create: bool = True
) -> sqlite3.Connection:
    """Open a connection: autocommit, so that transactions are explicit; any thread may use it, one at a time.

    `path` None is a database of its own in memory. A new file is readable by its owner only, and so are the files that
    SQLite puts beside it. An existing file is opened by SQLite alone: a descriptor of ours that is closed would take with
    it the locks of all connections that this process has to the file (POSIX), and another program would take
    the file for unused and remove the write-ahead log.

    Raises:
        StoreError: the file belongs to another program.
        sqlite3.Error, OSError: for `translate`.
    """
    if path is None:
        target = ":memory:"
    elif read_only:
        target = f"{path.absolute().as_uri()}?mode=ro"
    else:
        if create:
            with contextlib.suppress(FileExistsError):
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        target = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(
        target,
        uri=path is not None,
        timeout=BUSY_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        if read_only:
            connection.execute("PRAGMA query_only = ON")
        else:
            # Before anything is changed: this file may belong to another program.
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if tables and "schema_migrations" not in tables:
                raise StoreError(f"{path} is the database of another program: choose another file")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if full_sync else 'NORMAL'}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA wal_autocheckpoint = {LIMIT}")  # a `Checkpointer` comes before it
            connection.execute("PRAGMA journal_size_limit = 67108864")
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection, location: str, secrets: SecretBox, clock: Callable[[], float]) -> Database:
    """Migrate, check the key, void the leases of earlier owners, read the last event id."""
    was_there = migrate(connection, location, clock)
    check_key(connection, location, secrets)
    connection.execute("UPDATE sessions SET owner = NULL WHERE owner IS NOT NULL")
    database = Database(connection, location, clock)
    highest = connection.execute("SELECT value FROM meta WHERE key = 'last_event'").fetchone()
    newest = connection.execute("SELECT max(id) FROM events").fetchone()
    database.last_event = max(
        int(highest[0]) if highest else 0, newest[0] or 0, first_after(clock()) if was_there else 0
    )
    _forget_waits_after_a_change_of_the_clock(connection, clock())
    return database


def _forget_waits_after_a_change_of_the_clock(connection: sqlite3.Connection, now: float) -> None:
    """Stored times are in the future: the clock was set back while nothing ran. Anything that waits for its next
    attempt would wait that much longer, so it is due now."""
    latest = connection.execute(LATEST_TIME).fetchone()[0]
    if latest is None or latest <= now + CLOCK_TOLERANCE:
        return
    connection.execute("UPDATE lanes SET retry_at = NULL WHERE retry_at > ?", (now,))
    connection.execute("UPDATE media SET due_at = ? WHERE due_at > ?", (now, now))
