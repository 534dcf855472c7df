"""Every change of a session's status has to be in the event log: looked at whenever a test's store is closed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Any

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
