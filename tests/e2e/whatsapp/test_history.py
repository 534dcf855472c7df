"""The past that a phone hands to a newly linked device."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import trio

from rookery import Engine, Event, EventQuery
from rookery_simulator.whatsapp import Phone, WhatsAppSimulator
from rookery_simulator.whatsapp.phone.history import FULL
from rookery_simulator.whatsapp.stanza.jid import GROUP_SERVER, Jid
from rookery_whatsapp.link.history import HistoryReader
from support.whatsapp_engine import BOB, NUMBER, PATIENCE, event_where, events_of, link, open_whatsapp_engine

CHATS, GROUPS, MESSAGES = 300, 100, 2_000
BEGAN = 1_700_000_000
MIB = 1024 * 1024
WORKER_LIMIT, SERVER_GROWTH = 500 * MIB, 100 * MIB
"""A worker's limit (G4), and how much larger the engine's own process may become."""


def give_past(phone: Phone) -> None:
    people = [phone.past.chat(Jid(f"49161{number:08}"), f"Person {number}") for number in range(CHATS)]
    groups = [phone.past.chat(Jid(f"1203630{number:011}", GROUP_SERVER), f"Group {number}") for number in range(GROUPS)]
    for number in range(MESSAGES):
        chat = [*people, *groups][number % (CHATS + GROUPS)]
        author = people[number % CHATS].jid if chat.jid.server == GROUP_SERVER else None
        phone.past.text(chat, f"past {number} " + "x" * 200, BEGAN + number, from_me=number % 5 == 0, author=author)


def _is(id: str, event: Event) -> bool:
    return event.body.get("message_id") == id


async def wait_for_history(engine: Engine, count: int) -> None:
    last = found = 0
    while found < count:
        page = await engine.read_events(EventQuery(after=last, types=("history.message",), limit=500))
        found += len(page)
        last = page[-1].id if page else last
        if not page:
            await trio.sleep(0.05)


async def test_a_large_history_comes_beside_the_ordinary_messages(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    alice, bob = whatsapp.phone(NUMBER), whatsapp.phone(BOB, "Bob")
    give_past(alice)
    delays: list[float] = []
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        before = (await engine.memory()).engine
        await link(engine, whatsapp, settings={"history": "recent"})
        with trio.fail_after(PATIENCE * 2):
            async with trio.open_nursery() as nursery:

                async def write() -> None:
                    position = 0
                    while True:
                        started = trio.current_time()
                        sent = bob.send_text(alice, "now")
                        event = await event_where(engine, partial(_is, sent.id), after=position)
                        position = event.id
                        delays.append(trio.current_time() - started)

                nursery.start_soon(write)
                await wait_for_history(engine, MESSAGES)
                report = await engine.memory()
                nursery.cancel_scope.cancel()
        print(f"\n{len(delays)} messages meanwhile, the slowest took {max(delays):.2f} s; {report}")
        assert max(delays) < 1.0
        assert report.engine.unique - before.unique < SERVER_GROWTH
        assert max(each.unique for each in report.workers) < WORKER_LIMIT
        chats = [chat for chat in await engine.chats("one", limit=500) if chat.name != "Bob"]
        assert len(chats) == CHATS + GROUPS
        assert {chat.name for chat in chats} == {f"Person {n}" for n in range(CHATS)} | {
            f"Group {n}" for n in range(GROUPS)
        }
        assert all(chat.unread == 0 for chat in chats), "the owner has read everything on the phone"


def give_small_past(phone: Phone, bob: Phone, carol: Phone) -> tuple[str, str, str]:
    """Chats with every property of a history; returns the ids of three messages."""
    past = phone.past
    private = past.chat(bob.lid, "Bob from work", other=bob.jid, unread=1)
    for number in range(3):
        past.text(private, f"old {number}", BEGAN + number)
    liked = past.text(private, "mine", BEGAN + 10, from_me=True, reaction="👍")
    newest = past.text(private, "unread", BEGAN + 20)
    group = past.chat(Jid("120363000000000777", GROUP_SERVER), "Garden")
    spoken = past.text(group, "who waters?", BEGAN + 30, author=carol.lid)
    past.push_names[str(carol.jid)] = "Carol"
    return liked, newest, spoken


def slices(directory: Path) -> int:
    with closing(sqlite3.connect(directory / "whatsapp/one.db")) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM rookery_history").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


async def test_a_restart_continues_with_the_history(
    whatsapp: WhatsAppSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob, carol = whatsapp.phone(BOB, "Bob"), whatsapp.phone("4915100000003", "Carol")
    liked, newest, spoken = give_small_past(whatsapp.phone(NUMBER), bob, carol)
    with monkeypatch.context() as patch, trio.fail_after(PATIENCE):

        async def no_reading(self: object, port: object) -> None:
            await trio.sleep_forever()

        patch.setattr(HistoryReader, "run", no_reading)
        async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
            await link(engine, whatsapp, settings={"history": "recent"})
            while slices(tmp_path) < 2:
                await trio.sleep(0.02)
            assert not await events_of(engine, "one", "history.message")
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        with trio.fail_after(PATIENCE):
            await wait_for_history(engine, 6)
            while slices(tmp_path):
                await trio.sleep(0.02)
        by_id = {event.body["message_id"]: event for event in await events_of(engine, "one", "history.message")}
        assert (by_id[liked].time, by_id[liked].body["from_me"]) == (BEGAN + 10, True)
        assert by_id[liked].body["reactions"] == [{"sender": str(bob.lid), "from_me": False, "emoji": "👍"}]
        assert by_id[newest].chat == by_id[newest].sender == str(bob.jid)
        assert by_id[newest].body["chat"] == {
            "id": str(bob.jid),
            "phone": str(bob.jid),
            "lid": str(bob.lid),
            "name": "Bob from work",
        }
        assert by_id[spoken].body["chat_type"] == "group"
        assert by_id[spoken].body["sender"]["lid"] == str(carol.lid)
        garden, work = await engine.chats("one")
        assert (garden.name, garden.unread, garden.kind) == ("Garden", 0, "group")
        assert (work.name, work.unread, work.kind) == ("Bob from work", 1, "private")
        texts = [one.text for one in await engine.chat_messages("one", work.chat)]
        assert texts == ["unread", "mine", "old 2", "old 1", "old 0"]
        # A subscriber that does not name the type gets the next message and nothing of the history before it.
        sent = bob.send_text(whatsapp.phone(NUMBER), "new")
        with trio.fail_after(PATIENCE):
            async for event in engine.events():
                assert not event.type.startswith("history."), "no history was asked for"
                if event.body.get("message_id") == sent.id:
                    break


@pytest.mark.parametrize(("setting", "messages"), [("none", 0), ("recent", 0), ("full", 6)])
async def test_the_setting_says_how_far_back_it_goes(
    whatsapp: WhatsAppSimulator, tmp_path: Path, setting: str, messages: int
) -> None:
    alice, bob = whatsapp.phone(NUMBER), whatsapp.phone(BOB, "Bob")
    give_small_past(alice, bob, whatsapp.phone("4915100000003", "Carol"))
    alice.past.chunk_type = FULL
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        _, device = await link(engine, whatsapp, settings={"history": setting})
        with trio.fail_after(PATIENCE):
            sent = bob.send_text(alice, "after the history")
            await event_where(engine, lambda event: event.body.get("message_id") == sent.id)
            await wait_for_history(engine, messages)
        assert device.registration.wants_full_history is (setting == "full")
        assert len(await events_of(engine, "one", "history.message")) == messages
