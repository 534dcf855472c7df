"""The past that a phone hands to a newly linked device."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio

from rookery import Engine, Event, EventQuery
from rookery_simulator.whatsapp import Phone, WhatsAppSimulator
from rookery_simulator.whatsapp.phone.history import FULL
from rookery_simulator.whatsapp.stanza import protobufs
from rookery_simulator.whatsapp.stanza.jid import GROUP_SERVER, Jid
from rookery_whatsapp.device.devices import PostgresDevices, SqliteDevices
from rookery_whatsapp.link.history import HistoryReader
from store.backends import run_sql
from support.engines import whatsapp_alone
from support.waiting import until
from support.webhook_receiver import open_webhook_receiver
from support.whatsapp_engine import BOB, NUMBER, PATIENCE, event_where, events_of, link, open_whatsapp_engine

CHATS, GROUPS, MESSAGES = 300, 100, 2_000
BEGAN = 1_700_000_000
MIB = 1024 * 1024
WORKER_LIMIT, SERVER_GROWTH = 500 * MIB, 100 * MIB
"""A worker's limit (G4), and how much larger the engine's own process may become."""

LONG = os.environ.get("ROOKERY_TEST_LONG", "") not in ("", "0")
long = pytest.mark.skipif(not LONG, reason="takes a minute in all: ROOKERY_TEST_LONG=1 runs it")


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


@pytest.mark.parametrize("kept_in", ["SQLite", pytest.param("PostgreSQL", marks=long)])
async def test_a_large_history_comes_beside_the_ordinary_messages(
    whatsapp: WhatsAppSimulator, tmp_path: Path, request: pytest.FixtureRequest, kept_in: str
) -> None:
    options = request.getfixturevalue("database") if kept_in == "PostgreSQL" else {}
    alice, bob = whatsapp.phone(NUMBER), whatsapp.phone(BOB, "Bob")
    give_past(alice)
    delays: list[float] = []
    async with open_whatsapp_engine(whatsapp, tmp_path, **options) as engine, open_webhook_receiver() as receiver:
        before = (await engine.memory()).engine
        await engine.create_webhook(url=receiver.url, id="all")
        await engine.create_webhook(url=f"{receiver.url}/named", id="named", events=["history.chat"])
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
            last = bob.send_text(alice, "the last one")
            posted = {"/hook": set[str](), "/hook/named": set[str]()}

            def all_posted() -> bool:
                for delivery in receiver.deliveries:
                    posted[delivery.path].add(delivery.event["type"])
                named = sum(delivery.path == "/hook/named" for delivery in receiver.deliveries)
                ended = any(last.id == each.event["body"].get("message_id") for each in receiver.deliveries)
                return ended and named >= CHATS + GROUPS

            await receiver.wait_until(all_posted)
        assert posted["/hook/named"] == {"history.chat"}
        assert "message" in posted["/hook"]
        assert not [type for type in posted["/hook"] if type.startswith("history.")]
        assert max(delays) < 1.0
        assert report.engine.unique - before.unique < SERVER_GROWTH
        assert max(each.unique for each in report.workers) < WORKER_LIMIT
        await came_once_each(engine)


async def came_once_each(engine: Engine) -> None:
    """All of `give_past`."""
    events = await events_of(engine, "one", "history.message")
    assert len({event.body["message_id"] for event in events}) == len(events) == MESSAGES
    assert {int(event.body["text"].split()[1]) for event in events} == set(range(MESSAGES))
    chats = [chat for chat in await engine.chats("one", limit=500) if chat.name != "Bob"]
    assert len(chats) == CHATS + GROUPS
    assert {chat.name for chat in chats} == {f"Person {n}" for n in range(CHATS)} | {
        f"Group {n}" for n in range(GROUPS)
    }
    assert all(chat.unread == 0 for chat in chats), "the owner has read everything on the phone"


class Shop:
    """The store and the devices' keys of a session, for engines in processes of their own and for a look from outside."""

    def __init__(self, whatsapp: WhatsAppSimulator, folder: Path, database: dict[str, Any] | None) -> None:
        self.options = database or {"store": f"sqlite:///{folder / 'rookery.db'}", "secret_key": "a passphrase"}
        more = {name: self.options[name] for name in ("database_url", "schema") if name in self.options}
        words = [self.options["store"], self.options["secret_key"], str(folder), json.dumps(whatsapp.environment())]
        self._command = [sys.executable, whatsapp_alone.__file__, *words, json.dumps(more)]

    @asynccontextmanager
    async def server(self) -> AsyncIterator[trio.Process]:
        async with trio.open_nursery() as nursery:
            run = partial(trio.run_process, self._command, check=False, stdout=subprocess.DEVNULL)
            process: trio.Process = await nursery.start(run)
            try:
                yield process
            finally:
                if process.returncode is None:
                    process.kill()

    def stored(self) -> int:
        """How many messages of the history are in the log."""
        sql = "SELECT count(*) FROM {}events WHERE type = 'history.message'"
        kind, _, rest = self.options["store"].partition(":///")
        if kind == "sqlite":
            with closing(sqlite3.connect(f"file:{rest}?mode=ro", uri=True)) as connection:
                return int(connection.execute(sql.format("")).fetchone()[0])
        url, _, schema = self.options["store"].partition("?schema=")
        return int(str(run_sql(url, sql.format(f"{schema}."))))

    async def reach(self, count: int) -> None:
        """Return when so many are stored."""
        with trio.fail_after(PATIENCE * 2):
            while await trio.to_thread.run_sync(self.stored) < count:
                await trio.sleep(0.02)


@long
@pytest.mark.parametrize("kept_in", ["SQLite", "PostgreSQL"])
async def test_kills_of_the_server_and_of_the_worker_repeat_and_lose_nothing_of_the_history(
    whatsapp: WhatsAppSimulator,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    kept_in: str,
) -> None:
    database = request.getfixturevalue("database") if kept_in == "PostgreSQL" else None
    shop = Shop(whatsapp, tmp_path, database)
    give_past(whatsapp.phone(NUMBER))
    kept = 0
    with monkeypatch.context() as patch:

        async def no_reading(self: object, port: object) -> None:
            await trio.sleep_forever()

        patch.setattr(HistoryReader, "run", no_reading)
        for form in (SqliteDevices, PostgresDevices):
            keep = form.keep_history

            async def counted(self: Any, session: str, slices: Any, keep: Any = keep) -> None:
                nonlocal kept
                await keep(self, session, slices)
                syncs = [protobufs.history().HistorySync.FromString(zlib.decompress(each)) for each in slices]
                kept += sum(len(chat.messages) for sync in syncs for chat in sync.conversations)

            patch.setattr(form, "keep_history", counted)
        async with open_whatsapp_engine(whatsapp, tmp_path, **shop.options) as engine:
            await link(engine, whatsapp, settings={"history": "recent"})
            with trio.fail_after(PATIENCE):
                while kept < MESSAGES:
                    await trio.sleep(0.02)
    for at in (1, MESSAGES // 3):
        async with shop.server() as process:
            await shop.reach(at)
            process.kill()
            await process.wait()
    async with shop.server() as process:
        await shop.reach(MESSAGES // 2)
        server = psutil.Process(process.pid)
        await until(server.children, seconds=PATIENCE)
        for worker in server.children():
            worker.kill()
        await shop.reach(MESSAGES)
        process.kill()
        await process.wait()
    async with open_whatsapp_engine(whatsapp, tmp_path, **shop.options) as engine:
        with trio.fail_after(PATIENCE):
            await wait_for_history(engine, MESSAGES)
        await came_once_each(engine)


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
