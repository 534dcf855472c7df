"""The parts of a media group are stored as they come, and become one event after a pause: in every life of the process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from rookery import Engine, EventQuery, SessionStatus, open_engine
from rookery.errors import InvalidInput
from rookery.model.event import NewEvent
from rookery_simulator import BotApiSimulator, Fault, People
from rookery_telegram import Telegram
from rookery_telegram.receiving.albums import collect, is_ripe, to_event
from rookery_telegram.receiving.position import Position
from support.bot_api.album_parts import push_part
from support.telegram_engine import QUICK, TOKEN, UNLIMITED, Setup, open_quick_simulator, open_setup
from support.waiting import until_found

PAUSE = 0.3
NEVER = 60.0


@asynccontextmanager
async def gathering(simulator: BotApiSimulator, pause: float) -> AsyncIterator[Setup]:
    async with open_setup(simulator, add=False) as setup:
        await setup.add(settings={"gather_albums": pause})
        await setup.connected()
        await setup.polling()
        yield setup


async def albums(setup: Setup, count: int) -> list[Any]:
    return await setup.events(count, types=["album"])


async def test_an_album_is_one_event_and_its_parts_are_there_too() -> None:
    async with open_quick_simulator() as simulator, gathering(simulator, PAUSE) as setup:
        people = People(setup.bot)
        setup.bot.push_text("before", chat_id=7)
        people.send_album(3, chat_id=7, caption="Look")
        people.send_album(2, chat_id=8)
        first, second = sorted(await albums(setup, 2), key=lambda album: str(album.chat))
        assert (first.chat, first.sender, first.body["text"], first.body["source"]) == ("7", "7", "Look", "message")
        assert [part["kind"] for part in first.body["parts"]] == ["photo"] * 3
        assert first.body["message_ids"] == [part["message_id"] for part in first.body["parts"]] == ["2", "3", "4"]
        assert len(second.body["parts"]) == 2
        parts = [event for event in await setup.events(6, types=["message"]) if "media_group_id" in event.body]
        assert [part.key for part in parts if part.chat == "7"] == [part["key"] for part in first.body["parts"]]
        assert first.id > max(part.id for part in parts if part.chat == "7"), "the parts are stored first"


async def test_ten_parts_do_not_wait() -> None:
    async with open_quick_simulator() as simulator, gathering(simulator, NEVER) as setup:
        People(setup.bot).send_album(10, chat_id=7)
        [album] = await albums(setup, 1)
        assert len(album.body["parts"]) == 10


async def test_nothing_is_gathered_without_the_setting() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        People(setup.bot).send_album(10, chat_id=7)
        await setup.events(10, types=["message"])
        session = await setup.engine.get_session("shop")
        assert session.cursor is not None
        assert "albums" not in session.cursor


@asynccontextmanager
async def life(url: str, store: str, **settings: Any) -> AsyncIterator[Engine]:
    telegram = Telegram(api_url=url, poll_timeout=20, rates=UNLIMITED)
    async with open_engine(providers=[telegram], store=store, settings=QUICK) as engine:
        await engine.create_session(
            id="shop", platform="telegram", credentials={"token": TOKEN}, settings=settings, exist_ok=True
        )
        with trio.fail_after(30):
            await engine.wait_status("shop", SessionStatus.CONNECTED)
        yield engine


async def test_parts_that_wait_at_the_end_of_a_life_are_gathered_in_the_next(tmp_path: Path) -> None:
    """The cursor has them, so it does not matter how a life ends, or on which instance the next one is."""
    store = f"sqlite:///{tmp_path}/shop.db"
    async with open_quick_simulator() as simulator:
        people = People(simulator.bot(TOKEN))
        async with life(simulator.url, store, gather_albums=1.0) as engine:
            people.send_album(3, chat_id=7)
            await until_found(
                lambda: engine.read_events(EventQuery(types=("message",))), lambda events: len(events) >= 3, seconds=30
            )
        async with life(simulator.url, store) as engine:
            found = await until_found(lambda: engine.read_events(EventQuery(types=("album",))), seconds=30)
            assert [len(event.body["parts"]) for event in found] == [3]


async def stored(engine: Engine, type: str, count: int) -> list[Any]:
    found = await until_found(
        lambda: engine.read_events(EventQuery(types=(type,))), lambda found: len(found) >= count, seconds=30
    )
    return [event.body for event in found]


async def test_parts_that_come_between_two_lives_belong_to_the_album(tmp_path: Path) -> None:
    """The pause is over when the second life begins, but nothing could come meanwhile."""
    store = f"sqlite:///{tmp_path}/shop.db"
    async with open_quick_simulator() as simulator:
        bot = simulator.bot(TOKEN)
        async with life(simulator.url, store, gather_albums=1.0) as engine:
            push_part(bot, "g")
            push_part(bot, "g")
            await stored(engine, "message", 2)
        push_part(bot, "g")
        await trio.sleep(1.0)
        async with life(simulator.url, store) as engine:
            [album] = await stored(engine, "album", 1)
            assert album["message_ids"] == ["1", "2", "3"]


async def test_parts_that_come_while_the_server_cannot_be_reached_belong_to_the_album() -> None:
    async with open_quick_simulator() as simulator, gathering(simulator, PAUSE) as setup:
        outage = Fault(kind="status", status=502, method="getUpdates")
        simulator.faults.add(outage)  # the poll that waits is answered; those after it are not
        push_part(setup.bot, "g")
        await setup.events(1, types=["message"])
        push_part(setup.bot, "g")
        await trio.sleep(2 * PAUSE)
        assert not await setup.engine.read_events(EventQuery(types=("album",)))
        simulator.faults.clear()
        [album] = await albums(setup, 1)
        assert album.body["message_ids"] == ["1", "2"]


async def test_parts_of_two_answers_belong_to_one_album() -> None:
    """The server gives at most 100 updates at once, and the second answer comes late."""
    async with open_quick_simulator() as simulator, gathering(simulator, PAUSE) as setup:
        simulator.faults.add(Fault(kind="delay", method="getUpdates", seconds=2 * PAUSE, count=2))
        setup.bot.push_text("the poll that waits gets this one", chat_id=8)
        setup.bot.push_many(98)
        for _ in range(4):
            push_part(setup.bot, "g")
        [album] = await albums(setup, 1)
        assert len(album.body["parts"]) == 4


def part(number: int, *, group: str = "g", chat: str = "7", type: str = "message") -> NewEvent:
    body = {"message_id": str(number), "media_group_id": group, "text": "", "kind": "photo"}
    return NewEvent(f"{100 + number}", type, 1.0 + number, chat, "5", msgspec.json.encode(body), b"{}")


def test_parts_of_several_batches_groups_and_chats() -> None:
    waiting = collect((), (), [part(1), part(1, chat="8"), part(2, group="h")], now=10.0, pause=2.0)
    waiting = collect(waiting, (), [part(2), part(1)], now=11.0, pause=2.0)
    shown = {(album.chat, album.group): (len(album.parts), album.due) for album in waiting}
    assert shown == {("7", "g"): (2, 13.0), ("8", "g"): (1, 12.0), ("7", "h"): (1, 12.0)}
    assert [is_ripe(waiting[1], now=now, pause=2.0) for now in (11.9, 12.0, 5.0)] == [False, True, True]
    assert not collect((), (), [part(1, type="edited_message")], now=10.0, pause=2.0)


def test_parts_that_the_server_repeats_make_no_second_album() -> None:
    """They are remembered in the cursor; a part that is really late makes an album of its own."""
    position = Position(offset=1).with_parts([part(1), part(2)], now=10.0, pause=2.0)
    position = Position.load(position.without(position.albums).dump(), "")
    again = position.with_parts([part(1), part(2), part(3)], now=20.0, pause=2.0)
    [late] = again.albums
    assert [one["message_id"] for one in late.parts] == ["3"]
    assert to_event(late).key == "album:7:g:3"
    for number in range(30):
        ripe = position.with_parts([part(1, group=str(number))], now=1.0, pause=2.0)
        position = ripe.without(ripe.albums)
    assert len(position.gathered) == 20


@pytest.mark.parametrize("pause", [0, -1, 61, True, "1"])
async def test_a_pause_that_cannot_be(pause: Any) -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator, add=False) as setup:
        with pytest.raises(InvalidInput, match="gather_albums"):
            await setup.add(settings={"gather_albums": pause})
