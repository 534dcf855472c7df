"""Looks at a store from outside, without changing anything: for `rookery doctor`, also beside a running engine."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from ..errors import SecretKeyError, StoreError
from .migrations import load_migrations
from .secret_check import check_canary
from .secrets import SecretBox


class StoreFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `key_fits` is None while nothing was ever encrypted there; `clock_ahead` is in seconds, of a database
    with a clock of its own."""

    location: str
    exists: bool
    newest: int  # schema version that this Rookery knows
    version: int = 0
    key_fits: bool | None = None
    sessions: int = 0
    enabled: int = 0
    platforms: Mapping[str, int] = {}  # enabled sessions of each
    used_by: str | None = None  # a process id, or the number of instances
    clock_ahead: float | None = None


async def inspect_store(url: str, secret_key: str | None) -> StoreFacts:
    """The facts of the store that `url` names. The caller sets the deadline.

    Raises:
        StoreError, SecretKeyError, InvalidInput: it cannot be read; the message says why.
    """
    if url.startswith("sqlite:///"):
        return _sqlite(Path(url.removeprefix("sqlite:///")), secret_key)
    from .postgres.inspection import inspect_postgres

    return await inspect_postgres(url, SecretBox.from_text(secret_key))


def fits(canary: str | None, location: str, secrets: SecretBox | None) -> bool | None:
    """Whether the key is the one that the store was used with; None when nothing was stored yet."""
    if canary is None:
        return None
    if secrets is None:
        return False
    try:
        check_canary(canary, location, secrets)
    except SecretKeyError:
        return False
    return True


def _sqlite(path: Path, secret_key: str | None) -> StoreFacts:
    newest = load_migrations("sqlite")[-1].version
    if not path.exists() or path.stat().st_size == 0:
        return StoreFacts(location=str(path), exists=False, newest=newest)
    key_file = path.with_name(path.name + ".key")
    try:
        if not secret_key and key_file.exists():
            secret_key = key_file.read_text(encoding="utf-8").strip()
        secrets = SecretBox.from_text(secret_key) if secret_key else None
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)) as database:
            version = database.execute("SELECT coalesce(max(version), 0) FROM schema_migrations").fetchone()[0]
            canary = database.execute("SELECT value FROM meta WHERE key = 'canary'").fetchone()
            sessions = database.execute("SELECT count(*) FROM sessions").fetchone()[0]
            platforms = dict(
                database.execute("SELECT platform, count(*) FROM sessions WHERE enabled GROUP BY platform").fetchall()
            )
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from None
    return StoreFacts(
        location=str(path),
        exists=True,
        newest=newest,
        version=version,
        key_fits=fits(canary[0] if canary else None, str(path), secrets),
        sessions=sessions,
        enabled=sum(platforms.values()),
        platforms=platforms,
        used_by=_holder(path.with_name(path.name + ".lock")),
    )


def _holder(lock: Path) -> str | None:
    """Who has the database open."""
    with suppress(OSError), open(lock, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return os.fsdecode(file.read(20)).strip() or "another process"
    return None


def clock_difference(theirs: float) -> float:
    """Seconds that their clock is ahead of ours."""
    return theirs - time.time()
