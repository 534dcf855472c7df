"""Addresses and poll timeouts of the Telegram provider, and the input of its sessions."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio

from rookery import SessionStatus
from rookery.store.open import MemoryStore
from support.telegram_engine import QUICK, TOKEN


async def test_another_api_server_and_path() -> None:
    """A local Bot API server behind a path of its own."""
    from rookery import open_engine
    from rookery_telegram import Telegram

    seen: list[str] = []

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            data = await stream.receive_some(65_536)
            seen.append(data.split(b" ")[1].decode())
            body = b'{"ok":false,"error_code":401,"description":"Unauthorized"}'
            await stream.send_all(b"HTTP/1.1 401 X\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        telegram = Telegram(api_url=f"http://127.0.0.1:{port}/local/a%20pi/")
        async with open_engine(providers=[telegram], store=MemoryStore(), settings=QUICK) as engine:
            await engine.create_session(id="shop", platform="telegram", credentials={"token": TOKEN})
            with trio.fail_after(30):
                await engine.wait_status("shop", SessionStatus.AUTH_FAILURE)
        nursery.cancel_scope.cancel()
    assert seen == [f"/local/a%20pi/bot{TOKEN}/deleteWebhook"]


@pytest.mark.parametrize(
    "address",
    [
        *("", "api.telegram.org", "ftp://host", "http://", "http:///path", "http://[::1", "http://host:x"),
        *(
            "http://host:99999",
            "http://host:0",
            "http://user:hunter2@host",
            "http://host/?a=1",
            "http://host/#a",
            "http://\0",
        ),
    ],
)
def test_addresses_that_cannot_be_used(address: str) -> None:
    from rookery.errors import InvalidInput
    from rookery_telegram import Telegram

    with pytest.raises(InvalidInput, match=r"^api_url: an http://") as caught:
        Telegram(api_url=address)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("seconds", [-1, 51])
def test_poll_timeouts_beyond_the_servers(seconds: int) -> None:
    from rookery.errors import InvalidInput
    from rookery_telegram import Telegram

    with pytest.raises(InvalidInput):
        Telegram(poll_timeout=seconds)


@pytest.mark.parametrize(
    ("credentials", "settings", "field"),
    [
        ({}, {}, "credentials.token"),
        ({"token": ""}, {}, "credentials.token"),
        ({"token": "123"}, {}, "credentials.token"),
        ({"token": f"{TOKEN}/../x"}, {}, "credentials.token"),
        ({"token": f"{TOKEN}\n"}, {}, "credentials.token"),
        ({"token": TOKEN, "other": "x"}, {}, "credentials.other"),
        ({"token": TOKEN}, {"takeover": "yes"}, "settings.takeover"),
        ({"token": TOKEN}, {"colour": 1}, "settings.colour"),
        ({"token": TOKEN}, {"allowed_updates": "message"}, "settings.allowed_updates"),
        ({"token": TOKEN}, {"allowed_updates": ["telepathy"]}, "settings.allowed_updates"),
        ({"token": TOKEN}, {"allowed_updates": []}, "settings.allowed_updates"),
        ({"token": TOKEN}, {"sends_per_second": 1e300}, "settings.sends_per_second"),
        ({"token": TOKEN}, {"sends_per_second": -1}, "settings.sends_per_second"),
    ],
    ids=str,
)
def test_input_is_checked_before_it_is_stored(
    credentials: dict[str, str], settings: dict[str, Any], field: str
) -> None:
    from rookery.errors import InvalidInput
    from rookery_telegram import Telegram

    with pytest.raises(InvalidInput) as caught:
        Telegram().check(credentials, settings)
    assert caught.value.field == field
    assert TOKEN not in str(caught.value)
