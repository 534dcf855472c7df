"""The walks of `docs/architecture.md`, followed by a trace: which room comes after which."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from rookery import open_engine
from rookery_http.compose import run_server
from rookery_http.config.load import load
from rookery_http.config.settings import ApiSettings
from rookery_http.serve import serve_api
from rookery_http.server.address import Address
from rookery_simulator.whatsapp import open_whatsapp_simulator
from rookery_simulator.whatsapp.phone import outgoing
from rookery_whatsapp import WhatsApp
from support.checks import stack_worker
from support.telegram_engine import DEADLINE, TOKEN, open_quick_simulator, open_setup
from support.webhook_receiver import open_webhook_receiver
from support.whatsapp_engine import BOB, event_where, link

ARCHITECTURE = Path(__file__).parents[2] / "docs/architecture.md"
MOST_ROOMS = 6


def documented(number: int, part: str = "") -> list[str]:
    """The rooms of a walk, as modules or packages; of its second part when that is named."""
    text = documented_text(number).partition(part)[2] if part else documented_text(number)
    return re.findall(r"`([a-z_.0-9]+)`", re.split(r"\.\n", text)[0])


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


def test_the_places_that_are_named_exist() -> None:
    table = ARCHITECTURE.read_text().partition("## Where to look")[2]
    places = re.findall(r"`(rookery\w*/[\w/]+\.py)`", table)
    root = ARCHITECTURE.parents[1]
    assert len(places) >= 7
    assert not [
        place for place in places if not any((root / home / place).exists() for home in ("engine", "http", "providers"))
    ]


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


def test_a_served_session_stops_as_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = documented(3, "Stop:")
    monkeypatch.setenv("ROOKERY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("ROOKERY_PORT", "0")
    modules: list[str] = []
    stopped_at = 0
    with ExitStack() as stack, simulator_in_a_thread() as url:
        monkeypatch.setenv("ROOKERY_TELEGRAM_API_URL", url)

        def connect_and_stop(address: str) -> None:
            nonlocal stopped_at
            try:
                with httpx.Client(base_url=address, trust_env=False, timeout=DEADLINE) as client:
                    session = {"id": "shop", "platform": "telegram", "credentials": {"token": TOKEN}}
                    client.post("/v1/sessions", json=session).raise_for_status()
                    changes: dict[str, str | float] = {
                        "type": "session.status",
                        "session": "shop",
                        "after": 0,
                        "timeout": DEADLINE,
                    }
                    with client.stream("GET", "/v1/events/stream", params=changes) as answer:
                        next(line for line in answer.iter_lines() if '"CONNECTED"' in line)
            finally:
                stopped_at = len(modules)
                os.kill(os.getpid(), signal.SIGTERM)

        def ready(address: Address) -> None:
            nonlocal modules
            modules = stack.enter_context(traced())
            user = threading.Thread(target=connect_and_stop, args=(address.url,))
            user.start()
            stack.callback(user.join)

        assert run_server(load(), ready=ready) == 0
        sys.setprofile(None)
    assert visits(modules[stopped_at:], rooms) == rooms


@contextmanager
def simulator_in_a_thread() -> Iterator[str]:
    """The address of a Bot API server that outlives several runs of trio here."""
    started: queue.SimpleQueue[tuple[str, trio.lowlevel.TrioToken, trio.Event]] = queue.SimpleQueue()

    async def serve() -> None:
        async with open_quick_simulator() as simulator:
            end = trio.Event()
            started.put((simulator.url, trio.lowlevel.current_trio_token(), end))
            await end.wait()

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    url, token, end = started.get(timeout=DEADLINE)
    try:
        yield url
    finally:
        token.run_sync_soon(end.set)
        thread.join()


async def test_a_whatsapp_message_walks_to_the_store_as_documented(tmp_path: Path) -> None:
    rooms = documented(4)
    stacks = tmp_path / "stacks.jsonl"
    worker = str(Path(stack_worker.__file__))
    async with open_whatsapp_simulator() as simulator:
        simulator.world.settings.many_prekeys = False
        command = [sys.executable, "-m", "rookery_simulator.whatsapp.trusting_worker", worker]
        environment = simulator.environment() | {stack_worker.FILE_VARIABLE: str(stacks)}
        whatsapp = WhatsApp(data_dir=tmp_path, worker_environment=environment, worker_command=command)
        async with open_engine(providers=[whatsapp], store=f"sqlite:///{tmp_path / 'rookery.db'}") as engine:
            phone, _ = await link(engine, simulator)
            bob = simulator.phone(BOB, "Bob")
            stacks.unlink(missing_ok=True)
            with traced() as modules:
                sent = bob.send(phone, outgoing.text("hello"))
                await event_where(engine, lambda event: event.key.endswith(f"/{sent.id}"))
    ways = [json.loads(line) for line in stacks.read_text().splitlines()]
    assert any(visits(way, rooms[:2]) == rooms[:2] for way in ways), ways
    assert visits(modules, rooms[2:]) == rooms[2:]


async def test_a_stream_walks_to_the_store_as_documented() -> None:
    rooms = documented(5)
    stop = trio.Event()
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup, trio.open_nursery() as nursery:
        settings = ApiSettings(port=0, drain=1.0)
        (address, *_) = await nursery.start(partial(serve_api, setup.engine, settings, stop=stop))
        await setup.polling()
        async with httpx.AsyncClient(base_url=address.url, trust_env=False, timeout=DEADLINE) as client:
            with traced() as modules:
                only_one: dict[str, str | int] = {"type": "message", "limit": 1}
                async with client.stream("GET", "/v1/events/stream", params=only_one) as answer:
                    setup.bot.push_text("hello", chat_id=7)
                    assert "hello" in (await answer.aread()).decode()
        stop.set()
    assert visits(modules, rooms) == rooms
