"""Which messages a session sent itself, and which were reported outside a history."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rookery.errors import NotFound
from rookery.model.chat import ChatEntry
from rookery.model.message import MessageState, Receipt, SendOutcome
from rookery.store.contract import Store
from rookery.store.rows import chats as sql
from rookery.store.sqlite.database.dialect import fetch_all
from store.backends import SqliteBackend
from store.building import all_events, create_and_claim, event, message


async def test_sends_are_found_by_their_message_id_in_every_state(store: Store) -> None:
    lease = await create_and_claim(store)
    other = await create_and_claim(store, "other")
    states = (MessageState.SENT, MessageState.DELIVERED, MessageState.READ)
    for number, state in enumerate(states):
        sent, _ = await store.enqueue(message(), pending_limit=10)
        receipt = Receipt(str(number), 2.0, "7")
        await store.record_sends(lease, [SendOutcome(id=sent.id, state=MessageState.SENT, at=2.0, receipt=receipt)])
        if state is not MessageState.SENT:
            await store.record_sends(lease, [SendOutcome(id=sent.id, state=state, at=3.0)])
    foreign, _ = await store.enqueue(message("other"), pending_limit=10)
    receipt = Receipt("foreign", 2.0, "7")
    await store.record_sends(other, [SendOutcome(id=foreign.id, state=MessageState.SENT, at=2.0, receipt=receipt)])
    asked = [("7", id) for id in ("0", "1", "2", "foreign", "unknown")] + [("8", "0")]
    assert await store.sent_among("shop", asked) == {("7", "0"), ("7", "1"), ("7", "2")}
    with pytest.raises(NotFound):
        await store.sent_among("nobody", asked)


async def test_messages_of_a_history_do_not_count_as_reported(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.append(
        lease,
        [
            event("a", type="history.message"),
            event("b", type="history.message"),
            event("b again"),
            event("c", chat="8"),
            event("a unread", type="unread"),
            event("d", type="reaction"),
        ],
        None,
    )
    entries = [
        ChatEntry(one.id, lease.uid, one.chat or "", 1.0, "reaction" if one.key == "d" else "in", one.key[0])
        for one in await all_events(store)
    ]
    await store.write_chats(entries, [], position=None)
    asked = [("7", id) for id in "abcd"] + [("8", "c")]
    assert await store.reported_among("shop", asked, besides=("history.message", "unread")) == {("7", "b"), ("8", "c")}


async def test_both_questions_are_answered_from_an_index(tmp_path: Path) -> None:
    backend = SqliteBackend(tmp_path / "rookery.db")
    async with backend.make().open():
        with closing(sqlite3.connect(backend.path)) as connection:
            for statement, more, index in (
                (sql.SENT_AMONG, (), "messages_receipt (uid=? AND <expr>=?)"),
                (
                    sql.REPORTED_AMONG,
                    (["history.message"],),
                    "chat_entries_message (uid=? AND chat=? AND message_id=?)",
                ),
            ):
                rows = fetch_all(connection, f"EXPLAIN QUERY PLAN {statement}", 1, ["7"], ["1"], *more)
                assert index in json.dumps([row[3] for row in rows])
