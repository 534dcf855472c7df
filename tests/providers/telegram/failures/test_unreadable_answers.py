"""Answers to calls that hold what decoders and clocks refuse: an error that passes, or a matter of one file or send."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import msgspec
import pytest
import trio

from rookery.errors import Failure, ProviderError, RookeryError
from rookery.model.event import Event
from rookery.model.session import ProofOfLife
from rookery.provider.capabilities import MediaSink
from rookery.provider.contract import Inbox
from rookery.provider.pacer import Pacer
from rookery_telegram.bot_api.api import BotApi
from rookery_telegram.bot_api.server import BotServer
from rookery_telegram.link import TelegramLink
from rookery_telegram.sending.outbound import to_receipt
from support.bot_api.messages import message_of

ODD = [b'{"id":5,"first_name":"\xff"}', b'{"id":1e400}', b"[]"]


class QuietInbox:
    """Of an `Inbox` what a link needs before its first poll."""

    cursor = None
    life = ProofOfLife()

    def now(self) -> float:
        return 1_700_000_000.0

    def beat(self, waited: float | None = None) -> None: ...


async def _serve(result: bytes, stream: trio.SocketStream) -> None:
    body = b'{"ok":true,"result":%b}' % result
    received = b""
    async for data in stream:
        received += data
        while b"\r\n\r\n" in received:
            head, _, received = received.partition(b"\r\n\r\n")
            [length] = [int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
            while len(received) < length:
                received += await stream.receive_some()
            received = received[length:]
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


@asynccontextmanager
async def open_link(result: bytes) -> AsyncGenerator[TelegramLink]:
    """A link to a server that answers every call with `result`."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, partial(_serve, result), 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        api = BotApi("5:token", BotServer(f"http://127.0.0.1:{port}", None))
        link = TelegramLink(
            "shop",
            "5",
            api,
            cast(Inbox, QuietInbox()),
            Pacer(overall=30.0, per_chat=lambda chat: 1.0, burst=1),
            poll_timeout=50,
            allowed_updates=(),
            takeover=False,
        )
        try:
            yield link
        finally:
            await api.aclose()
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("result", ODD, ids=["bytes", "1e400", "list"])
async def test_a_bot_that_cannot_be_read_is_asked_for_again(result: bytes) -> None:
    async with open_link(result) as link:
        with pytest.raises(ProviderError, match="getMe") as caught:
            await link.open()
    assert caught.value.kind is Failure.SERVER


async def test_an_answer_nested_too_deeply_still_opens_the_session() -> None:
    async with open_link(b'{"id":5,"first_name":"Ann","x":' + b"[" * 3_000 + b"]" * 3_000 + b"}") as link:
        await link.open()
    assert link.account == "Ann"


@pytest.mark.parametrize(
    "result", [b'{"file_path":"\xff"}', b'{"file_size":1e400}', b"[]"], ids=["bytes", "1e400", "list"]
)
async def test_a_file_that_cannot_be_read_fails_alone(result: bytes) -> None:
    event = Event(1, "shop", "telegram", "message", "1", 0.0, None, None, {"media": {"file_id": "F"}}, {})
    async with open_link(result) as link:
        with pytest.raises(RookeryError, match="getFile"):
            await link.fetch_media(event, cast(MediaSink, Any))


@pytest.mark.parametrize("date", [10**400, 10**20, -5, 0])
def test_a_send_is_sent_whatever_its_date(date: int) -> None:
    receipt = to_receipt(
        message_of(type="text", text="x"), msgspec.Raw(b'{"message_id":3,"date":%d}' % date), 1_700_000_000.0
    )
    assert (receipt.message_id, receipt.time) == ("3", 1_700_000_000.0)


@pytest.mark.parametrize(
    ("result", "id"),
    [
        (b'{"message_id":3}', "3"),
        (b'[{"message_id":3},{"message_id":4}]', "3"),
        (b"[]", ""),
        (b"true", ""),
        (b'{"message_id":"\xff"}', ""),
    ],
)
def test_a_receipt_names_the_message_or_the_first_of_several_or_none(result: bytes, id: str) -> None:
    receipt = to_receipt(message_of(type="text", text="x"), msgspec.Raw(result), 1_700_000_000.0)
    assert receipt.message_id == id
