"""Every change of a session's status has to be in the event log: looked at whenever a test's store is closed, and whenever
a server process of a test has ended."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import trio

from rookery.errors import StoreUnavailable
from rookery.model.event import EventQuery
from rookery.model.session import HISTORY_LENGTH, STATUS_CHANGED, SessionQuery
from rookery.store.contract import Store
from rookery.store.postgres.store import PostgresStore
from rookery.store.sqlite.store import SqliteStore

SECONDS = 5.0
"""For another engine on the same database to write both."""


@contextmanager
def changes_are_matched() -> Iterator[None]:
    """Inside, closing a store fails when a change of status in a history is not one `session.status` event, or twice."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in (SqliteStore, PostgresStore):
            patch.setattr(kind, "open", _checked(kind.open))
            patch.setattr(kind, "prune_events", _noted(kind.prune_events))
            patch.setattr(kind, "delete_session", _noted(kind.delete_session))
        yield


def _checked(
    opened: Callable[..., AbstractAsyncContextManager[Any]],
) -> Callable[..., AbstractAsyncContextManager[Any]]:
    @asynccontextmanager
    async def open(store: Store) -> AsyncIterator[Any]:
        async with opened(store) as result:
            yield result
            # A scope that is cancelled, as that of a test that cancels an engine, lets nothing be read.
            if trio.current_effective_deadline() > -float("inf") and "prune_events" not in removals(store):
                with suppress(StoreUnavailable):  # tests of a database that has gone can tell nothing of its log
                    await check(store)

    return open


def _noted(method: Callable[..., Any]) -> Callable[..., Any]:
    """From then on the log holds less or more than the histories: events were pruned, or a session deleted."""

    async def call(store: Any, *arguments: Any, **conditions: Any) -> int:
        count: int = await method(store, *arguments, **conditions)
        if count:
            store.removals = getattr(store, "removals", frozenset()) | {method.__name__}
        return count

    return call


async def check(store: Store) -> None:
    """Raises AssertionError: a change without an event, or an event without a change."""
    for session in await type(store).list_sessions(store, SessionQuery(limit=100_000)):
        deadline = trio.current_time() + SECONDS
        while (difference := await _difference(store, session.id)) and store.shared:
            if trio.current_time() > deadline:
                break
            await trio.sleep(0.05)
        assert not difference, difference


def removals(store: Store) -> frozenset[str]:
    """What was called with success: `prune_events`, `delete_session`."""
    return getattr(store, "removals", frozenset())


async def _difference(store: Store, session: str) -> str | None:
    read = type(store)  # not what a test has put in the place of this store's methods
    history = [
        (one.status.value, one.reason.value, one.detail, one.at) for one in reversed(await read.history(store, session))
    ]
    events = [
        (event.body["status"], event.body["reason"], event.body["detail"], event.time)
        for event in await read.read_events(store, EventQuery(session=session, types=(STATUS_CHANGED,), limit=100_000))
    ]
    if len(history) == HISTORY_LENGTH or "delete_session" in removals(store):
        events = events[len(events) - len(history) :]  # those before tell of more, or of a session that had the same id
    if events == history:
        return None
    return f"session {session}: the history {history} is not what the log tells: {events}"


_HISTORY = """
    SELECT s.id, h.status, h.reason, h.detail, h.at FROM {}history AS h JOIN {}sessions AS s ON s.uid = h.uid
    ORDER BY h.seq"""
_EVENTS = """
    SELECT s.id, e.body, e.time FROM {}events AS e JOIN {}sessions AS s ON s.uid = e.uid
    WHERE e.type = 'session.status' ORDER BY e.id"""


async def check_stored(data_dir: Path, environment: Mapping[str, str]) -> None:
    """The same of what a server process has left, however it ended. What cannot be read, because a test has broken or taken
    away the database, is left out. Raises AssertionError."""
    url = environment.get("DATABASE_URL")
    file = data_dir / "rookery.db"
    try:
        if url is not None:
            history, events = await trio.to_thread.run_sync(lambda: asyncio.run(_postgres_rows(url)))
        elif file.exists():
            history, events = await trio.to_thread.run_sync(_sqlite_rows, file)
        else:
            return
    except (sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return
    changes: dict[str, list[Any]] = defaultdict(list)
    told: dict[str, list[Any]] = defaultdict(list)
    for id, *change in history:
        changes[id].append(tuple(change))
    for id, body, time in events:
        fields = json.loads(body)
        told[id].append((fields["status"], fields["reason"], fields["detail"], time))
    pruned = any("RETENTION" in name for name in environment)
    for id, expected in changes.items():
        found = told[id]
        if len(expected) == HISTORY_LENGTH:
            found = found[-HISTORY_LENGTH:]
        if pruned:
            expected = expected[len(expected) - min(len(expected), len(found)) :]
        assert found == expected, f"session {id}: the history {expected} is not what the log tells: {found}"


_Rows = tuple[Sequence[Any], Sequence[Any]]


def _sqlite_rows(file: Path) -> _Rows:
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        connection.execute("BEGIN")
        return (
            connection.execute(_HISTORY.format("", "")).fetchall(),
            connection.execute(_EVENTS.format("", "")).fetchall(),
        )
    finally:
        connection.close()


async def _postgres_rows(url: str) -> _Rows:
    url, _, schema = url.partition("?schema=")
    connection = await asyncpg.connect(url, timeout=5, statement_cache_size=0)
    try:
        place = f"{schema or 'rookery'}."
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            history = await connection.fetch(_HISTORY.format(place, place), timeout=10)
            return history, await connection.fetch(_EVENTS.format(place, place), timeout=10)
    finally:
        await connection.close()
