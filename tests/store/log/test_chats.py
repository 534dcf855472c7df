"""The view of chats in a store."""

from __future__ import annotations

import pytest

from rookery.errors import NotFound
from rookery.model.chat import NEWEST, ChatEntry, ChatNews, Position
from rookery.model.content import Edit, Read, Text
from rookery.model.event import EventQuery
from rookery.model.message import MessageState, Receipt, SendOutcome
from rookery.model.session import Lease
from rookery.model.webhook import Webhook
from rookery.store.contract import Store
from store.building import all_events, create_and_claim, event, message


async def entries_of(store: Store, lease: Lease, *, role: str = "in") -> list[ChatEntry]:
    """An entry for each event of the log, a second apart."""
    return [
        ChatEntry(one.id, lease.uid, one.chat or "", 1000.0 + number, role, one.key)
        for number, one in enumerate(await all_events(store))
    ]


async def fill(store: Store, lease: Lease, count: int, chat: str = "7") -> list[ChatEntry]:
    await store.append(lease, [event(number, chat=chat) for number in range(count)], None)
    entries = await entries_of(store, lease)
    news = ChatNews(uid=lease.uid, chat=chat, name="Ann", kind="private", last_at=entries[-1].at)
    await store.write_chats(entries, [news], position=entries[-1].event)
    return entries


async def test_positions_only_grow(store: Store) -> None:
    assert await store.chat_position() == 0
    for position in (5, 9, 7):
        await store.write_chats([], [], position=position)
    assert await store.chat_position() == 9


async def test_a_chat_entry_written_twice_is_stored_once(store: Store) -> None:
    lease = await create_and_claim(store)
    entries = await fill(store, lease, 3)
    await store.write_chats(entries, [ChatNews(uid=lease.uid, chat="7", last_at=1.0)], position=None)
    page = await store.chat_page("shop", "7", before=NEWEST, limit=10)
    assert [one.key for _, _, one in page.events] == ["2", "1", "0"]
    [chat] = await store.list_chats("shop", after=None, limit=10)
    assert (chat.chat, chat.name, chat.kind, chat.unread, chat.last_at) == ("7", "Ann", "private", 3, 1002.0)
    assert chat.event is not None
    assert chat.event[2].key == "2"


async def test_entries_of_events_and_sessions_that_are_gone_are_passed_over(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.write_chats(
        [ChatEntry(4711, lease.uid, "7", 1.0, "in", "x")], [ChatNews(uid=99, chat="7", last_at=1.0)], position=None
    )
    assert await store.list_chats("shop", after=None, limit=10) == []


async def test_read_marks_move_the_unread(store: Store) -> None:
    lease = await create_and_claim(store)
    await fill(store, lease, 5)

    async def unread() -> int:
        [chat] = await store.list_chats("shop", after=None, limit=10)
        return chat.unread

    assert await unread() == 5
    for read_at, left in ((1001.0, 3), (1003.5, 1), (1000.0, 1)):
        await store.write_chats([], [ChatNews(uid=lease.uid, chat="7", read_at=read_at)], position=None)
        assert await unread() == left
    mark = message(content=Read(message_id="9"), to="7", created_at=5000.0)
    await store.enqueue(mark, pending_limit=10)
    await store.record_sends(
        lease,
        [SendOutcome(id=mark.id, state=MessageState.SENT, at=5000.0, receipt=Receipt("9", 5000.0, "7"))],
    )
    assert await unread() == 0


async def test_chats_come_newest_first_and_page_by_page(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.append(lease, [event(number, chat=f"c{number}") for number in range(7)], None)
    entries = await entries_of(store, lease)
    news = [ChatNews(uid=lease.uid, chat=one.chat, name=f"Name {one.chat}", last_at=one.at) for one in entries]
    await store.write_chats(entries, news, position=None)
    seen: list[str] = []
    after: tuple[float, str] | None = None
    while page := await store.list_chats("shop", after=after, limit=3):
        seen += [chat.chat for chat in page]
        after = page[-1].last_at, page[-1].chat
    assert seen == [f"c{number}" for number in reversed(range(7))]
    with pytest.raises(NotFound):
        await store.list_chats("absent", after=None, limit=9)


async def test_sends_are_in_their_chat_as_the_platform_calls_it(store: Store) -> None:
    lease = await create_and_claim(store)
    one = message(to="@ann", content=Text("hi"))
    await store.enqueue(one, pending_limit=10)
    [chat] = await store.list_chats("shop", after=None, limit=10)
    assert (chat.chat, chat.send and chat.send.id, chat.unread) == ("@ann", one.id, 0)
    outcome = SendOutcome(id=one.id, state=MessageState.SENT, at=2.0, receipt=Receipt("55", 2.0, "7"))
    await store.record_sends(lease, [outcome])
    [chat] = await store.list_chats("shop", after=None, limit=10)
    assert (chat.chat, chat.send and chat.send.state) == ("7", MessageState.SENT)
    page = await store.chat_page("shop", "7", before=NEWEST, limit=10)
    assert [send.id for _, send in page.sends] == [one.id]


async def test_each_send_of_a_batch_moves_to_the_chat_that_its_receipt_names(store: Store) -> None:
    lease = await create_and_claim(store)
    ours = [message(to=to, created_at=float(number)) for number, to in enumerate(("7", "@ann", "8", "@bob"))]
    await store.enqueue_batch(ours, pending_limit=10, lease=lease)
    assert {chat.chat for chat in await store.list_chats("shop", after=None, limit=10)} == {*("7", "@ann", "8", "@bob")}
    receipts = [Receipt("1", 9.0, "7"), Receipt("2", 9.0, "55"), Receipt("3", 9.0, "8"), Receipt("4", 9.0, None)]
    outcomes = [
        SendOutcome(id=one.id, state=MessageState.SENT, at=9.0, receipt=receipt)
        for one, receipt in zip(ours, receipts, strict=True)
    ]
    assert not (await store.record_sends(lease, outcomes)).refused
    assert {chat.chat for chat in await store.list_chats("shop", after=None, limit=10)} == {*("7", "55", "8", "@bob")}
    for chat, sent in (("55", "2"), ("7", "1")):
        page = await store.chat_page("shop", chat, before=NEWEST, limit=10)
        assert [one.receipt and one.receipt.message_id for _, one in page.sends] == [sent]


async def test_events_and_sends_are_cut_by_one_position(store: Store) -> None:
    lease = await create_and_claim(store)
    entries = await fill(store, lease, 4)
    sends = [message(to="7", created_at=entries[number].at) for number in (1, 2)]
    for one in sends:
        await store.enqueue(one, pending_limit=10)
    page = await store.chat_page("shop", "7", before=NEWEST, limit=10)
    numbers = {send.id: number for number, send in page.sends}

    async def before(position: Position) -> tuple[list[str], list[str]]:
        found = await store.chat_page("shop", "7", before=position, limit=10)
        return [one.key for _, _, one in found.events], [send.id for _, send in found.sends]

    at, event_id = entries[2].at, entries[2].event
    assert await before(Position(at, 1, numbers[sends[1].id])) == (["2", "1", "0"], [sends[0].id])
    assert await before(Position(at, 0, event_id)) == (["1", "0"], [sends[0].id])


async def test_what_is_about_messages(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.append(lease, [event("e", type="edited_message"), event("r", type="reaction")], None)
    first, second = await all_events(store)
    await store.write_chats(
        [
            ChatEntry(first.id, lease.uid, "7", 1.0, "edit", "55"),
            ChatEntry(second.id, lease.uid, "7", 2.0, "reaction", "56"),
        ],
        [],
        position=None,
    )
    ours = message(to="7", content=Edit(message_id="57", text="better"))
    waits = message(to="7", content=Edit(message_id="58", text="not yet"))
    for one in (ours, waits):
        await store.enqueue(one, pending_limit=10)
    await store.record_sends(
        lease, [SendOutcome(id=ours.id, state=MessageState.SENT, at=9.0, receipt=Receipt("57", 9.0, "7"))]
    )
    events, sends = await store.about_messages("shop", "7", ["55", "56"], since=0.0)
    assert [(id, role, one.key) for id, role, one in events] == [("55", "edit", "e"), ("56", "reaction", "r")]
    assert [send.id for send in sends] == [ours.id]
    assert (await store.about_messages("shop", "7", ["1"], since=0.0))[0] == []
    assert (await store.chat_page("shop", "7", before=NEWEST, limit=10)).sends == [], "an edit is no message of its own"


async def test_an_erased_chat_leaves_nothing_and_the_others_alone(store: Store) -> None:
    lease = await create_and_claim(store)
    await store.create_webhook(Webhook(id="w", url="http://x.example/", secret="whsec_x"))
    await fill(store, lease, 3)
    await store.append(lease, [event("status", chat="7", type="receipt"), event("other", chat="8")], None)
    for to in ("7", "8"):
        await store.enqueue(message(to=to), pending_limit=10)
    erased = await store.erase_chat("shop", "7")
    assert (erased.events, erased.messages) == (4, 1)
    assert [one.key for one in await store.read_events(EventQuery())] == ["other"]
    assert [one.event.key for one in await store.pending_deliveries("w", now=9.0, busy=(), limit=9)] == ["other"]
    assert [chat.chat for chat in await store.list_chats("shop", after=None, limit=9)] == ["8"]
    assert await store.erase_chat("shop", "7") == type(erased)(0, 0)
    await store.append(lease, [event("again", chat="7")], None)
    last = (await all_events(store))[-1]
    assert last.id > 5, "ids are not given out again"


async def test_a_chat_has_its_own_retention(store: Store) -> None:
    lease = await create_and_claim(store)
    await fill(store, lease, 5)
    done = message(to="7", created_at=1001.0)
    await store.enqueue(done, pending_limit=10)
    await store.cancel_message(done.id, now=1.0)
    waits = message(to="7", created_at=1001.0)
    await store.enqueue(waits, pending_limit=10)
    assert not await store.keep_chat("shop", "8", 5.0)
    assert await store.tidy_chats(now=5000.0, before=0.0) == 0
    assert await store.keep_chat("shop", "7", 100.0)
    assert await store.tidy_chats(now=1102.5, before=0.0) == 4
    assert [one.key for one in await all_events(store)] == ["3", "4"]
    assert (await store.get_message(waits.id)).state is MessageState.QUEUED
    assert await store.keep_chat("shop", "7", None)
    assert await store.tidy_chats(now=9e9, before=0.0) == 0


async def test_events_that_are_pruned_leave_their_chat(store: Store) -> None:
    lease = await create_and_claim(store)
    await fill(store, lease, 3)
    await store.prune_events(before=9e12, limit=100)
    [chat] = await store.list_chats("shop", after=None, limit=9)
    assert (chat.event, chat.unread) == (None, 0)
    await store.tidy_chats(now=2000.0, before=2000.0)
    assert await store.list_chats("shop", after=None, limit=9) == []


async def test_what_is_about_the_last_message_of_each_chat(store: Store) -> None:
    """Message ids repeat between chats, and only changes of the wanted message count."""
    lease = await create_and_claim(store)
    await store.append(lease, [event(key, type="edited_message", chat=key[0]) for key in ("7a", "8a", "9a")], None)
    events = {one.key: one.id for one in await all_events(store)}
    entries = [
        ChatEntry(events["7a"], lease.uid, "7", 1.0, "edit", "55"),
        ChatEntry(events["8a"], lease.uid, "8", 1.0, "edit", "55"),
        ChatEntry(events["9a"], lease.uid, "9", 1.0, "edit", "54"),
    ]
    await store.write_chats(entries, [], position=None)
    edits = [
        message(to=chat, content=Edit(message_id="55", text="better"), created_at=at)
        for chat, at in (("7", 5.0), ("8", 3.0))
    ]
    mark = message(to="7", content=Read(message_id="55"), created_at=6.0)
    for one in (*edits, mark):
        await store.enqueue(one, pending_limit=10)
    outcomes = [
        SendOutcome(id=one.id, state=MessageState.SENT, at=9.0, receipt=Receipt("1", 9.0, one.to))
        for one in (*edits, mark)
    ]
    await store.record_sends(lease, outcomes)
    found, sends = await store.about_last(
        "shop", [("7", "55", 4.0), ("8", "55", 4.0), ("9", "55", 4.0), ("10", "", 0.0)]
    )
    assert [(chat, id, role, one.key) for chat, id, role, one in found] == [
        ("7", "55", "edit", "7a"),
        ("8", "55", "edit", "8a"),
    ]
    assert [(chat, send.id) for chat, send in sends] == [("7", edits[0].id)], "not what was there before the message"
    with pytest.raises(NotFound):
        await store.about_last("nobody", [("7", "55", 0.0)])
