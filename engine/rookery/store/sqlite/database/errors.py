"""Translates SQLite's errors into Rookery's."""

from __future__ import annotations

import sqlite3

from ....errors import InvalidInput, StoreError, StoreUnavailable

_SENTENCES = {
    sqlite3.SQLITE_FULL: "the disk that holds {0} is full",
    sqlite3.SQLITE_BUSY: "another program has {0} locked",
    sqlite3.SQLITE_LOCKED: "another program has {0} locked",
    sqlite3.SQLITE_IOERR: "the disk that holds {0} does not work properly",
    sqlite3.SQLITE_READONLY: "{0} cannot be written: check the permissions of the file and of its directory",
    sqlite3.SQLITE_CANTOPEN: "{0} cannot be opened: its directory has to exist and be writable",
    sqlite3.SQLITE_PERM: "{0} cannot be opened: check its permissions",
    sqlite3.SQLITE_NOTADB: "{0} is not a SQLite database: choose another file",
    sqlite3.SQLITE_CORRUPT: "{0} is damaged: restore a backup, or try `sqlite3 FILE .recover`",
}
_PASSING = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR}


def translate(error: Exception, location: str) -> Exception:
    """The error that callers see: our errors and bugs unchanged, the database's as `StoreError`."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # extended codes carry the basic one in their low byte
        sentence = _SENTENCES.get(code, "{0}: {1}").format(location, error)
        return (StoreUnavailable if code in _PASSING else StoreError)(sentence)
    if isinstance(error, UnicodeEncodeError):
        return InvalidInput("text with a lone surrogate cannot be stored")
    if isinstance(error, OverflowError):
        return InvalidInput("a number beyond 64 bits cannot be stored")
    return error
