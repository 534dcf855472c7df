"""Translates errors of asyncpg and PostgreSQL into ours. Text that may quote a value is never passed on."""

from __future__ import annotations

import asyncpg

from ....errors import InvalidInput, RookeryError, StoreError, StoreUnavailable

REPEATABLE = frozenset(
    {
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "23503",  # foreign_key_violation: a webhook or session was deleted at the same moment
    }
)
"""The transaction conflicted with another one and was rolled back; the next attempt sees the other's changes."""

_PGBOUNCER = (
    "prepared statements do not work through this connection: with PgBouncer in transaction mode add "
    "statement_cache_size=0 to the database's URL, or set max_prepared_statements there (1.21 or newer)"
)

_PASSING = {
    "25006": "the database is read-only: a standby, or a failover is going on",
    "53100": "the disk of the database server is full",
    "53200": "the database server is out of memory",
    "53300": "the database server has no connections left",
    "53400": "the database server has reached a configured limit",
    "57014": "a statement took too long",
    "57P01": "the database server is shutting down",
    "57P02": "the database server has crashed",
    "57P03": "the database server is starting or stopping",
    "55P03": "a lock was not granted in time",
    "58030": "the disk of the database server does not work properly",
}
_LASTING = {
    "3D000": "there is no such database: create it first",
    "42501": "the database user may not do this: it has to own the schema",
    "3F000": "the schema is missing",
    "42P01": "a table is missing: was the schema changed by hand?",
    "42883": "a function is missing: was the schema changed by hand?",
    "42P05": _PGBOUNCER,
    "26000": _PGBOUNCER,
    "XX001": "the database is damaged",
    "XX002": "the database is damaged",
}


def translate(error: BaseException) -> BaseException:
    """The error that callers see; `error` itself when it is ours, a cancellation or a bug."""
    if isinstance(error, RookeryError):
        return error
    if isinstance(error, asyncpg.PostgresError):
        return _from_server(error)
    if isinstance(error, (UnicodeEncodeError, OverflowError, asyncpg.DataError)):
        return InvalidInput("text with a lone surrogate, or a number beyond 64 bits, cannot be stored")
    if isinstance(error, TimeoutError):
        return StoreUnavailable("the database did not answer in time")
    if isinstance(error, OSError):
        return StoreUnavailable(f"the database cannot be reached: {error.strerror or type(error).__name__}")
    if isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError)):
        # A connection broke, idle or in use: the next attempt gets a new one.
        return StoreUnavailable(f"the connection to the database was lost ({type(error).__name__})")
    return error


def _from_server(error: asyncpg.PostgresError) -> RookeryError:
    state: str = getattr(error, "sqlstate", None) or ""
    if state in _PASSING:
        return StoreUnavailable(_PASSING[state])
    if state in _LASTING:
        return StoreError(_LASTING[state])
    if state in REPEATABLE:
        return StoreUnavailable("conflicts with other transactions, several times")
    if state.startswith("08"):
        return StoreUnavailable("the connection to the database was lost")
    if state.startswith("28"):
        return StoreError("the database does not accept this user or password")
    if state.startswith("22"):
        return InvalidInput("text with a NUL character, or a number that is too large, cannot be stored")
    # The message only: detail and context may quote rows.
    return StoreError(f"the database refused: {str(error).splitlines()[0]} ({state})")
