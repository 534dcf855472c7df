"""Reads the facts of a SQLite store without changing it, even beside a running engine. See `store.inspection`."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from ...errors import StoreError
from ..inspection import StoreFacts, clock_difference, fits
from ..migrations import load_migrations
from ..secrets import SecretBox
from .database.connection import LATEST_TIME


def inspect_sqlite(path: Path, secret_key: str | None) -> StoreFacts:
    """Reads only. Raises StoreError, SecretKeyError."""
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
            latest = database.execute(LATEST_TIME).fetchone()[0] or 0.0
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
        clock_ahead=ahead if (ahead := clock_difference(latest)) > 0 else None,
    )


def _holder(lock: Path) -> str | None:
    """The process that has the database open."""
    with suppress(OSError), open(lock, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return os.fsdecode(file.read(20)).strip() or "another process"
    return None
