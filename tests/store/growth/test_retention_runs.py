"""A run of retention deletes everything that is due, and nothing that is not, however it was interrupted."""

from __future__ import annotations

from typing import Any

import pytest

from rookery.model.chat import ChatEntry, ChatNews
from rookery.model.key import AuditEntry, AuditQuery
from rookery.model.message import MessageQuery
from rookery.store.contract import Store
from rookery.store.pieces import in_pieces
from rookery.store.sqlite.chats import chats
from store.building import all_events, create_and_claim, event, message

NOW = 5000.0


async def tidy_all(store: Store, now: float = NOW) -> None:
    await in_pieces(lambda limit: store.tidy_chats(now=now, before=now, limit=limit))


async def old_sends(store: Store, count: int) -> None:
    """Sends to a chat that are over."""
    await create_and_claim(store)
    sends = [message(to="7", created_at=1000.0) for _ in range(count)]
    await store.enqueue_batch(sends, pending_limit=count)
    for one in sends:
        await store.cancel_message(one.id, now=1001.0)


async def old_events(store: Store, count: int, mentions: int = 1) -> None:
    """Events of a chat, each about `mentions` messages."""
    lease = await create_and_claim(store)
    await store.append(lease, [event(number) for number in range(count)], None)
    log = await all_events(store)
    entries = [
        ChatEntry(one.id, lease.uid, "7", 1000.0, "receipt", f"m{number}") for one in log for number in range(mentions)
    ]
    news = [ChatNews(uid=lease.uid, chat="7", last_at=1000.0)]
    await store.write_chats(entries, news, position=log[-1].id)


async def sends_left(store: Store) -> int:
    return len(await store.list_messages(MessageQuery(session="shop", limit=1000)))


async def test_one_run_deletes_all_sends_that_outlived_their_chats_retention(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chats, "FOUND", 20)
    await old_sends(store, 75)
    await store.keep_chat("shop", "7", 1.0)
    await tidy_all(store)
    assert await sends_left(store) == 0


async def test_one_run_deletes_all_events_though_each_is_found_once_for_each_message(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chats, "FOUND", 20)
    await old_events(store, 40, mentions=3)
    await store.keep_chat("shop", "7", 1.0)
    await tidy_all(store)
    assert await all_events(store) == []


async def test_one_run_deletes_all_empty_chats(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chats, "FOUND", 20)
    lease = await create_and_claim(store)
    news = [ChatNews(uid=lease.uid, chat=f"c{number}", last_at=1000.0) for number in range(75)]
    await store.write_chats([], news, position=None)
    await tidy_all(store)
    assert await store.list_chats("shop", after=None, limit=100) == []


@pytest.mark.parametrize("now", [NOW, NOW + 300])
async def test_what_a_broken_run_had_found_stays_when_the_chat_is_to_be_kept_now(store: Store, now: float) -> None:
    """Also when the clock shows the same."""
    await old_events(store, 20)
    sends = [message(to="7", created_at=1000.0) for _ in range(20)]
    await store.enqueue_batch(sends, pending_limit=20)
    for one in sends:
        await store.cancel_message(one.id, now=1001.0)
    await store.keep_chat("shop", "7", 1.0)
    assert await store.tidy_chats(now=NOW, before=0.0, limit=5) == 5
    await store.keep_chat("shop", "7", None)
    await tidy_all(store, now)
    assert (len(await all_events(store)), await sends_left(store)) == (15, 20)


async def test_what_a_broken_run_had_found_stays_when_the_chat_is_kept_for_longer_now(store: Store) -> None:
    await old_events(store, 20)
    await store.keep_chat("shop", "7", 1.0)
    assert await store.tidy_chats(now=NOW, before=0.0, limit=5) == 5
    await store.keep_chat("shop", "7", 3999.0)
    await in_pieces(lambda limit: store.tidy_chats(now=NOW - 1, before=0.0, limit=limit))
    assert len(await all_events(store)) == 15
    await tidy_all(store, NOW + 1)
    assert await all_events(store) == []


async def test_more_audit_entries_that_are_to_be_kept_than_when_a_run_broke_off_stay(store: Store) -> None:
    entry: dict[str, Any] = {"key": "k", "call": "x", "session": None, "target": None, "outcome": 200}
    await store.append_audit([AuditEntry(at=1000.0 + number, **entry) for number in range(30)])
    assert await store.prune_audit(before=0.0, keep=10, limit=5) == 5
    await in_pieces(lambda limit: store.prune_audit(before=1.0, keep=25, limit=limit))
    assert len(await store.read_audit(AuditQuery(limit=100))) == 25
