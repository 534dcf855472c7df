"""The objects inside options: a misspelt field at any depth is an error that names the right one."""

from __future__ import annotations

import random
from typing import Any

import jsonschema_rs
import pytest

from rookery import SessionStatus, open_engine
from rookery.errors import InvalidInput
from rookery.store.open import MemoryStore
from rookery_http.compose import platform_inputs
from rookery_http.description.openapi import describe
from rookery_telegram import Telegram
from rookery_telegram.bot_api.methods import catalogue
from rookery_telegram.bot_api.objects import alternatives, check, fields_of
from rookery_telegram.sending.options import METHODS, check_options, options_of
from support.bot_api.method_log import open_method_log
from support.telegram_engine import QUICK, TOKEN, UNLIMITED

BUTTON = {"text": "Yes", "callback_data": "y"}
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("text", {"reply_markup": {"inline_keybord": [[BUTTON]]}}, "reply_markup.inline_keybord", "inline_keyboard"),
    (
        "text",
        {"reply_markup": {"inline_keyboard": [[BUTTON, {"text": "No", "calback_data": "n"}]]}},
        "reply_markup.inline_keyboard[0][1].calback_data",
        "callback_data",
    ),
    (
        "image",
        {"reply_markup": {"keyboard": [[{"text": "Phone", "request_contacts": True}]]}},
        "reply_markup.keyboard[0][0].request_contacts",
        "request_contact",
    ),
    (
        "text",
        {"reply_markup": {"keyboard": [["Phone"]], "resize_keybord": True}},
        "reply_markup.resize_keybord",
        "resize_keyboard",
    ),
    ("text", {"reply_parameters": {"mesage_id": 5}}, "reply_parameters.mesage_id", "message_id"),
    (
        "video",
        {"reply_parameters": {"message_id": 5, "quote_entities": [{"type": "bold", "ofset": 0, "length": 1}]}},
        "reply_parameters.quote_entities[0].ofset",
        "offset",
    ),
    ("text", {"link_preview_options": {"is_disable": True}}, "link_preview_options.is_disable", "is_disabled"),
    (
        "text",
        {"suggested_post_parameters": {"price": {"curency": "XTR", "amount": 5}}},
        "suggested_post_parameters.price.curency",
        "currency",
    ),
    ("edit", {"reply_markup": {"inline_keyboards": []}}, "reply_markup.inline_keyboards", "inline_keyboard"),
    ("poll", {"media": {"type": "photo", "medai": "f"}}, "media.medai", "media"),
]


@pytest.mark.parametrize(("kind", "options", "path", "right"), WRONG, ids=lambda value: str(value)[:40])
def test_a_misspelt_field_is_named_with_the_right_one(
    kind: str, options: dict[str, Any], path: str, right: str
) -> None:
    with pytest.raises(InvalidInput, match=f"did you mean {right}") as caught:
        check_options(kind, options)
    assert caught.value.field == path


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"reply_markup": {}}, "reply_markup.inline_keyboard"),
        ({"reply_markup": {"inline_keyboard": [BUTTON]}}, "reply_markup.inline_keyboard[0]"),
        ({"reply_markup": {"inline_keyboard": [[{"callback_data": "y"}]]}}, "reply_markup.inline_keyboard[0][0].text"),
        ({"reply_markup": {"remove_keyboard": False}}, "reply_markup.remove_keyboard"),
        ({"entities": [{"type": "bold", "offset": "0", "length": 1}]}, "entities[0].offset"),
        ({"entities": ["bold"]}, "entities[0]"),
        ({"link_preview_options": {"url": ["a"]}}, "link_preview_options.url"),
    ],
    ids=str,
)
def test_a_wrong_shape_is_named_by_its_path(options: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_options("text", options)
    assert caught.value.field == path


@pytest.mark.parametrize(
    "options",
    [
        {"reply_markup": {"keyboard": [["Yes", {"text": "No"}]], "resize_keyboard": True}},
        {"reply_markup": {"remove_keyboard": True}},
        {"reply_markup": {"force_reply": True, "input_field_placeholder": "Name"}},
        {"reply_markup": {"inline_keyboard": []}},
        {"reply_markup": {"inline_keyboard": [[{"text": "Play", "callback_game": {}}]]}},
        {"reply_markup": {"inline_keyboard": [[{"text": "Yes", "url": None, "callback_data": "y"}]]}},
        {"entities": [{"type": "text_mention", "offset": 0, "length": 1, "user": {"id": 5}}]},
        {"reply_parameters": {"message_id": 5, "chat_id": "@news", "quote": "a"}},
    ],
    ids=str,
)
def test_what_the_bot_api_takes_passes(options: dict[str, Any]) -> None:
    check_options("text", options)


def test_deep_nesting_ends_with_an_error() -> None:
    value: Any = {"type": "divider"}
    for _ in range(2000):
        value = {"type": "details", "summary": "s", "blocks": [value]}
    with pytest.raises(InvalidInput, match="too deeply") as caught:
        check({"blocks": [value]}, "InputRichMessage", "rich_message")
    assert len(str(caught.value)) < 200


def test_every_object_that_a_type_names_exists() -> None:
    for kind in METHODS:
        for type in options_of(kind).values():
            _follow(type, set())


def _follow(type: str, seen: set[str]) -> None:
    for name in "".join(sign if sign.isalnum() else " " for sign in type).split():
        if name[:1].isupper() and name not in ("True",) and name not in seen:
            seen.add(name)
            for field in fields_of(name).values():
                _follow(field, seen)


@pytest.mark.parametrize("kind", ["text", "video", "poll", "invoice", "edit"])
def test_the_description_and_the_check_agree(kind: str) -> None:
    """Options are made up from the table, half of them spoilt: both accept the same ones."""
    schemas = describe(platform_inputs())["components"]["schemas"]
    [schema] = [
        schema
        for name, schema in schemas.items()
        if name.startswith("Send") and kind in schema.get("properties", {}).get("type", {}).get("enum", ())
    ]
    rng = random.Random(kind)
    accepted = 0
    for name, type in options_of(kind).items():
        # A quiz says so in `options`: beside the content, `type` is the kind of message. The blocks of a rich message nest
        # without end, and are checked without being described.
        if name in ("type", "rich_message"):
            continue
        validator = jsonschema_rs.Draft202012Validator(
            {"components": {"schemas": schemas}} | schema["properties"][name]
        )
        for _ in range(20):
            value = _made_up(type, rng)
            if rng.random() < 0.5:
                _spoil(value, rng)
            try:
                check_options(kind, {name: value})
                is_taken = True
            except InvalidInput:
                is_taken = False
            assert validator.is_valid(value) == is_taken, (name, value)
            accepted += is_taken
    assert accepted


def _made_up(type: str, rng: random.Random, depth: int = 0) -> Any:
    kind = rng.choice(alternatives(type.rstrip("!")))
    if kind.startswith("["):
        return [_made_up(kind[1:-1], rng, depth + 1) for _ in range(rng.randrange(3 if depth < 3 else 1))]
    if kind.startswith("="):
        return True if kind == "=True" else kind[1:]
    if kind in catalogue().objects:
        fields = fields_of(kind)
        return {
            name: _made_up(field, rng, depth + 1)
            for name, field in fields.items()
            if field.endswith("!") or field.startswith("=") or (depth < 4 and rng.random() < 0.3)
        }
    return {"integer": 5, "number": 0.5, "boolean": True, "chat": "@news"}.get(kind, "text")


def _spoil(value: Any, rng: random.Random) -> None:
    while isinstance(value, dict | list) and value:
        inner = rng.choice(list(value.values()) if isinstance(value, dict) else value)
        if isinstance(value, dict) and (rng.random() < 0.4 or not isinstance(inner, dict | list)):
            value["never_heard_of"] = 1
            return
        value = inner


async def test_a_wrong_field_is_refused_before_it_is_stored_and_the_escape_takes_it() -> None:
    """An option of a newer Bot API than the list's is sent as a call of its method."""
    newer = {"inline_keyboard": [[{"text": "Yes", "callback_data": "y", "glow_of_tomorrow": True}]]}
    async with open_method_log() as log:
        telegram = Telegram(api_url=log.url, poll_timeout=20, rates=UNLIMITED)
        async with open_engine(providers=[telegram], store=MemoryStore(), settings=QUICK) as engine:
            await engine.create_session(id="shop", platform="telegram", credentials={"token": TOKEN})
            await engine.wait_status("shop", SessionStatus.CONNECTED)
            edit: dict[str, Any] = {"type": "edit", "message_id": "3"}
            text: dict[str, Any] = {"text": "a"}
            for fields in (text, edit):
                with pytest.raises(InvalidInput) as caught:
                    await engine.submit("shop", to=7, reply_markup=newer, **fields)
                assert caught.value.field == "reply_markup.inline_keyboard[0][0].glow_of_tomorrow"
            params = {"text": "a", "reply_markup": newer}
            await engine.send("shop", to=7, type="telegram", method="sendMessage", params=params)
            assert [call.params for call in log.calls] == [{"chat_id": 7} | params]
