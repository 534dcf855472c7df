"""Webhooks over real sockets: signatures as receivers verify them, and servers that do not speak HTTP well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import h11
import pytest
import trio
from standardwebhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from rookery import Engine, EngineSettings, open_engine
from rookery.store.open import MemoryStore
from support.fake_platform import FakePlatform, add, connected, event
from support.waiting import until, until_found

SETTINGS = EngineSettings(webhook_backoff=0.05, webhook_timeout=0.5, webhook_attempts=4)
Handler = Callable[[trio.SocketStream], Awaitable[None]]


class Receiver:
    """What arrived: headers by lower-case name, and bodies."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.connections = 0
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        self.handler: Handler = self.serve

    async def accept(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        try:
            async with stream:
                await self.handler(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def serve(self, stream: trio.SocketStream) -> None:
        while (request := await self.read(stream)) is not None:
            self.requests.append(request)
            await stream.send_all(self.answer)

    @staticmethod
    async def read(stream: trio.SocketStream) -> tuple[dict[str, str], bytes] | None:
        connection = h11.Connection(h11.SERVER)
        head: h11.Request | None = None
        body = b""
        while True:
            found: Any = connection.next_event()
            if found is h11.NEED_DATA:
                data = await stream.receive_some(65_536)
                if not data and head is None:
                    return None
                connection.receive_data(data)
            elif isinstance(found, h11.Request):
                head = found
            elif isinstance(found, h11.Data):
                body += bytes(found.data)
            else:
                assert head is not None
                return {name.decode(): value.decode() for name, value in head.headers}, body


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, receiver.accept, 0, host="127.0.0.1"))
        receiver.url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/in"
        yield receiver
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def delivering(*urls: str) -> AsyncIterator[tuple[Engine, FakePlatform]]:
    platform = FakePlatform()
    async with open_engine(providers=[platform], store=MemoryStore(), settings=SETTINGS) as engine:
        await add(engine)
        await connected(engine)
        for number, url in enumerate(urls):
            await engine.create_webhook(url=url, id=f"wh-{number}")
        yield engine, platform


async def test_the_signature_is_one_that_receivers_accept() -> None:
    async with receiving() as receiver, delivering(receiver.url) as (engine, platform):
        await platform.link().inbox.commit([event(number) for number in range(3)], None)
        await until(lambda: len(receiver.requests) == 3)
        verifier = Verifier((await engine.get_webhook("wh-0")).secret)
        for number, (headers, body) in enumerate(receiver.requests):
            document: Any = verifier.verify(body, headers)
            assert document["data"]["key"] == str(number)
            with pytest.raises(WebhookVerificationError):
                verifier.verify(body + b" ", headers)
        assert receiver.connections == 1


async def test_a_password_in_the_url_becomes_a_header() -> None:
    async with receiving() as receiver:
        url = receiver.url.replace("//", "//user:pass@")
        async with delivering(url) as (_, platform):
            await platform.link().inbox.commit([event(1)], None)
            await until(lambda: len(receiver.requests) == 1)
            assert receiver.requests[0][0]["authorization"] == "Basic dXNlcjpwYXNz"


async def bad_status(stream: trio.SocketStream) -> None:
    await Receiver.read(stream)
    await stream.send_all(b"HTTP/1.1 999999 What\r\n\r\n")


async def not_http(stream: trio.SocketStream) -> None:
    await stream.send_all(b"220 mail.example.org ESMTP\r\n")
    with suppress(trio.BrokenResourceError):
        while await stream.receive_some():  # until the caller hangs up
            pass


async def close_at_once(stream: trio.SocketStream) -> None:
    return


async def close_after_request(stream: trio.SocketStream) -> None:
    await Receiver.read(stream)


async def silence(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def half_an_answer(stream: trio.SocketStream) -> None:
    await Receiver.read(stream)
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


async def broken_chunks(stream: trio.SocketStream) -> None:
    await Receiver.read(stream)
    await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")


async def endless_headers(stream: trio.SocketStream) -> None:
    await Receiver.read(stream)
    await stream.send_all(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000)


async def drip(stream: trio.SocketStream) -> None:
    await Receiver.read(stream)
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        await stream.send_all(b"x")
        await trio.sleep(0.1)


@pytest.mark.parametrize(
    "handler",
    [
        bad_status,
        not_http,
        close_at_once,
        close_after_request,
        silence,
        half_an_answer,
        broken_chunks,
        endless_headers,
        drip,
    ],
)
async def test_a_strange_server_is_a_failed_delivery(handler: Handler) -> None:
    async with receiving() as receiver, receiving() as good, delivering(receiver.url, good.url) as (engine, platform):
        receiver.handler = handler
        await platform.link().inbox.commit([event(1)], None)
        await until(lambda: len(good.requests) == 1, seconds=1)
        await until(lambda: receiver.connections >= 2)
        receiver.handler = receiver.serve
        await until(lambda: len(receiver.requests) >= 1)
        await until(lambda: receiver.requests[-1][0]["webhook-id"] == good.requests[0][0]["webhook-id"])
        assert await engine.dead_letters("wh-0") == []


async def test_an_endless_body_is_not_read_to_its_end() -> None:
    async def pour(stream: trio.SocketStream) -> None:
        receiver.requests.append(await Receiver.read(stream) or ({}, b""))
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        while True:
            await stream.send_all(b"x" * 65_536)

    async with receiving() as receiver, delivering(receiver.url) as (engine, platform):
        receiver.handler = pour
        await platform.link().inbox.commit([event(1)], None)
        await until(lambda: len(receiver.requests) == 1)
        await until_found(engine.health, lambda health: not health.pending_deliveries, seconds=20)
        assert len(receiver.requests) == 1


async def test_an_unreachable_endpoint_makes_a_dead_letter_with_the_reason() -> None:
    async with receiving() as receiver:
        url = receiver.url
    async with delivering(url) as (engine, platform):
        await platform.link().inbox.commit([event(1)], None)
        await until_found(lambda: engine.dead_letters("wh-0"), seconds=30)
        [dead] = await engine.dead_letters("wh-0")
        assert (dead.attempts, dead.event.key) == (4, "1")
        assert "CannotConnect" in dead.error
