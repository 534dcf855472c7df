"""Kinds of messages and their options: exactly what the Bot API's method expects, and a helpful error for a misspelt one."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from rookery.errors import InvalidInput, Rejected
from rookery.model.content import KINDS
from rookery_http.compose import platform_inputs
from rookery_http.description.openapi import describe
from rookery_telegram.bot_api.methods import catalogue
from rookery_telegram.sending.options import METHODS, check_options, options_of, table
from rookery_telegram.sending.outbound import to_call
from support.bot_api.messages import message_of
from support.telegram_engine import open_quick_simulator, open_setup

BYTES = base64.b64encode(b"bytes").decode()
MARKUP = {"inline_keyboard": [[{"text": "Yes", "callback_data": "y"}]]}
PRICES = [{"label": "Tea", "amount": 5}]
CALLS: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    (
        {"type": "animation", "url": "CgACfile", "caption": "c"},
        "sendAnimation",
        {"animation": "CgACfile", "caption": "c"},
    ),
    ({"type": "video_note", "url": "DQACfile"}, "sendVideoNote", {"video_note": "DQACfile"}),
    (
        {"type": "album", "items": [{"type": "image", "url": "a", "caption": "c"}, {"type": "video", "url": "b"}]},
        "sendMediaGroup",
        {"media": [{"type": "photo", "media": "a", "caption": "c"}, {"type": "video", "media": "b"}]},
    ),
    (
        {"type": "paid_media", "stars": 5, "items": [{"type": "photo", "url": "a"}], "caption": "c"},
        "sendPaidMedia",
        {"star_count": 5, "media": [{"type": "photo", "media": "a"}], "caption": "c"},
    ),
    (
        {"type": "forward", "from_chat": "-5", "message_id": "3"},
        "forwardMessage",
        {"from_chat_id": -5, "message_id": 3},
    ),
    (
        {"type": "copy", "from_chat": "@news", "message_id": "3", "caption": "c"},
        "copyMessage",
        {"from_chat_id": "@news", "message_id": 3, "caption": "c"},
    ),
    ({"type": "dice"}, "sendDice", {"emoji": "🎲"}),
    ({"type": "dice", "emoji": "🎯"}, "sendDice", {"emoji": "🎯"}),
    (
        {
            "type": "invoice",
            "title": "Tea",
            "description": "A pot",
            "payload": "order-1",
            "currency": "XTR",
            "prices": PRICES,
        },
        "sendInvoice",
        {"title": "Tea", "description": "A pot", "payload": "order-1", "currency": "XTR", "prices": PRICES},
    ),
    ({"type": "pin", "message_id": "3"}, "pinChatMessage", {"message_id": 3}),
    ({"type": "unpin", "message_id": "3"}, "unpinChatMessage", {"message_id": 3}),
    ({"type": "unpin"}, "unpinChatMessage", {}),
    (
        {"type": "reaction", "message_id": "3", "emoji": ["a", "b"]},
        "setMessageReaction",
        {"message_id": 3, "reaction": [{"type": "emoji", "emoji": "a"}, {"type": "emoji", "emoji": "b"}]},
    ),
    ({"type": "edit", "message_id": "3", "caption": "c"}, "editMessageCaption", {"message_id": 3, "caption": "c"}),
    (
        {"type": "edit", "message_id": "3", "reply_markup": MARKUP},
        "editMessageReplyMarkup",
        {"message_id": 3, "reply_markup": MARKUP},
    ),
    (
        {"type": "edit", "message_id": "3", "text": "t", "reply_markup": MARKUP},
        "editMessageText",
        {"message_id": 3, "text": "t", "reply_markup": MARKUP},
    ),
    (
        {"type": "edit", "message_id": "3", "media": {"type": "image", "url": "a", "caption": "c"}},
        "editMessageMedia",
        {"message_id": 3, "media": {"type": "photo", "media": "a", "caption": "c"}},
    ),
    (
        {"type": "read", "message_id": "3", "options": {"business_connection_id": "b"}},
        "readBusinessMessage",
        {"message_id": 3, "business_connection_id": "b"},
    ),
    (
        {"type": "location", "latitude": 1, "longitude": 2, "options": {"live_period": 60, "heading": 90}},
        "sendLocation",
        {"latitude": 1, "longitude": 2, "live_period": 60, "heading": 90},
    ),
    (
        {
            "type": "poll",
            "question": "?",
            "choices": ["a", "b"],
            "options": {"type": "quiz", "correct_option_ids": [1], "explanation": "e", "open_period": 60},
        },
        "sendPoll",
        {
            "question": "?",
            "options": [{"text": "a"}, {"text": "b"}],
            "allows_multiple_answers": False,
            "type": "quiz",
            "correct_option_ids": [1],
            "explanation": "e",
            "open_period": 60,
        },
    ),
]


@pytest.mark.parametrize(("fields", "method", "params"), CALLS, ids=str)
def test_each_kind_is_the_call_of_its_method(fields: dict[str, Any], method: str, params: dict[str, Any]) -> None:
    call = to_call(message_of(**fields))
    assert (call.method, call.params, call.files) == (method, {"chat_id": 7} | params, {})
    assert not call.params.keys() - catalogue().methods[method].keys(), "the Bot API has no such parameter"


def test_the_files_of_an_album_travel_in_parts() -> None:
    items = [
        {"type": "image", "data": BYTES, "filename": "a.png"},
        {"type": "video", "media": "stored", "caption": "c"},
    ]
    call = to_call(message_of(type="album", items=items))
    assert call.params["media"] == [
        {"type": "photo", "media": "attach://item0"},
        {"type": "video", "media": "attach://item1", "caption": "c"},
    ]
    assert (call.files["item0"].data, call.files["item0"].filename) == (b"bytes", "a.png")
    assert call.files["item1"].media == "stored"


def test_a_read_mark_needs_a_business_account() -> None:
    with pytest.raises(Rejected, match="business_connection_id"):
        to_call(message_of(type="read", message_id="3"))


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "album", "items": [{"type": "image", "url": "a"}]},
        {"type": "album", "items": [{"type": "image", "url": "a"}] * 11},
        {"type": "album", "items": [{"type": "image", "url": "a", "data": BYTES}] * 2},
        {"type": "album", "items": [{"type": "poll", "url": "a"}] * 2},
        {"type": "edit", "message_id": "3"},
        {"type": "edit", "message_id": "3", "text": "a", "caption": "b"},
        {"type": "paid_media", "stars": 0, "items": [{"type": "photo", "url": "a"}]},
        {"type": "invoice", "title": "Tea"},
        {"type": "forward", "message_id": "3"},
    ],
    ids=str,
)
def test_contents_that_cannot_be(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        message_of(**fields)


@pytest.mark.parametrize("kind", ["forward", "copy"])
def test_a_chat_to_take_a_message_from_is_no_longer_than_one_to_send_to(kind: str) -> None:
    assert message_of(type=kind, from_chat="@" * 256, message_id="3")
    with pytest.raises(InvalidInput, match=r"from_chat.*length <= 256"):
        message_of(type=kind, from_chat="@" * 257, message_id="3")


def test_every_kind_has_its_method_and_the_method_exists() -> None:
    assert METHODS.keys() == KINDS.keys() - {"call", "vote"}
    for methods in METHODS.values():
        assert set(methods) <= catalogue().methods.keys()


@pytest.mark.parametrize(
    ("kind", "option", "right"),
    [
        ("text", "reply_markups", "reply_markup"),
        ("text", "message_tread_id", "message_thread_id"),
        ("image", "has_spoilers", "has_spoiler"),
        ("poll", "correct_options_ids", "correct_option_ids"),
        ("invoice", "need_emails", "need_email"),
    ],
)
def test_a_misspelt_option_is_refused_with_its_correct_name(kind: str, option: str, right: str) -> None:
    with pytest.raises(InvalidInput, match=f"did you mean {right}") as caught:
        check_options(kind, {option: 1})
    assert caught.value.field == option


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("reply_markup", "text"),
        ("reply_markup", []),
        ("entities", {}),
        ("message_thread_id", "12"),
        ("message_thread_id", True),
        ("protect_content", 1),
        ("protect_content", None),
    ],
)
def test_an_option_of_another_type_is_refused(option: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=option):
        check_options("text", {option: value})


async def test_options_stand_beside_the_content_or_in_their_own_object() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        await setup.engine.send("shop", to=7, text="a", protect_content=True, options={"reply_markup": MARKUP})
        with pytest.raises(InvalidInput, match="did you mean protect_content") as caught:
            await setup.engine.submit("shop", to=7, text="a", protected_content=True)
        assert caught.value.field == "protected_content"
        with pytest.raises(InvalidInput, match="did you mean text"):
            await setup.engine.submit("shop", to=7, texts="a")
        with pytest.raises(InvalidInput, match="has_spoiler"):
            await setup.engine.submit("shop", to=7, text="a", options={"has_spoiler": True})  # of pictures only
        assert len(setup.bot.sent) == 1


def test_the_description_names_every_option_of_every_kind() -> None:
    schemas = describe(platform_inputs())["components"]["schemas"]
    for kind in METHODS:
        [schema] = [
            schema
            for name, schema in schemas.items()
            if name.startswith("Send") and kind in schema.get("properties", {}).get("type", {}).get("enum", ())
        ]
        assert not options_of(kind).keys() - schema["properties"].keys(), kind
    validator = jsonschema_rs.Draft202012Validator(
        {"$ref": "#/components/schemas/SendMessage", "components": {"schemas": schemas}}
    )
    validator.validate({"to": "7", "text": "a", "protect_content": True, "reply_markup": MARKUP})
    with pytest.raises(jsonschema_rs.ValidationError):
        validator.validate({"to": "7", "text": "a", "protected_content": True})
    with pytest.raises(jsonschema_rs.ValidationError):
        validator.validate({"to": "7", "text": "a", "message_thread_id": "12"})


def test_the_table_in_the_documentation_is_that_of_the_code() -> None:
    page = (Path(__file__).parents[3] / "docs/telegram.md").read_text()
    assert table() in page, "paste rookery_telegram.sending.options.table() into docs/telegram.md"
