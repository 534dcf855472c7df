"""The store of linked devices' keys: whatsmeow's own tables, in a SQLite file per session or in one PostgreSQL schema.

The library makes and fills the tables. This module checks them first, because the library cannot report whether it has
a device: if the device is missing, it ends its process or takes another session's device.
"""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import trio

from rookery.errors import InvalidInput, ProviderError, TerminalError
from rookery.model.session import Action, Reason
from rookery.runtime.threads import on_files

from . import history_store

T = TypeVar("T")

SQLITE_OPTIONS = "_foreign_keys=on&_journal_mode=WAL&_txlock=immediate&_busy_timeout=5000&_end=1"
"""The last parameter absorbs the `?_foreign_keys=on` that neonize appends."""

TIMEOUT = 5.0  # seconds for one query to PostgreSQL
CONNECTIONS = 4  # such queries at once
LEFTOVER_TIMEOUT = 600_000
"""Milliseconds after which PostgreSQL closes an idle connection: the library leaves one or two open for each client
that has ended."""

PHONE, LID = "s.whatsapp.net", "lid"
SECRETS = "SELECT sender_jid, key FROM whatsmeow_message_secrets WHERE our_jid = ? AND message_id = ? LIMIT 20"
NAMES = {
    LID: "SELECT pn FROM whatsmeow_lid_map WHERE lid = ?",
    PHONE: "SELECT lid FROM whatsmeow_lid_map WHERE pn = ?",
}
"""The query for an account's other address, by the server of the known one."""

ENGINE_PARAMETERS = ("schema", "pool_size", "command_timeout", "statement_cache_size")
"""Parameters of a database URL that only the engine understands."""


class DeviceStore(Protocol):
    """Stores the keys of linked devices."""

    async def database_for(self, session: str) -> str:
        """The database argument for neonize."""

    async def holds(self, session: str, jid: str) -> bool:
        """True when this device is stored. Raises ProviderError."""

    async def forget(self, session: str, jid: str | None) -> None:
        """Remove this device, and all other data of this session alone. Raises ProviderError."""

    async def message_secrets(self, session: str, jid: str, message_id: str) -> Sequence[tuple[str, bytes]]:
        """The secrets of messages with this id, each with its author's address in the library's form. The library keeps
        the secret of every message that has one. Raises ProviderError."""

    async def other_names(self, session: str, user: str) -> Sequence[str]:
        """The other addresses, phone number or lid, of `user` (an address without device). Raises ProviderError."""

    async def keep_history(self, session: str, slices: Sequence[bytes]) -> None:
        """Store slices of history after those that are stored; returns when they are durable. Raises ProviderError."""

    async def next_history(self, session: str, done: int | None) -> tuple[int, bytes] | None:
        """Remove the slice `done`, then read the oldest one, with its number. Raises ProviderError."""

    @property
    def shared(self) -> bool:
        """True when all sessions use one database; a single client must then create its tables."""


class SqliteDevices:
    """A file per session."""

    shared = False

    def __init__(self, directory: Path) -> None:
        if set("?#%") & set(str(directory)):
            raise InvalidInput("data_dir: the library cannot open files below a path with ?, # or %", field="data_dir")
        self._directory = directory

    async def database_for(self, session: str) -> str:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path(session)
        # Created here with private permissions: the library would follow the umask.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        return f"{path}?{SQLITE_OPTIONS}"

    async def holds(self, session: str, jid: str) -> bool:
        return await on_files(lambda: _sqlite_holds(self._path(session), jid))

    async def message_secrets(self, session: str, jid: str, message_id: str) -> Sequence[tuple[str, bytes]]:
        rows = await on_files(lambda: _sqlite_rows(self._path(session), SECRETS, (jid, message_id)))
        return [(str(sender), bytes(key)) for sender, key in rows]

    async def other_names(self, session: str, user: str) -> Sequence[str]:
        name, server = _name(user)
        rows = await on_files(lambda: _sqlite_rows(self._path(session), NAMES[server], (name,)))
        return [_address(server, str(row[0])) for row in rows]

    async def keep_history(self, session: str, slices: Sequence[bytes]) -> None:
        await on_files(lambda: history_store.sqlite_keep(self._path(session), session, slices))

    async def next_history(self, session: str, done: int | None) -> tuple[int, bytes] | None:
        return await on_files(lambda: history_store.sqlite_next(self._path(session), session, done))

    async def forget(self, session: str, jid: str | None) -> None:
        path = self._path(session)
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm", f"{path.name}-journal"):
            path.with_name(name).unlink(missing_ok=True)

    def _path(self, session: str) -> Path:
        # Session ids have only letters, digits and ._:@-; some file systems do not allow a colon in names.
        return self._directory.absolute() / f"{session.replace(':', '=3a')}.db"


def _name(user: str) -> tuple[str, str]:
    name, _, server = user.partition("@")
    return name, server if server in NAMES else LID


def _address(server: str, name: str) -> str:
    """The other form of an address at `server`."""
    return f"{name}@{PHONE if server == LID else LID}"


def _sqlite_rows(path: Path, sql: str, values: tuple[str, ...]) -> list[tuple[Any, ...]]:
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(path, timeout=TIMEOUT)) as connection:
            return connection.execute(sql, values).fetchall()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []
        raise ProviderError(f"the keys in {path} cannot be read: {error}") from None
    except sqlite3.DatabaseError as error:
        raise ProviderError(f"the keys in {path} cannot be read: {error}") from None


def _sqlite_holds(path: Path, jid: str) -> bool:
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(path, timeout=TIMEOUT)) as connection:
            row = connection.execute("SELECT 1 FROM whatsmeow_device WHERE jid = ?", (jid,)).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return False
        raise ProviderError(f"the keys in {path} cannot be read: {error}") from None
    except sqlite3.DatabaseError as error:  # the database is missing or damaged: trying again cannot help
        raise TerminalError(
            f"the keys in {path} cannot be read: {error}; restore the file, or log the session out and scan a QR code",
            reason=Reason.CONFIGURATION,
            action=Action.SCAN_QR,
        ) from None
    return row is not None


class PostgresDevices:
    """One schema for all sessions. Devices are looked up by address, never by taking the first one."""

    shared = True

    def __init__(self, url: str, schema: str) -> None:
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,47}", schema):
            raise InvalidInput("schema: lower case letters, digits and underscores are needed", field="schema")
        parts = urlsplit(url)
        if parts.scheme not in ("postgres", "postgresql"):
            raise InvalidInput("database_url: postgresql://user@host/database is needed", field="database_url")
        query = {name: value for name, value in parse_qsl(parts.query) if name not in ENGINE_PARAMETERS}
        self._parts, self._query = parts, query
        self._dsn = urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(query), ""))
        self._schema = schema
        self._database: str | None = None
        self._limiter = trio.CapacityLimiter(CONNECTIONS)

    async def database_for(self, session: str) -> str:
        if self._database is None:
            self._database = await self._with_connection(self._prepare)
        return self._database

    async def holds(self, session: str, jid: str) -> bool:
        sql = f"SELECT 1 FROM {self._schema}.whatsmeow_device WHERE jid = $1"  # noqa: S608 - a checked name
        return await self._with_connection(lambda connection: connection.fetchval(sql, jid), missing=None) is not None

    async def message_secrets(self, session: str, jid: str, message_id: str) -> Sequence[tuple[str, bytes]]:
        sql = self._in_schema(SECRETS)
        rows = await self._with_connection(lambda connection: connection.fetch(sql, jid, message_id), missing=())
        return [(row[0], bytes(row[1])) for row in rows]

    async def other_names(self, session: str, user: str) -> Sequence[str]:
        name, server = _name(user)
        sql = self._in_schema(NAMES[server])
        rows = await self._with_connection(lambda connection: connection.fetch(sql, name), missing=())
        return [_address(server, row[0]) for row in rows]

    async def keep_history(self, session: str, slices: Sequence[bytes]) -> None:
        await self._with_connection(
            lambda connection: history_store.postgres_keep(connection, self._schema, session, slices)
        )

    async def next_history(self, session: str, done: int | None) -> tuple[int, bytes] | None:
        return await self._with_connection(
            lambda connection: history_store.postgres_next(connection, self._schema, session, done), missing=None
        )

    def _in_schema(self, sql: str) -> str:
        """PostgreSQL's form of a query on the library's tables."""
        return sql.replace("whatsmeow_", f"{self._schema}.whatsmeow_").replace("?", "$1", 1).replace("?", "$2", 1)

    async def forget(self, session: str, jid: str | None) -> None:
        if jid is not None:
            # All other rows refer to the device and are deleted with it.
            sql = f"DELETE FROM {self._schema}.whatsmeow_device WHERE jid = $1"  # noqa: S608
            await self._with_connection(lambda connection: connection.execute(sql, jid), missing=None)
        await self._with_connection(
            lambda connection: history_store.postgres_forget(connection, self._schema, session), missing=None
        )

    async def _prepare(self, connection: Any) -> str:
        """Create the schema; returns the URL in the form of the library's driver (lib/pq)."""
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self._schema}")
        # The library looks for this table in every schema: without ours it would take another program's for its own.
        await connection.execute(
            f"CREATE TABLE IF NOT EXISTS {self._schema}.whatsmeow_version (version integer, compat integer)"
        )
        query = dict(self._query)
        if query.get("sslmode") in (None, "allow", "prefer"):
            encrypted = await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            query["sslmode"] = "require" if encrypted else "disable"
        query |= {"search_path": self._schema, "application_name": "rookery-whatsapp", "connect_timeout": "10"}
        if connection.get_server_version().major >= 14:
            query["idle_session_timeout"] = str(LEFTOVER_TIMEOUT)
        return urlunsplit(("postgres", self._parts.netloc, self._parts.path, urlencode(query), ""))

    async def _with_connection(self, work: Callable[[Any], Awaitable[T]], *, missing: Any = ...) -> T:
        """Run `work` on a separate connection; returns `missing` if the tables do not exist yet."""
        try:
            import asyncpg
        except ModuleNotFoundError:
            raise ProviderError(
                "PostgreSQL needs the driver asyncpg: install Rookery with its extra `postgres`"
            ) from None

        async def main() -> T:
            connection = await asyncpg.connect(self._dsn, timeout=TIMEOUT, command_timeout=TIMEOUT)
            try:
                return await work(connection)
            finally:
                await connection.close(timeout=TIMEOUT)

        def run() -> T:
            # A separate loop: the host program's asyncio policy must not matter.
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                return runner.run(main())

        try:
            return await trio.to_thread.run_sync(run, abandon_on_cancel=True, limiter=self._limiter)
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            if missing is ...:
                raise
            answer: T = missing
            return answer
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise ProviderError(f"the database of the devices' keys fails: {type(error).__name__}: {error}") from None


def open_devices(data_dir: Path, database_url: str | None, schema: str) -> DeviceStore:
    """PostgreSQL when there is a URL, files otherwise. Raises InvalidInput."""
    return PostgresDevices(database_url, schema) if database_url else SqliteDevices(data_dir / "whatsapp")
