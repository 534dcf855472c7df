"""Certificates of a private authority: everything that connects to others trusts a bundle, and the system's store."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trustme

from rookery import EngineSettings
from rookery.delivery.transports.http import Server, open_http_transport
from rookery.delivery.transports.opening import open_transport
from rookery.errors import InvalidInput, ProviderError, SendError, StorageUnavailable
from rookery.media.s3 import S3Storage
from rookery.runtime.http_client import ExchangeError
from rookery.runtime.trust import tls_context
from rookery_telegram import Telegram
from rookery_whatsapp.link.fetching import fetch

ANSWER = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@asynccontextmanager
async def https_server(authority: trustme.CA) -> AsyncIterator[str]:
    """Answers 404 to everything; its address."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)

    async def answer(stream: trio.SSLStream[trio.SocketStream]) -> None:
        try:
            while b"\r\n\r\n" not in await stream.receive_some():
                pass
            await stream.send_all(ANSWER)
        except trio.BrokenResourceError:
            pass  # the client does not trust us

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_ssl_over_tcp_listeners(0, context, host="localhost", https_compatible=True)
        port = listeners[0].transport_listener.socket.getsockname()[1]  # type: ignore[attr-defined]
        nursery.start_soon(trio.serve_listeners, answer, listeners)
        yield f"https://localhost:{port}"
        nursery.cancel_scope.cancel()


async def post(opening: AbstractAsyncContextManager[Any], url: str) -> None:
    failed: ExchangeError | None = None
    async with opening as transport:
        try:
            request = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n"
            await transport.exchange(Server.of(httpx.URL(url)), request, until=trio.current_time() + 10)
        except ExchangeError as error:
            failed = error
    if failed is not None:
        raise failed


async def webhook(url: str, bundle: str | None) -> None:
    await post(open_http_transport(installation="i", allow_private=True, ca_bundle=bundle), url)


async def engines_webhook(url: str, bundle: str | None) -> None:
    """The bundle comes from the engine's settings."""
    await post(open_transport("http", EngineSettings(ca_bundle=bundle, webhook_allow_private=True), "i"), url)


async def bot_api(url: str, bundle: str | None) -> None:
    await Telegram(api_url=url, ca_bundle=bundle).reach()


async def bucket(url: str, bundle: str | None) -> None:
    storage = S3Storage("b", "", endpoint=url, region="eu", access_key="a", secret_key="s", ca_bundle=bundle)
    async with storage.open():
        with suppress(FileNotFoundError):  # the server's 404
            await storage.check()


async def file_to_send(url: str, bundle: str | None) -> None:
    try:
        await fetch(url, limit=1000, seconds=10, allow_private=True, ca_bundle=bundle)
    except Exception as error:
        if "answered 404" not in str(error):
            raise


Connecting = Callable[[str, str | None], Awaitable[None]]


@pytest.mark.parametrize("connect", [webhook, engines_webhook, bot_api, bucket, file_to_send])
async def test_a_private_authority_is_trusted_by_a_bundle_only(connect: Connecting, tmp_path: Path) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    async with https_server(authority) as url:
        await connect(url, str(bundle))
        with pytest.raises((ExchangeError, ProviderError, SendError, StorageUnavailable)):
            await connect(url, None)


async def test_the_system_store_is_what_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    async with https_server(authority) as url:
        with pytest.raises(ExchangeError):
            await webhook(url, None)
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        await webhook(url, None)


def test_public_authorities_are_known_without_a_bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nothing"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert len(tls_context().get_ca_certs()) > 50, "certifi's take the place of a store that is not there"


def test_a_bundle_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        tls_context(str(tmp_path / "nothing"))
