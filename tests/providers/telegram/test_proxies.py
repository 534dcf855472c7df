"""Everything that a bot does, through real proxies: polling, sends, uploads, downloads; credentials never appear."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio

from rookery import EngineSettings, EventQuery, SessionStatus, open_engine
from rookery.errors import InvalidInput, ProviderError
from rookery.store.open import MemoryStore
from rookery_http.config.settings import ApiSettings
from rookery_http.operate.doctor import examine_running
from rookery_telegram import Telegram
from rookery_telegram.bot_api.proxy import check_proxy
from support.bot_api.method_log import Received, open_method_log
from support.bot_api.proxies import PASSWORD, USER, open_proxy
from support.telegram_engine import QUICK, SECRET, TOKEN, UNLIMITED
from support.waiting import until_found

PHOTO = {"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}
UPDATE = {
    "update_id": 1,
    "message": {"message_id": 1, "date": 1_700_000_000, "chat": {"id": 7, "type": "private"}, "photo": [PHOTO]},
}


def answer(call: Received) -> tuple[int, Any]:
    if call.method == "getFile":
        return 200, {"ok": True, "result": {"file_id": "f", "file_path": "photos/1.jpg", "file_size": 12}}
    return 200, {"ok": True, "result": {"message_id": 1, "date": 1, "chat": {"id": 7}}}


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
@pytest.mark.parametrize("credentials", [False, True])
@pytest.mark.parametrize("place", ["session", "server"])
async def test_everything_goes_through_the_proxy(
    scheme: str, credentials: bool, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_method_log() as log, open_proxy(scheme, credentials=credentials) as proxy:
        log.answer = answer
        log.updates.append(UPDATE)
        telegram = Telegram(
            api_url=log.url,
            poll_timeout=20,
            rates=UNLIMITED,
            proxy=proxy.url if place == "server" else None,
            ca_bundle=str(proxy.ca_bundle) if proxy.ca_bundle else None,
        )
        settings = {"proxy": proxy.url} if place == "session" else {}
        async with open_engine(providers=[telegram], store=MemoryStore(), settings=QUICK) as engine:
            await engine.create_session(id="shop", platform="telegram", credentials={"token": TOKEN}, settings=settings)
            with trio.fail_after(60):
                await engine.wait_status("shop", SessionStatus.CONNECTED)
                events = await until_found(lambda: engine.read_events(EventQuery(types=("message",))))
                await engine.send("shop", to=7, text="hi")
                stored = await engine.store_media(b"bytes" * 100_000, content_type="image/png", filename="a.png")
                await engine.send("shop", to=7, type="image", media=stored.id)
                assert (await engine.fetch_media(events[0].id)).data == b"file content"
                reached = await telegram.reach() if place == "server" else await telegram.reach_by(settings)
                assert "through the proxy 127.0.0.1" in reached.detail
            uploaded = next(call for call in log.calls if call.method == "sendPhoto")
            assert uploaded.files["photo"] == ("a.png", "image/png", b"bytes" * 100_000)
            await proxy.die()
            with trio.fail_after(60):  # nothing of it takes another way
                await engine.wait_status("shop", SessionStatus.RECONNECTING)
            sessions = repr(await engine.list_sessions()) + repr(telegram)
        for text in (caplog.text, sessions if place == "server" else ""):
            assert PASSWORD not in text
            assert USER not in text
            assert SECRET not in text


async def test_a_proxy_that_dies_is_trouble_of_the_network_and_nothing_is_lost() -> None:
    async with open_method_log() as log, open_proxy("socks5", credentials=True) as proxy:
        telegram = Telegram(api_url=log.url, poll_timeout=20, rates=UNLIMITED, proxy=proxy.url)
        async with open_engine(providers=[telegram], store=MemoryStore(), settings=QUICK) as engine:
            await engine.create_session(id="shop", platform="telegram", credentials={"token": TOKEN})
            with trio.fail_after(60):
                await engine.wait_status("shop", SessionStatus.CONNECTED)
                await log.polling.wait()
                await proxy.die()
                session = await engine.wait_status("shop", SessionStatus.RECONNECTING)
                assert session.health.reason == "NETWORK"
                message = await engine.submit("shop", to=7, text="waits")
                assert not (await engine.get_message(message.id)).state.final
            assert PASSWORD not in repr(session) + (session.health.last_error or "")
            with pytest.raises(ProviderError, match="does not answer"):
                await telegram.reach()


async def test_the_doctor_tries_the_proxies_of_single_sessions() -> None:
    """Each once, however many sessions use it; what it says holds no credentials."""
    async with open_method_log() as log, open_proxy("http", credentials=True) as proxy:
        dead = proxy.url.replace(proxy.url.rpartition(":")[2], "1")
        telegram = Telegram(api_url=log.url, poll_timeout=20, rates=UNLIMITED)
        async with open_engine(providers=[telegram], store=MemoryStore(), settings=QUICK) as engine:
            for number, address in enumerate((proxy.url, proxy.url, dead, None), 1):
                await engine.create_session(
                    id=f"shop-{number}",
                    platform="telegram",
                    credentials={"token": TOKEN.replace("123456", f"12345{number}")},
                    settings={"proxy": address} if address else {},
                )
            with trio.fail_after(60):
                findings = await examine_running(engine, None, ApiSettings())
        found = {finding.subject: finding for finding in findings if finding.subject.startswith("telegram,")}
        assert list(found) == ["telegram, session shop-1 and 1 more", "telegram, session shop-3"]
        good, bad = found.values()
        assert "through the proxy 127.0.0.1" in good.detail
        assert (good.level, bad.level) == ("ok", "error")
        assert PASSWORD not in repr(findings)
        assert USER not in repr(findings)


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
async def test_wrong_proxy_credentials_are_reported_without_showing_them(scheme: str) -> None:
    async with open_method_log() as log, open_proxy(scheme, credentials=True) as proxy:
        wrong = proxy.url.replace(PASSWORD, "mistyped")
        ca_bundle = str(proxy.ca_bundle) if proxy.ca_bundle else None
        telegram = Telegram(api_url=log.url, poll_timeout=20, proxy=wrong, ca_bundle=ca_bundle)
        settings = EngineSettings(backoff_network=0.05, backoff_server_error=0.05, backoff_jitter=0)
        async with open_engine(providers=[telegram], store=MemoryStore(), settings=settings) as engine:
            await engine.create_session(id="shop", platform="telegram", credentials={"token": TOKEN})
            with trio.fail_after(60):
                session = await engine.wait_status("shop", SessionStatus.RECONNECTING)
            assert "mistyped" not in (session.health.last_error or "")
            with pytest.raises(ProviderError) as caught, trio.fail_after(30):
                await telegram.reach()
            assert "mistyped" not in str(caught.value)
        assert log.calls == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host:1",
        "http://",
        "host:1080",
        "socks5://host:99999",
        "http://host/path",
        "http://u:***@host",
        "socks5://***@host",
        "",
    ],
)
def test_addresses_that_are_no_proxy(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"settings\.proxy") as caught:
        check_proxy(url, "settings.proxy")
    assert "host" not in str(caught.value).replace("password@host:port", "")


async def test_a_file_of_a_local_server_is_read_from_where_it_lies(tmp_path: Any) -> None:
    (tmp_path / "1.jpg").write_bytes(b"local content")
    async with open_method_log() as log:
        path = str(tmp_path / "1.jpg")
        log.answer = lambda call: (200, {"ok": True, "result": {"file_id": "f", "file_path": path, "file_size": 13}})
        log.updates.append(UPDATE)
        for local in (True, False):
            telegram = Telegram(api_url=log.url, poll_timeout=20, local_files=local)
            async with open_engine(providers=[telegram], store=MemoryStore(), settings=QUICK) as engine:
                await engine.create_session(id="shop", platform="telegram", credentials={"token": TOKEN})
                with trio.fail_after(60):
                    events = await until_found(lambda: engine.read_events(EventQuery(types=("message",))))
                    if local:
                        assert (await engine.fetch_media(events[0].id)).data == b"local content"
                    else:
                        with pytest.raises(Exception, match="local_files"):
                            await engine.fetch_media(events[0].id)
