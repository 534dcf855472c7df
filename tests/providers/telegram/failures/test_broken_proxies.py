"""Real proxies that die during a transfer: no file is lost, sent twice or half stored, and credentials appear nowhere."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio
import trustme

from rookery import Engine, EventQuery, MessageState, SessionStatus, open_engine
from rookery.errors import NotConnected
from rookery.store.open import MemoryStore
from rookery_telegram import Telegram
from support.bot_api.method_log import MethodLog, Received, open_method_log
from support.bot_api.proxies import PASSWORD, USER, Proxy, open_proxy
from support.telegram_engine import QUICK, SECRET, TOKEN, UNLIMITED
from support.waiting import until_found

SIZE = 24_000_000
HALF = SIZE // 2
FILE = {"file_id": "f", "file_unique_id": "u", "file_name": "a.bin"}
UPDATE = {
    "update_id": 1,
    "message": {"message_id": 1, "date": 1_700_000_000, "chat": {"id": 7, "type": "private"}, "document": FILE},
}


def answer(call: Received) -> tuple[int, object]:
    if call.method == "getFile":
        return 200, {"ok": True, "result": {"file_id": "f", "file_path": "documents/1.bin", "file_size": SIZE}}
    return 200, {"ok": True, "result": {"message_id": 1, "date": 1, "chat": {"id": 7}}}


@asynccontextmanager
async def opened(scheme: str, authority: trustme.CA | None = None) -> AsyncIterator[tuple[Engine, MethodLog, Proxy]]:
    """`authority` signs the server's certificate: an HTTP proxy then only tunnels, as it does to the public server."""
    tls = None
    if authority is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(tls)
    with TemporaryDirectory() as directory:
        bundle = None
        if authority is not None:
            bundle = str(Path(directory, "ca.pem"))
            authority.cert_pem.write_to_path(bundle)
        async with open_method_log(tls) as log, open_proxy(scheme, credentials=True) as proxy:
            log.answer = answer
            telegram = Telegram(api_url=log.url, poll_timeout=20, rates=UNLIMITED, proxy=proxy.url, ca_bundle=bundle)
            async with open_engine(providers=[telegram], store=MemoryStore(), settings=QUICK) as engine:
                await engine.create_session(id="shop", platform="telegram", credentials={"token": TOKEN})
                with trio.fail_after(60):
                    await engine.wait_status("shop", SessionStatus.CONNECTED)
                    await log.polling.wait()
                    yield engine, log, proxy


def die_halfway(log: MethodLog, proxy: Proxy) -> trio.Event:
    """Kill the proxy once half of a file has passed it; the event is set then."""
    dead = trio.Event()

    async def watch(size: int) -> None:
        if size >= HALF and not dead.is_set():
            await proxy.die()
            dead.set()

    log.on_progress = watch
    return dead


@pytest.mark.parametrize(("scheme", "is_encrypted"), [("socks5", False), ("socks5", True), ("http", True)])
async def test_an_upload_through_a_proxy_that_dies(
    scheme: str, is_encrypted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The server got half of it, so it was not sent: no call arrived whole. It is reported, and later sends leave."""
    caplog.set_level(logging.DEBUG)
    content = os.urandom(SIZE)
    async with opened(scheme, trustme.CA() if is_encrypted else None) as (engine, log, proxy):
        dead = die_halfway(log, proxy)
        stored = await engine.store_media(content, content_type="application/pdf", filename="a.pdf")
        message = await engine.submit("shop", to=7, type="document", media=stored.id)
        await dead.wait()
        # Not earlier: it could leave through a connection that dies a moment later, and be unknown itself.
        behind = await engine.submit("shop", to=7, text="behind it")
        await engine.wait_status("shop", SessionStatus.RECONNECTING)
        await proxy.start()
        await engine.wait_status("shop", SessionStatus.CONNECTED)
        first, second = await engine.wait_message(message.id, 30), await engine.wait_message(behind.id, 30)
        arrived = [call.method for call in log.calls]
        if first.state is MessageState.UNKNOWN:
            assert arrived == ["sendMessage"]
        else:
            assert (first.state, arrived) == (MessageState.SENT, ["sendDocument", "sendMessage"])
            assert log.calls[0].files["document"][2] == content
        assert second.state is MessageState.SENT
        shown = caplog.text + repr(first) + repr(await engine.get_session("shop"))
    assert not any(secret in shown for secret in (PASSWORD, USER, SECRET))


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_download_through_a_proxy_that_dies(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    """Half a file is never taken for a file; asked again after recovery, all of it comes."""
    caplog.set_level(logging.DEBUG)
    async with opened(scheme) as (engine, log, proxy):
        log.file = os.urandom(SIZE)
        log.updates.append(UPDATE)
        events = await until_found(lambda: engine.read_events(EventQuery(types=("message",))))
        dead = die_halfway(log, proxy)
        with pytest.raises(NotConnected) as caught:
            await engine.media_of_event(events[0].id)
        assert dead.is_set()
        await engine.wait_status("shop", SessionStatus.RECONNECTING)
        await proxy.start()
        await engine.wait_status("shop", SessionStatus.CONNECTED)
        file = await engine.media_of_event(events[0].id)
        found = await engine.fetch_media(events[0].id, limit=SIZE)
        assert (file.size, found.data) == (SIZE, log.file)
        shown = caplog.text + str(caught.value) + repr(await engine.get_session("shop"))
        assert len(await engine.read_events(EventQuery(types=("message",)))) == 1
    assert not any(secret in shown for secret in (PASSWORD, USER, SECRET))
