"""Unusual parameters reach the server unchanged, in JSON and beside files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from rookery import Engine, MessageState, SessionStatus, open_engine
from rookery.errors import InvalidInput
from rookery.store.open import MemoryStore
from rookery_telegram import Telegram
from support.bot_api.method_log import MethodLog, open_method_log
from support.telegram_engine import QUICK, TOKEN, UNLIMITED

ODD: dict[str, Any] = {
    "empty": "",
    "space": " \t ",
    "lines": "a\r\nb\nc\r\n\r\n--d",
    "quotes": "\"'\\ %22 %0D & + = ; <b>",
    "unicode": "Grüße, 🐦‍⬛, e\u0301, \u202eright to left\u202c, \ufeff, \uffff",
    "like_a_file": "media:med_1",
    "attach": "attach://photo",
    "yes": True,
    "no": False,
    "nothing": None,
    "zero": 0,
    "supergroup": -1001234567890123,
    "beyond_53_bits": 9007199254740993,
    "beyond_64_bits": 2**70 + 1,
    "below_64_bits": -(2**70) - 1,
    "fraction": 0.1,
    "tiny": 5e-324,
    "minus_zero": -0.0,
    "whole": 1.0,
    "list": [],
    "object": {},
    "numbers": [1, "1", 1.5, None, True, [[]], {}],
    "nested": {"a": {"b": [{"c": [{"d": {"e": ["ü", None, False, 0, ""]}}]}]}, "": "no name", 'ä "ö': 1},
    "A": "case",
    "a": "matters",
}
ALBUM = 10


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Engine, MethodLog]]:
    async with open_method_log() as log:
        log.answer = lambda call: (200, {"ok": True, "result": True})
        telegram = Telegram(api_url=log.url, poll_timeout=20, rates=UNLIMITED)
        async with open_engine(providers=[telegram], store=MemoryStore(), settings=QUICK) as engine:
            await engine.create_session(id="shop", platform="telegram", credentials={"token": TOKEN})
            with trio.fail_after(30):
                await engine.wait_status("shop", SessionStatus.CONNECTED)
                await log.polling.wait()
            yield engine, log


def exactly(params: dict[str, Any]) -> str:
    """Text that differs where a type differs, as between 1, 1.0 and true, and by the order of parameters."""
    return json.dumps(params)


async def queued(engine: Engine, params: dict[str, Any], method: str = "aMethodOfTomorrow") -> None:
    message = await engine.submit("shop", to=7, type="telegram", method=method, params=params)
    with trio.fail_after(30):
        assert (await engine.wait_message(message.id, 20)).state is MessageState.SENT


async def test_odd_values_arrive_as_they_are() -> None:
    async with opened() as (engine, log):
        await engine.call("shop", "aMethodOfTomorrow", ODD)
        await queued(engine, {"chat_id": 7} | ODD)
        direct, later = log.calls
        assert exactly(direct.params) == exactly(ODD)
        assert exactly(later.params) == exactly({"chat_id": 7} | ODD)


async def test_odd_values_arrive_beside_files_as_text_or_json() -> None:
    """A form has only text: strings are themselves, all else is JSON, as the Bot API wants it."""
    async with opened() as (engine, log):
        file = await engine.store_media(b"\r\n--x\r\n\x00", content_type="image/png", filename='ü "1"\r\n.png')
        params = ODD | {"photo": f"media:{file.id}"}
        await engine.call("shop", "sendPhoto", params)
        await queued(engine, {"chat_id": 7} | params, "sendPhoto")
        for call in log.calls:
            arrived = {name: value for name, value in call.params.items() if name != "chat_id"}
            assert exactly(arrived) == exactly(ODD)
            [(name, kind, content)] = call.files.values()
            assert (kind, content) == ("image/png", b"\r\n--x\r\n\x00")
            assert name.startswith("ü %221%22")


async def test_lists_of_files_keep_their_order_and_their_fields() -> None:
    async with opened() as (engine, log):
        files = [
            await engine.store_media(b"%d" % n, content_type="image/png", filename=f"{n}.png") for n in range(ALBUM)
        ]
        media = [
            {"type": "photo", "media": f"media:{file.id}", "caption": f"media:{file.id}", "n": n, "nothing": None}
            for n, file in enumerate(files)
        ]
        stickers = [{"sticker": f"media:{file.id}", "emoji_list": ["🐦"], "keywords": []} for file in files]
        await engine.call("shop", "sendMediaGroup", {"chat_id": 7, "media": media})
        await engine.call("shop", "createNewStickerSet", {"user_id": 7, "name": "a", "stickers": stickers})
        await queued(engine, {"media": media}, "sendMediaGroup")
        for call in log.calls:
            assert [content for _, _, content in call.files.values()] == [b"%d" % n for n in range(ALBUM)]
        group, stickered, later = log.calls
        expected = [one | {"media": f"attach://file{n}"} for n, one in enumerate(media)]
        assert group.params == later.params == {"chat_id": 7, "media": expected}
        assert stickered.params["stickers"] == [
            one | {"sticker": f"attach://file{n}"} for n, one in enumerate(stickers)
        ]


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), [{"a": float("nan")}], "\ud800", object()]
)
async def test_what_json_cannot_write_is_refused(value: Any) -> None:
    """A number that is none must not become null, which means something else."""
    async with opened() as (engine, log):
        with pytest.raises(InvalidInput, match="params"):
            await engine.call("shop", "getChat", {"chat_id": 7, "x": value})
        with pytest.raises(InvalidInput, match="params"):
            await engine.submit("shop", to=7, type="telegram", method="getChat", params={"x": value})
        assert log.calls == []
