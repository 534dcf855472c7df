"""Writes of many sends at once to PostgreSQL: no transaction waits for another in a circle."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import trio

from rookery.model.chat import ChatNews
from rookery.model.content import Read
from rookery.model.message import MessageState, Receipt, SendOutcome
from rookery.store.postgres.database import pool
from store.backends import PostgresBackend, older, run_sql, until_asleep
from store.building import create_and_claim, message

CHATS = 60
READS = 20
ROUNDS = 12


def same(chat: str) -> str:
    return chat


def another(chat: str) -> str:
    """What the platform calls the chat: the name of another one, in another order."""
    return f"chat {(int(chat[-2:]) * 7 + 3) % CHATS:02}"


@pytest.mark.parametrize("real", [same, another], ids=lambda real: real.__name__)
async def test_writes_to_the_same_chats_never_wait_in_a_circle(
    postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch, real: Callable[[str], str]
) -> None:
    """Senders, outcomes and the view of chats touch the same chats in any order. A receipt may name another chat than the
    message was sent to, and then both are touched; a read receipt touches its chat."""
    monkeypatch.setattr(pool, "ATTEMPTS", 1)  # a transaction that PostgreSQL takes out of a circle fails
    store = postgres.make()
    names = [f"chat {number:02}" for number in range(CHATS)]
    async with store.open():
        lease = await create_and_claim(store)

        async def send(worker: int) -> None:
            shuffle = random.Random(worker).sample
            for _ in range(ROUNDS):
                batch = [
                    message(to=name, state=MessageState.SENDING, attempts=1, created_at=1000.0 + worker)
                    for name in shuffle(names, CHATS)
                ]
                for name in shuffle(names, READS):
                    read = Read(message_id="1")
                    batch.append(
                        message(to=name, content=read, state=MessageState.SENDING, attempts=1, created_at=1000.0)
                    )
                answers = await store.enqueue_batch(batch, pending_limit=100_000, lease=lease)
                assert all(isinstance(answer, tuple) and answer[1] for answer in answers)
                outcomes = [
                    SendOutcome(
                        id=each.id,
                        state=MessageState.SENT,
                        at=1001.0,
                        receipt=Receipt(each.id, 1001.0, chat=real(each.to)),
                    )
                    for each in shuffle(batch, len(batch))
                ]
                recorded = await store.record_sends(lease, outcomes, announce=True)
                assert not recorded.refused

        async def view() -> None:
            for number in range(ROUNDS):
                news = [ChatNews(uid=lease.uid, chat=name, last_at=1000.0 + number) for name in names[5:]]
                news += [ChatNews(uid=lease.uid, chat=name, name="told", last_at=None) for name in names[:5]]
                await store.write_chats([], news, position=None)

        with trio.fail_after(100):
            async with trio.open_nursery() as nursery:
                for worker in range(4):
                    nursery.start_soon(send, worker)
                nursery.start_soon(view)
        listed = await store.list_chats(lease.session, after=None, limit=2 * CHATS)
        assert sorted(row.chat for row in listed) == names


async def test_a_state_written_twice_in_one_batch_keeps_its_order(postgres: PostgresBackend) -> None:
    store = postgres.make()
    async with store.open():
        lease = await create_and_claim(store)
        one, other = message(), message()
        await store.enqueue_batch([one, other], pending_limit=10)
        outcomes = [
            SendOutcome(id=one.id, state=MessageState.SENDING, at=1001.0),
            SendOutcome(id=other.id, state=MessageState.FAILED, at=1001.0, error="no"),
            SendOutcome(id=one.id, state=MessageState.SENT, at=1002.0, receipt=Receipt("7", 1002.0, chat="7")),
            SendOutcome(id=other.id, state=MessageState.SENDING, at=1002.0),
        ]
        recorded = await store.record_sends(lease, outcomes, announce=True)
        assert recorded.refused == {other.id}
        assert (await store.get_message(one.id)).state is MessageState.SENT
        assert (await store.get_message(other.id)).state is MessageState.FAILED


async def test_an_update_of_the_database_never_waits_in_a_circle_with_a_send_of_an_older_program(
    postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A send reads the table and then writes to it; a lock is asked for between the two."""
    monkeypatch.setattr(pool, "ATTEMPTS", 1)
    table = f"{postgres.schema}.messages"
    send = f"""
        BEGIN;
        SELECT count(*) FROM {table};
        DO $$ BEGIN
            FOR look IN 1..1000 LOOP
                PERFORM pg_sleep(0.02);
                EXIT WHEN EXISTS (
                    SELECT 1 FROM pg_locks
                    WHERE NOT granted AND mode = 'AccessExclusiveLock' AND relation = '{table}'::regclass);
            END LOOP;
        END $$;
        UPDATE {table} SET error = 'sent';
        INSERT INTO {postgres.schema}.meta VALUES ('sent', 'yes');
        COMMIT;"""
    async with older(postgres, monkeypatch, 33):
        pass
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, run_sql, postgres.url, send)
        await until_asleep(postgres.url, 1)
        async with postgres.make().open():
            pass
    sent = f"SELECT value FROM {postgres.schema}.meta WHERE key = 'sent'"
    assert await trio.to_thread.run_sync(run_sql, postgres.url, sent) == "yes"


async def test_a_batch_of_receipts_that_name_other_chats_moves_its_messages(postgres: PostgresBackend) -> None:
    """Only the chats that have a message are left, also those of a state that was refused and of a read receipt."""
    store = postgres.make()
    async with store.open():
        lease = await create_and_claim(store)
        moved, ended, other = message(to="@moved"), message(to="@ended"), message(to="@other")
        read = message(to="@read", content=Read(message_id="1"))
        await store.enqueue_batch([moved, ended, other, read], pending_limit=10, lease=lease)
        await store.record_sends(lease, [SendOutcome(id=ended.id, state=MessageState.FAILED, at=1001.0, error="no")])
        outcomes = [
            SendOutcome(id=each.id, state=MessageState.SENDING, at=1002.0, receipt=Receipt(each.id, 1002.0, chat=chat))
            for each, chat in ((moved, "b"), (ended, "none"), (other, "a"), (read, "absent"))
        ]
        recorded = await store.record_sends(lease, outcomes)
        assert recorded.refused == {ended.id}
        listed = await store.list_chats(lease.session, after=None, limit=10)
        assert sorted(row.chat for row in listed) == ["@ended", "a", "b"]
