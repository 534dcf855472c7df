"""Finds the store that a URL names, to open or to inspect it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..errors import InvalidInput, SecretKeyError, StoreError
from .contract import Store
from .inspection import StoreFacts
from .secrets import SecretBox, load_or_create_key
from .sqlite.inspection import inspect_sqlite
from .sqlite.store import MemoryStore, SqliteStore

__all__ = ["MemoryStore", "SqliteStore", "inspect_store", "store_from_url"]

FORMS = "sqlite:///relative/path.db, sqlite:////absolute/path.db, memory: or postgresql://user@host/database"


def store_from_url(
    url: str,
    *,
    secret_key: str | None = None,
    wait: float = 0.0,
    full_sync: bool = False,
    clock: Callable[[], float] = time.time,
) -> Store:
    """The store that `url` names; not opened yet.

    Args:
        url: `sqlite:///relative.db`, `sqlite:////absolute.db`, `memory:` (or `sqlite://`), `postgresql://...`.
        secret_key: one or several keys, comma separated, newest first. Without it SQLite
            keeps a generated key beside the database, in `<name>.key`.
        wait: seconds to wait for another engine that has the SQLite file open.
        full_sync: SQLite only: survive a power cut too.
        clock: SQLite only: wall clock, seconds since the epoch. PostgreSQL has its own.

    Raises:
        InvalidInput: the URL does not name a store.
        SecretKeyError: there is no key and none may be generated, or the key file cannot be used.
        StoreError: the directory does not exist and cannot be created.
    """
    scheme, separator, rest = url.partition(":")
    if url in ("memory:", "memory://", "sqlite://", "sqlite:", "sqlite:///:memory:"):
        return MemoryStore(SecretBox.from_text(secret_key) if secret_key else None, clock=clock)
    if scheme == "sqlite" and rest.startswith("///") and len(rest) > 3:
        path = Path(rest[3:])
        return SqliteStore(path, _secrets_beside(path, secret_key), wait=wait, full_sync=full_sync, clock=clock)
    if scheme in ("postgresql", "postgres") and rest.startswith("//"):
        check_postgres_url(url)
        return _postgres(url, SecretBox.from_text(secret_key))
    # The error does not show the URL itself: it may contain a password.
    named = f"a store of kind {scheme!r}" if separator else "this text"
    raise InvalidInput(f"cannot make a store from {named}: use {FORMS}", field="store")


async def inspect_store(url: str, secret_key: str | None) -> StoreFacts:
    """The facts of the store that `url` names. The caller sets the deadline.

    Raises:
        StoreError, SecretKeyError, InvalidInput: the store cannot be read; the message says why.
    """
    if url.startswith("sqlite:///"):
        return inspect_sqlite(Path(url.removeprefix("sqlite:///")), secret_key)
    from .postgres.inspection import inspect_postgres

    return await inspect_postgres(url, SecretBox.from_text(secret_key))


def check_postgres_url(url: str) -> None:
    """Raises InvalidInput, without the URL: it may contain a password."""
    why = ""
    try:
        parts = urlsplit(url)
        if parts.port == 0:
            why = "0 is no port"
    except ValueError as error:
        text = str(error)
        why = (
            "a port is a number from 1 to 65535"
            if "ort " in text
            else "its host is malformed (IPv6 addresses stand in [])"
        )
    else:
        if any(sign <= " " for sign in url):
            why = "it holds a space or a control character"
        try:
            unquote(url, errors="strict").encode()
        except UnicodeError:
            why = "it is not UTF-8 in percent-encoding"
    if why:
        raise InvalidInput(
            f"the address of PostgreSQL cannot be used: {why}; it has the form "
            "postgresql://user:password@host:5432/database, with special characters in percent-encoding",
            field="store",
        )


def _postgres(url: str, secrets: SecretBox) -> Store:
    try:
        from .postgres.store import PostgresStore
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise
        raise InvalidInput(
            "PostgreSQL needs the driver asyncpg: install Rookery with its extra `postgres`", field="store"
        ) from None
    return PostgresStore(url, secrets)


def _secrets_beside(database: Path, secret_key: str | None) -> SecretBox:
    if secret_key:
        return SecretBox.from_text(secret_key)
    file = database.with_name(database.name + ".key")
    if not file.exists() and database.exists() and database.stat().st_size > 0:
        raise SecretKeyError(
            f"the database {database} exists but its key file {file} does not: put the file back, or set "
            f"`secret_key` to the key that was used"
        )
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot create the directory {file.parent} ({error.strerror})") from None
    return SecretBox([load_or_create_key(file)])
