"""The walks of `docs/architecture.md`, followed by a trace: which room comes after which."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from rookery_http.config.settings import ApiSettings
from rookery_http.serve import serve_api
from support.telegram_engine import open_quick_simulator, open_setup
from support.webhook_receiver import open_webhook_receiver

ARCHITECTURE = Path(__file__).parents[2] / "docs/architecture.md"
MOST_ROOMS = 6


def documented(number: int) -> list[str]:
    """The rooms of a walk, as modules or packages."""
    text = re.search(rf"^{number}\. (.*?)\.\n", ARCHITECTURE.read_text(), re.MULTILINE | re.DOTALL)
    assert text is not None
    return re.findall(r"`([a-z_.0-9]+)`", text[1])


@contextmanager
def traced() -> Iterator[list[str]]:
    """The modules of Rookery that run in this thread inside the block, each time that control comes to another one."""
    modules: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        name = frame.f_globals.get("__name__", "")
        if event == "call" and name.startswith("rookery") and modules[-1:] != [name]:
            modules.append(name)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield modules
    finally:
        sys.setprofile(before)


def visits(modules: list[str], rooms: list[str]) -> list[str]:
    """The rooms through which control passed in this order; shorter than `rooms` when the order is another one."""
    found: list[str] = []
    for name in modules:
        room = rooms[len(found)] if len(found) < len(rooms) else None
        if room is not None and (name == room or name.startswith(f"{room}.")):
            found.append(room)
    return found


@pytest.mark.parametrize("number", range(1, 6))
def test_no_walk_has_more_than_six_rooms(number: int) -> None:
    walks = re.split(r"Stop:", documented_text(number))
    for walk in walks:
        assert 4 <= len(re.findall(r"`([a-z_.0-9]+)`", walk)) <= MOST_ROOMS


def documented_text(number: int) -> str:
    text = re.search(rf"^{number}\. .*?(?=^{number + 1}\. |^## )", ARCHITECTURE.read_text(), re.MULTILINE | re.DOTALL)
    assert text is not None
    return text[0]


async def test_an_update_walks_to_a_webhook_as_documented() -> None:
    rooms = documented(1)
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup, open_webhook_receiver() as receiver:
        await setup.engine.create_webhook(url=receiver.url, events=["message"])
        setup.bot.push_text("before", chat_id=7)  # connections are open and caches are warm after this one
        await receiver.wait_until(lambda: len(receiver.deliveries) == 1)
        await setup.polling()
        await trio.testing.wait_all_tasks_blocked()
        with traced() as modules:
            setup.bot.push_text("hello", chat_id=7)
            await receiver.wait_until(lambda: len(receiver.deliveries) == 2)
    assert visits(modules, rooms) == rooms


async def test_a_send_walks_from_http_to_the_link_as_documented() -> None:
    rooms = documented(2)
    stop = trio.Event()
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup, trio.open_nursery() as nursery:
        settings = ApiSettings(port=0, drain=1.0)
        (address, *_) = await nursery.start(partial(serve_api, setup.engine, settings, stop=stop))
        async with httpx.AsyncClient(base_url=address.url, trust_env=False) as client:
            path = "/v1/sessions/shop/messages"
            await client.post(path, json={"to": "7", "text": "before"}, params={"wait": 5})
            await trio.testing.wait_all_tasks_blocked()
            with traced() as modules:
                answer = await client.post(path, json={"to": "7", "text": "hello"}, params={"wait": 5})
            assert answer.json()["state"] == "sent"
        stop.set()
    assert visits(modules, rooms) == rooms


async def test_an_enabled_session_walks_to_its_provider_as_documented() -> None:
    rooms = documented(3)
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        await setup.engine.disable("shop")
        await trio.testing.wait_all_tasks_blocked()
        with traced() as modules:
            await setup.engine.enable("shop")
            await setup.connected()
    assert visits(modules, rooms) == rooms
