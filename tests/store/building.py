"""Short ways to make what the store tests store."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

from rookery.model.content import Text
from rookery.model.event import Event, EventQuery, NewEvent
from rookery.model.message import MessageState, OutboundMessage
from rookery.model.session import Health, Lease, Reason, Session, SessionStatus, StatusWrite
from rookery.model.webhook import Webhook
from rookery.store.contract import Store

TOKEN = "123456:THE-TOKEN-THAT-MUST-NOT-BE-ON-DISK"
HOOK_SECRET = "whsec_THE-HOOK-SECRET-THAT-MUST-NOT-BE-ON-DISK"

_numbers = count(1)


def new_session(id: str = "shop", **changes: Any) -> Session:
    """A session as the engine creates it."""
    fields: dict[str, Any] = {
        "id": id,
        "platform": "telegram",
        "name": f"The {id}",
        "enabled": True,
        "health": health(SessionStatus.INITIALIZING, Reason.CREATED),
        "credentials": {"token": TOKEN},
        "settings": {"poll": 50},
        "metadata": {"team": "blue"},
        "created_at": 1000.0,
        "updated_at": 1000.0,
    }
    return Session(**fields | changes)


def health(status: SessionStatus, reason: Reason, detail: str = "", since: float = 1000.0) -> Health:
    return Health(status=status, reason=reason, detail=detail, since=since)


def event(key: object, *, chat: str | None = "7", type: str = "message", epoch: int = 0) -> NewEvent:
    return NewEvent(str(key), type, 1234.5, chat, "9", b'{"text":"hi"}', b'{"update_id":1}', epoch)


def message(session: str = "shop", **changes: Any) -> OutboundMessage:
    fields: dict[str, Any] = {
        "id": f"m{next(_numbers)}",
        "session": session,
        "to": "7",
        "content": Text("hello"),
        "created_at": 1000.0,
        "updated_at": 1000.0,
        "expires_at": 2000.0,
    }
    return OutboundMessage(**fields | changes)


def webhook(id: str = "hook", **changes: Any) -> Webhook:
    fields: dict[str, Any] = {"id": id, "url": "https://example.org/in", "secret": HOOK_SECRET, "created_at": 1000.0}
    return Webhook(**fields | changes)


_numbers = count(1)


async def claim(store: Store, id: str = "shop", *, owner: str = "one", ttl: float = 60.0) -> Lease:
    """Take the lease of this one session, which has to be free."""
    [session] = await store.claim(owner, limit=10, now=time.time(), ttl=ttl, only=[id])
    return Lease(session.id, session.uid, owner, session.fence)


async def create_and_claim(store: Store, id: str = "shop", **changes: Any) -> Lease:
    await store.create_session(new_session(id, **changes))
    return await claim(store, id)


async def take_over(store: Store, lease: Lease, *, owner: str = "two") -> Lease:
    """Another owner takes the session; `lease` is stale afterwards."""
    await store.release(lease)
    return await claim(store, lease.session, owner=owner)


async def all_events(store: Store) -> Sequence[Event]:
    return await store.read_events(EventQuery(limit=1_000_000))


async def event_keys(store: Store) -> list[str]:
    return [event.key for event in await all_events(store)]


async def set_status(
    store: Store, lease: Lease, status: SessionStatus, reason: Reason, *, heeded: int = 0, since: float = 1000.0
) -> set[str]:
    return await store.record_statuses(
        [StatusWrite(lease, health(status, reason, since=since), heeded, next(_numbers))]
    )


async def fill_state(store: Store, lease: Lease, id: str, *states: MessageState) -> None:
    """Move a message through these states."""
    from rookery.model.message import SendOutcome

    for number, state in enumerate(states):
        await store.record_sends(lease, [SendOutcome(id=id, state=state, at=1500.0 + number)])


@contextmanager
def counted_steps(connection: sqlite3.Connection) -> Iterator[Callable[[], int]]:
    """Counts SQLite's own instructions on this connection, in hundreds: no busy machine changes their number. The value
    returns how many there were since its last call."""
    steps = 0

    def count_one() -> int:
        nonlocal steps
        steps += 1
        return 0

    def since_last() -> int:
        nonlocal steps
        found, steps = steps, 0
        return found

    connection.set_progress_handler(count_one, 100)
    try:
        yield since_last
    finally:
        connection.set_progress_handler(None, 0)


async def sqlite_steps(store: Any, work: Callable[[], Awaitable[object]]) -> int:
    """The number of SQLite's own instructions that the writer (in memory: also a reader) runs for `work`, in hundreds."""
    connection: sqlite3.Connection = await store._write(lambda database: database.connection)
    with counted_steps(connection) as steps:
        await work()
        return steps()
