"""Every kind of content as the Bot API's call, and the result that the caller gets."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from rookery import MessageState
from rookery.errors import Rejected
from rookery_telegram.sending.outbound import chat_id, name_of, to_call
from support.bot_api.messages import message_of
from support.telegram_engine import open_quick_simulator, open_setup

PICTURE = base64.b64encode(b"\x89PNG not really").decode()


CALLS: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"text": "hi"}, "sendMessage", {"text": "hi"}),
    ({"text": "<b>", "format": "html"}, "sendMessage", {"text": "<b>", "parse_mode": "HTML"}),
    ({"text": "*b*", "format": "markdown"}, "sendMessage", {"text": "*b*", "parse_mode": "MarkdownV2"}),
    ({"text": "x", "preview": False}, "sendMessage", {"text": "x", "link_preview_options": {"is_disabled": True}}),
    ({"text": "x", "reply_to": "9"}, "sendMessage", {"text": "x", "reply_parameters": {"message_id": 9}}),
    ({"text": "x", "to": "@channel"}, "sendMessage", {"chat_id": "@channel", "text": "x"}),
    (
        {"text": "x", "options": {"disable_notification": True, "reply_markup": {"inline_keyboard": []}}},
        "sendMessage",
        {"text": "x", "disable_notification": True, "reply_markup": {"inline_keyboard": []}},
    ),
    *[
        (
            {"type": kind, "url": "https://example.org/f", "caption": "c"},
            method,
            {method[4:].lower(): "https://example.org/f", "caption": "c"},
        )
        for kind, method in [
            ("video", "sendVideo"),
            ("audio", "sendAudio"),
            ("voice", "sendVoice"),
            ("document", "sendDocument"),
            ("sticker", "sendSticker"),
            ("file", "sendDocument"),
        ]
    ],
    ({"type": "image", "url": "https://x/p"}, "sendPhoto", {"photo": "https://x/p"}),
    ({"type": "photo", "url": "AgACfile_id"}, "sendPhoto", {"photo": "AgACfile_id"}),
    ({"type": "location", "latitude": 1, "longitude": 2}, "sendLocation", {"latitude": 1, "longitude": 2}),
    (
        {"type": "location", "latitude": 1, "longitude": 2, "name": "Bar", "address": "Street"},
        "sendVenue",
        {"latitude": 1, "longitude": 2, "title": "Bar", "address": "Street"},
    ),
    (
        {"type": "contact", "name": "Ann", "phone": "+1"},
        "sendContact",
        {"first_name": "Ann", "phone_number": "+1"},
    ),
    (
        {"type": "reaction", "message_id": "3", "emoji": "x"},
        "setMessageReaction",
        {"message_id": 3, "reaction": [{"type": "emoji", "emoji": "x"}]},
    ),
    ({"type": "reaction", "message_id": "3", "emoji": ""}, "setMessageReaction", {"message_id": 3, "reaction": []}),
    (
        {"type": "edit", "message_id": "3", "text": "y", "format": "html"},
        "editMessageText",
        {"message_id": 3, "text": "y", "parse_mode": "HTML"},
    ),
    ({"type": "delete", "message_id": "3"}, "deleteMessage", {"message_id": 3}),
    ({"type": "typing"}, "sendChatAction", {"action": "typing"}),
    ({"type": "typing", "action": "upload_photo"}, "sendChatAction", {"action": "upload_photo"}),
]


@pytest.mark.parametrize(("fields", "method", "params"), CALLS, ids=str)
def test_calls(fields: dict[str, Any], method: str, params: dict[str, Any]) -> None:
    call = to_call(message_of(**fields))
    assert (call.method, call.params, call.files) == (method, {"chat_id": 7} | params, {})


@pytest.mark.parametrize(
    ("fields", "field", "name", "kind"),
    [
        ({"type": "image", "data": PICTURE, "mime_type": "image/png"}, "photo", "photo.png", "image/png"),
        (
            {"type": "document", "data": PICTURE, "filename": "r\u00e9sum\u00e9 1.pdf"},
            "document",
            "r\u00e9sum\u00e9 1.pdf",
            "application/pdf",
        ),
        ({"type": "voice", "data": PICTURE}, "voice", "voice.bin", "application/octet-stream"),
    ],
    ids=str,
)
def test_uploads(fields: dict[str, Any], field: str, name: str, kind: str) -> None:
    call = to_call(message_of(**fields))
    file = call.files[field]
    assert file.data == base64.b64decode(PICTURE)
    assert name_of(field, file.filename, file.media_type) == (name, kind)
    assert call.params == {"chat_id": 7}


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "x", "to": "bob"},
        {"text": "x", "to": "@"},
        {"text": "x", "to": "1_000"},
        {"text": "x", "to": "+5"},
        {"text": "x", "to": " 5"},
        {"text": "x", "to": "\u0665"},
        {"text": "x", "to": "9" * 200},
        {"text": "x", "reply_to": "first"},
        {"type": "edit", "message_id": "1.5", "text": "x"},
        {"type": "delete", "message_id": "\u0665"},
    ],
    ids=str,
)
def test_what_no_bot_can_send(fields: dict[str, Any]) -> None:
    with pytest.raises(Rejected):
        to_call(message_of(**fields))


@pytest.mark.parametrize(("to", "expected"), [("7", 7), ("-1001234567890", -1001234567890), ("@news", "@news")])
def test_chats(to: str, expected: int | str) -> None:
    assert chat_id(to) == expected


async def test_every_kind_against_the_server() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        engine = setup.engine
        first = await engine.send("shop", to=7, text="hello")
        assert (first.message_id, first.chat) == ("1", "7")
        life = engine.proof_of_life("shop")
        assert life is not None
        assert life.last_ack is not None
        reply = await engine.send("shop", to=7, text="answer", reply_to=first.message_id)
        edited = await engine.send("shop", to=7, type="edit", message_id=first.message_id, text="hello again")
        assert edited.message_id == first.message_id
        reacted = await engine.send("shop", to=7, type="reaction", message_id=first.message_id, emoji="\U0001f44d")
        assert (reacted.message_id, reacted.chat) == (first.message_id, "7")
        await engine.send("shop", to=7, type="typing")
        deleted = await engine.send("shop", to=7, type="delete", message_id=reply.message_id)
        assert deleted.message_id == reply.message_id
        await engine.send("shop", to=7, type="location", latitude=1.5, longitude=2)
        await engine.send("shop", to=7, type="contact", name="Ann", phone="+1")
        for kind in ("image", "video", "audio", "voice", "document", "sticker"):
            await engine.send("shop", to=7, type=kind, url="https://example.org/file.bin")
            await engine.send("shop", to=7, type=kind, data=PICTURE, filename="a b\u00e9.bin")
            await engine.send("shop", to=7, type=kind, data=b"bytes as they are")
        methods = [sent.method for sent in setup.bot.sent]
        assert methods[:2] == ["sendMessage", "sendMessage"]
        assert methods.count("sendPhoto") == methods.count("sendSticker") == methods.count("sendDocument") == 3
        uploads = [sent.files for sent in setup.bot.sent if sent.files]
        assert len(uploads) == 12
        assert uploads[0] == {"photo": ("a b\u00e9.bin", 15)}
        assert uploads[1] == {"photo": ("photo.bin", 17)}
        assert [action.method for action in setup.bot.actions] == [
            "editMessageText",
            "setMessageReaction",
            "sendChatAction",
            "deleteMessage",
        ]


async def test_a_caption_and_a_reply_travel_with_an_upload() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        first = await setup.engine.send("shop", to=7, text="x")
        await setup.engine.send(
            "shop",
            to=7,
            type="image",
            data=PICTURE,
            caption='look: \u20ac "quoted"',
            reply_to=first.message_id,
            options={"reply_markup": {"inline_keyboard": [[{"text": "ok", "callback_data": "1"}]]}},
        )
        sent = setup.bot.sent[-1]
        assert sent.text == 'look: \u20ac "quoted"'
        assert "reply_to_message" in setup.bot.messages[7, sent.message_id or 0]


async def test_a_large_upload() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        await setup.engine.send("shop", to=7, type="document", data=b"\0\r\n--x" * 2_000_000, filename="big.bin")
        assert setup.bot.sent[-1].files == {"document": ("big.bin", 12_000_000)}


async def test_bad_addresses_fail_without_a_call() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        calls = setup.bot.calls["sendmessage"]
        message = await setup.engine.submit("shop", to="bob", text="x")
        done = await setup.engine.wait_message(message.id, 5)
        assert done.state is MessageState.FAILED
        assert setup.bot.calls["sendmessage"] == calls


async def test_many_at_once_to_many_chats() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        simulator.latency["sendmessage"] = 0.05
        messages = [
            (await setup.engine.submit("shop", to=number % 50 + 1, text=str(number))).id for number in range(300)
        ]
        for id in messages:
            assert (await setup.engine.wait_message(id, 10)).state is MessageState.SENT
        for chat in range(1, 51):
            texts = [int(sent.text) for sent in setup.bot.sent if sent.chat_id == chat]
            assert texts == sorted(texts)
        assert len(setup.bot.sent) == 300
