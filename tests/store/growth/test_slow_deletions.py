"""A transaction that deletes from SQLite ends soon also where each row takes long: on a slow disk, beside other work."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rookery.model.chat import ChatEntry, ChatNews
from rookery.model.key import AuditEntry
from rookery.store.pieces import FIRST, PARTS, PIECE_SECONDS, in_pieces
from store.backends import SqliteBackend
from store.building import all_events, create_and_claim, event, message, webhook

ROWS = 2 * FIRST
PART = -(-FIRST // PARTS)
MOST = 2 * PART
"""Rows of two parts: at this pace, the time is over within the second one."""
OLD, NOW = 1000.0, 9e9


async def fill(store: Any) -> None:
    """Of everything that is deleted, so many rows."""
    lease = await create_and_claim(store)
    await store.create_webhook(webhook())
    await store.append(lease, [event(number) for number in range(ROWS)], None)
    log = await all_events(store)
    entries = [ChatEntry(one.id, lease.uid, "7", OLD, "in", f"m{one.id}") for one in log]
    await store.write_chats(
        entries, [ChatNews(uid=lease.uid, chat=f"{n}", last_at=OLD) for n in range(ROWS)], position=None
    )
    sends = [message(to="7", created_at=OLD) for _ in range(ROWS)]
    await store.enqueue_batch(sends, pending_limit=ROWS)
    audit = [AuditEntry(at=OLD, key="k", call="x", session=None, target=None, outcome=200)] * ROWS
    await store.append_audit(audit)


async def prune_events(store: Any) -> None:
    await store.delete_webhook("hook")
    await in_pieces(lambda limit: store.prune_events(before=NOW, limit=limit))


async def prune_messages(store: Any) -> None:
    await store._write(lambda database: database.connection.execute("UPDATE messages SET state = 'sent'") and None)
    await in_pieces(lambda limit: store.prune_messages(before=NOW, limit=limit))


async def prune_audit(store: Any) -> None:
    await in_pieces(lambda limit: store.prune_audit(before=NOW, keep=0, limit=limit))


async def tidy_events(store: Any) -> None:
    await store.delete_webhook("hook")
    await store.keep_chat("shop", "7", 1.0)
    await in_pieces(lambda limit: store.tidy_chats(now=NOW, before=0.0, limit=limit))


async def erase_chat(store: Any) -> None:
    erased = await store.erase_chat("shop", "7")
    assert (erased.events, erased.messages) == (ROWS, ROWS)


DELETIONS: dict[str, tuple[str, Callable[[Any], Awaitable[None]]]] = {
    "events": ("events", prune_events),
    "sends": ("messages", prune_messages),
    "audit entries": ("audit", prune_audit),
    "events of a chat that keeps them for a while": ("events", tidy_events),
    "events of a chat": ("events", erase_chat),
    "sends of a chat": ("messages", erase_chat),
    "a webhook": ("deliveries", lambda store: store.delete_webhook("hook")),
    "a session": ("messages", lambda store: store.delete_session("shop")),
}


@pytest.mark.parametrize("kind", DELETIONS)
async def test_a_transaction_with_slow_rows_ends_early_and_all_are_deleted(kind: str, tmp_path: Path) -> None:
    table, delete = DELETIONS[kind]
    store: Any = SqliteBackend(tmp_path / "rookery.db").make()
    transactions = [0]

    def slow() -> None:
        transactions[-1] += 1
        time.sleep(1.01 * PIECE_SECONDS / PART)

    def statement(text: str) -> None:
        if text.startswith("BEGIN"):
            transactions.append(0)

    def prepare(connection: sqlite3.Connection) -> None:
        connection.create_function("slow", 0, slow)
        connection.execute(f"CREATE TEMP TRIGGER slow_rows BEFORE DELETE ON main.{table} BEGIN SELECT slow(); END")
        connection.set_trace_callback(statement)

    async with store.open():
        await fill(store)
        await store._write(lambda database: prepare(database.connection))
        await delete(store)
        assert sum(transactions) == ROWS
        assert max(transactions) <= MOST, transactions
        count = f"SELECT count(*) FROM {table}"
        assert await store._read(lambda connection: connection.execute(count).fetchone()[0]) == 0
