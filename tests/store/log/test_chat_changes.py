"""What happened to the messages of chats: the newest counts, and finding it reads no other entries."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rookery.model.chat import ChatEntry
from rookery.model.content import Content, Edit, Read, Typing
from rookery.model.message import MessageState, OutboundMessage, Receipt, SendOutcome
from rookery.model.session import Lease
from rookery.store.contract import Store
from rookery.store.rows import chats as sql
from rookery.store.sqlite.database.dialect import fetch_all
from rookery.store.sqlite.store import SqliteStore
from store.backends import SqliteBackend
from store.building import all_events, counted_steps, create_and_claim, event, message


async def send(store: Store, lease: Lease, *contents: Content) -> list[OutboundMessage]:
    """Sends to the chat 7 that the platform accepted, a second apart."""
    sends = [message(to="7", content=content, created_at=10.0 + at) for at, content in enumerate(contents)]
    await store.enqueue_batch(sends, pending_limit=100, lease=lease)
    outcomes = [
        SendOutcome(id=one.id, state=MessageState.SENT, at=99.0, receipt=Receipt("1", 99.0, "7")) for one in sends
    ]
    await store.record_sends(lease, outcomes)
    return sends


async def test_the_newest_changes_to_last_messages_count(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "ABOUT_LAST_SENDS", sql.ABOUT_LAST_SENDS.replace("LIMIT 5000", "LIMIT 2"))
    lease = await create_and_claim(store)
    edits = await send(store, lease, *(Edit(message_id="55", text=f"version {number}") for number in range(4)))
    _, sends = await store.about_last("shop", [("7", "55", 0.0)])
    assert [one.id for _, one in sends] == [one.id for one in edits[2:]], "the newest, in order"


async def test_reading_and_typing_take_no_place_of_an_edit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "ABOUT_SENDS", sql.ABOUT_SENDS.replace("LIMIT 1000", "LIMIT 2"))
    lease = await create_and_claim(store)
    edit, *_ = await send(
        store, lease, Edit(message_id="55", text="better"), Read(message_id="55"), Typing(), Read(message_id="56")
    )
    _, sends = await store.about_messages("shop", "7", ["55"], since=0.0)
    assert [one.id for one in sends] == [edit.id]


async def test_a_list_of_chats_reads_only_what_is_about_their_last_messages(tmp_path: Path) -> None:
    """Counted in SQLite's instructions, which do not depend on the machine's load: frequent reactions slow nothing down."""
    backend = SqliteBackend(tmp_path / "rookery.db")
    store = backend.make()
    assert isinstance(store, SqliteStore)
    async with store.open():
        lease = await create_and_claim(store)
        chats = [f"c{number}" for number in range(20)]
        for chat in chats:
            await store.append(lease, [event(f"{chat} {n}", type="reaction", chat=chat) for n in range(50)], None)
        entries = [
            ChatEntry(one.id, lease.uid, one.chat or "", 1.0, "reaction", f"old {one.id}")
            for one in await all_events(store)
        ]
        await store.write_chats(entries, [], position=None)
        with closing(sqlite3.connect(backend.path)) as connection, counted_steps(connection) as steps:
            values = (lease.uid, chats, ["55"] * len(chats))
            assert fetch_all(connection, sql.ABOUT_LAST_EVENTS, *values) == []
            for_events = steps()
            assert fetch_all(connection, sql.ABOUT_LAST_SENDS, *values) == []
            for_sends = steps()
            plan = " | ".join(
                row[3] for row in fetch_all(connection, f"EXPLAIN QUERY PLAN {sql.ABOUT_LAST_EVENTS}", *values)
            )
        assert "chat_entries_message (uid=? AND chat=? AND message_id=?)" in plan
        assert 0 < 100 * for_events < 20_000, f"{len(chats)} chats"
        assert 0 < 100 * for_sends < 20_000, f"{len(chats)} chats"
