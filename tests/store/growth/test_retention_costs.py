"""Retention on SQLite: what stays holds no writer up, however much it is, and every step is limited."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rookery.model.key import AuditEntry
from rookery.model.message import MessageState
from rookery.store.contract import Store
from store.backends import SqliteBackend
from store.building import all_events, create_and_claim, event, message, new_session, sqlite_steps, webhook

OLD, NOW = 1000.0, 9e9


async def held_events(store: Any, size: int) -> None:
    """Old events that a webhook has not got, before old ones that nothing needs."""
    lease = await create_and_claim(store)
    await store.create_webhook(webhook(events=("held",)))
    await store.append(lease, [event(f"held-{n}", type="held") for n in range(size)], None)
    await store.append(lease, [event(f"free-{n}") for n in range(20)], None)


async def scheduled_sends(store: Any, size: int) -> None:
    """Sends that were scheduled long ago, before old ones that are over."""
    await store.create_session(new_session())
    sends = [message(state=MessageState.SCHEDULED, send_at=NOW) for _ in range(size)]
    await store.enqueue_batch(sends, pending_limit=size)
    done = [message(updated_at=OLD + 1) for _ in range(20)]
    await store.enqueue_batch(done, pending_limit=size)
    for one in done:
        await store.cancel_message(one.id, now=OLD + 2)


async def audit(store: Any, size: int) -> None:
    """More entries than are kept, none of them old."""
    entries = [AuditEntry(at=NOW, key="k", call="x", session=None, target=None, outcome=200)] * (size + 20)
    await store.append_audit(entries)


async def chats(store: Any, size: int) -> None:
    """A chat with a retention of its own and many young messages beside old ones; many old chats that are not empty."""
    lease = await create_and_claim(store)

    def write(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO chats (uid, chat, last_at, retention) VALUES (?, '7', 9e9, 100)", (lease.uid,))
        rows = [
            (number, lease.uid, OLD if number <= 20 else NOW, role)
            for number, role in ((n, "in" if n % 2 else "edit") for n in range(1, size + 21))
        ]
        connection.executemany(
            "INSERT INTO events (id, uid, epoch, key, session, platform, type, time, chat, body, raw, stored_at) "
            "VALUES (?1, ?2, 0, ?1, 'shop', 'telegram', 'message', ?3, '7', x'7b7d', x'7b7d', ?3)",
            [row[:3] for row in rows],
        )
        connection.executemany(
            "INSERT INTO chat_entries (event, message_id, uid, chat, at, role) VALUES (?1, ?1, ?2, '7', ?3, ?4)", rows
        )
        connection.executemany(
            "INSERT INTO chats (uid, chat, last_at) VALUES (?, ?, 1)",
            [(lease.uid, f"{'busy' if n < size else 'empty'}-{n}") for n in range(size + 20)],
        )
        connection.execute(
            "INSERT INTO chat_entries (event, message_id, uid, chat, at, role) "
            "SELECT 21, chat, uid, chat, 9e9, 'in' FROM chats WHERE chat LIKE 'busy-%'"
        )

    await store._write(lambda database: write(database.connection))


STEPS: dict[str, tuple[Callable[[Any, int], Awaitable[None]], Callable[[Any], Awaitable[int]]]] = {
    "events": (held_events, lambda store: store.prune_events(before=NOW, limit=10)),
    "sends": (scheduled_sends, lambda store: store.prune_messages(before=OLD + 10, limit=10)),
    "audit": (audit, lambda store: store.prune_audit(before=0.0, keep=10, limit=10)),
    "chats": (chats, lambda store: store.tidy_chats(now=NOW, before=NOW, limit=10)),
}


@pytest.mark.parametrize("kind", STEPS)
async def test_a_step_of_retention_holds_the_writer_for_what_it_deletes(kind: str, tmp_path: Path) -> None:
    """Counted in SQLite's own steps of the writer, in hundreds; `size` rows stay."""
    fill, delete = STEPS[kind]
    taken = []
    for size in (200, 4_000):
        store = SqliteBackend(tmp_path / f"{size}.db").make()
        gone = 0

        async def count() -> None:
            nonlocal gone
            gone = await delete(store)  # noqa: B023

        async with store.open():
            await fill(store, size)
            taken.append(await sqlite_steps(store, count))
            assert gone == 10
            assert await delete(store) == 10
    assert taken[1] <= 1.5 * taken[0] + 3, taken


async def test_dead_letters_are_deleted_without_another_search_of_the_log(tmp_path: Path) -> None:
    """Each step that deletes letters costs what they cost, however long the log is."""
    taken = []
    for size in (50, 6_000):
        store: Any = SqliteBackend(tmp_path / f"{size}.db").make(clock=lambda: NOW)
        async with store.open():
            lease = await create_and_claim(store)
            await store.append(lease, [event(f"young-{n}") for n in range(size)], None)
            await store.create_webhook(webhook())
            hook = await store._read(lambda connection: connection.execute("SELECT number FROM webhooks").fetchone()[0])
            letters = [(n, hook) for n in range(1, 41)]
            await store._write(
                lambda database: (
                    database.connection.executemany(
                        "INSERT INTO dead_letters VALUES (?, ?, 'shop/7', 1, 'no', 1)",
                        letters,  # noqa: B023
                    )
                    and None
                )
            )
            assert await store.prune_events(before=NOW - 1, limit=10) == 10
            assert await store.prune_events(before=NOW - 1, limit=10) == 10
            taken.append(await sqlite_steps(store, lambda: store.prune_events(before=NOW - 1, limit=10)))  # noqa: B023
    assert taken[1] <= taken[0] + 1, taken


async def test_chats_are_tidied_in_steps(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.append(lease, [event(n) for n in range(5)], None)
    from rookery.model.chat import ChatEntry, ChatNews

    log = await all_events(store)
    roles = ("in", "edit", "in", "reaction", "out")
    entries = [ChatEntry(one.id, lease.uid, "7", 1000.0, role, "m") for one, role in zip(log, roles, strict=True)]
    news = [ChatNews(uid=lease.uid, chat=chat, last_at=1000.0) for chat in ("7", "8", "9")]
    await store.write_chats(entries, news, position=log[-1].id)
    await store.keep_chat("shop", "7", 100.0)
    done = message(to="7", created_at=1001.0)
    await store.enqueue(done, pending_limit=10)
    await store.cancel_message(done.id, now=1.0)
    assert [await store.tidy_chats(now=5000.0, before=5000.0, limit=3) for _ in range(4)] == [3, 3, 2, 0]
    assert await all_events(store) == []
    assert [one.chat for one in await store.list_chats("shop", after=None, limit=9)] == ["7"]


async def test_the_audit_log_is_pruned_in_steps(store: Store) -> None:
    entries = [AuditEntry(at=n, key="k", call="x", session=None, target=None, outcome=200) for n in range(10)]
    await store.append_audit(entries)
    assert [await store.prune_audit(before=2.0, keep=3, limit=4) for _ in range(3)] == [4, 3, 0]
