"""Look-ups of names that hang hold up nothing else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpcore
import pytest
import trio
import trio.testing

from rookery.runtime import names as module
from rookery.runtime.names import names, open_stream
from rookery_telegram.bot_api.transport import _Network, _opened


class Resolver:
    """Stands in for the system's resolver: names that begin with `hang` wait until the test is over."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.over = threading.Event()

    def __call__(self, host: str, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        if host.startswith("hang"):
            self.over.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        if host.startswith("none"):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    found = Resolver()
    monkeypatch.setattr(module, "getaddrinfo", found)
    yield found
    found.over.set()


async def open_stream_by_httpcore(host: str, port: int) -> Any:
    """As the connections of Telegram's polls are opened."""
    _opened.set([])
    return await _Network().connect_tcp(host, port, timeout=5)


async def ask(host: str) -> None:
    with trio.move_on_after(5):
        await names().addresses(host)


async def test_sixty_names_that_hang_hold_up_neither_others_nor_files(resolver: Resolver) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(60):
            nursery.start_soon(ask, f"hang{number}.example")
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(4):
            assert await names().addresses("good.example") == ["127.0.0.1"]
            await trio.to_thread.run_sync(lambda: None)
        nursery.cancel_scope.cancel()


async def test_more_hanging_names_than_places_hold_up_others_for_a_moment_only(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PLACES", 4)
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.2)
    monkeypatch.setattr(module, "ROOM_SECONDS", 0.02)
    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(ask, f"hang{number}.example")
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(4):
            assert await names().addresses("good.example") == ["127.0.0.1"]
        nursery.cancel_scope.cancel()


async def test_a_name_is_looked_up_once_for_all_who_ask(resolver: Resolver) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(ask, "good.example")
    await ask("good.example")
    assert resolver.asked == ["good.example"]


async def test_a_name_that_does_not_exist_is_asked_for_again_only_after_a_moment(resolver: Resolver) -> None:
    for _ in range(3):
        with pytest.raises(socket.gaierror, match="no such name"):
            await names().addresses("none.example")
    assert resolver.asked == ["none.example"]


@pytest.mark.parametrize("connect", [open_stream, open_stream_by_httpcore])
async def test_a_service_that_has_moved_is_found_soon_after_the_first_failure(
    connect: Callable[[str, int], Awaitable[Any]], resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEEP_FAILURE_SECONDS", 0.0)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await (await connect("moving.example", port)).aclose()
    await (await connect("moving.example", port)).aclose()
    assert resolver.asked == ["moving.example"]
    await listeners[0].aclose()
    with pytest.raises((OSError, httpcore.ConnectError)):
        await connect("moving.example", port)
    with pytest.raises((OSError, httpcore.ConnectError)):
        await connect("moving.example", port)
    assert resolver.asked == ["moving.example"] * 2


async def test_addresses_need_no_look_up(resolver: Resolver) -> None:
    assert await names().addresses("127.0.0.1") == ["127.0.0.1"]
    assert await names().addresses("::1") == ["::1"]
    assert resolver.asked == []


async def test_the_reason_of_a_failed_connection_is_kept() -> None:
    with pytest.raises(ConnectionRefusedError):
        await open_stream("127.0.0.1", 1)


async def test_an_address_that_refuses_makes_room_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]

    def look_up(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", ("127.0.0.2", 0)), (0, 0, 0, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(module, "getaddrinfo", look_up)
    with trio.fail_after(5):
        stream = await open_stream("two.example", port)
    assert stream.socket.getpeername()[0] == "127.0.0.1"
    await stream.aclose()
    await listeners[0].aclose()
