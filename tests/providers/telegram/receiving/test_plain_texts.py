"""The fast path for plain text makes the same event as the general path, or leaves the update to it."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest

from rookery_telegram.receiving import updates
from rookery_telegram.receiving.plain import plain_text, plain_texts
from rookery_telegram.receiving.updates import to_events

PLAIN: dict[str, Any] = {
    "update_id": 7,
    "message": {
        "message_id": 3,
        "from": {
            "id": 5,
            "is_bot": False,
            "first_name": "Ann",
            "last_name": "Lee",
            "username": "ann",
            "language_code": "en",
        },
        "chat": {"id": -100123, "type": "supergroup", "title": "Shop", "username": "shop", "is_forum": True},
        "date": 1_700_000_000,
        "text": "hello",
    },
}
NUMBERS: list[Any] = [0, 1, -1, 1.0, 1.5, 2**31 - 1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 253_402_300_800]
OBJECTS: list[Any] = [
    {},
    {"id": 9},
    {"id": 9, "first_name": 5},
    {"id": True},
    {"id": 1.0},
    {"id": 9, "type": ["x"], "title": ""},
]
ODD = [None, True, False, "", "7", 'é\n"', [], [1], *NUMBERS, *OBJECTS]
FIELDS = [
    "entities",
    "edit_date",
    "reply_to_message",
    "sender_chat",
    "caption",
    "photo",
    "unknown",
    "via_bot",
    "id",
    "type",
]


def long_way(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(updates, "plain_text", lambda raw, epoch: None)
        patch.setattr(updates, "plain_texts", lambda result, raws, epoch: None)
        events, ids = to_events(msgspec.Raw(b"[" + raw + b"]"), epoch=2, now=lambda: 1.0)
    return events, list(ids)


def changed(rng: random.Random) -> dict[str, Any]:
    update: dict[str, Any] = json.loads(json.dumps(PLAIN))
    message = update["message"]
    for _ in range(rng.randint(1, 2)):
        place = rng.choice([update, message, message.get("from"), message.get("chat")])
        if not isinstance(place, dict):
            continue
        match rng.randrange(3):
            case 0 if place:
                place[rng.choice(list(place))] = rng.choice(ODD)
            case 1 if place:
                del place[rng.choice(list(place))]
            case _:
                place[rng.choice(FIELDS)] = rng.choice(ODD)
    return update


def test_a_plain_text_goes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = json.dumps(PLAIN).encode()
    short = plain_text(raw, 2)
    assert short is not None
    assert ([short[0]], [short[1]]) == long_way(raw, monkeypatch)


def test_both_ways_make_the_same_event(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(4)
    short_ones = 0
    for _ in range(5000):
        raw = json.dumps(changed(rng), ensure_ascii=rng.random() < 0.5).encode()
        short = plain_text(raw, 2)
        if short is not None:
            short_ones += 1
            assert ([short[0]], [short[1]]) == long_way(raw, monkeypatch), raw
    assert short_ones > 500


def answer(*found: dict[str, Any]) -> tuple[bytes, list[msgspec.Raw]]:
    raw = json.dumps(found).encode()
    return raw, msgspec.json.decode(raw, type=list[msgspec.Raw])


def test_an_answer_of_plain_texts_is_read_at_once_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    message = PLAIN["message"]
    found = [
        {"update_id": n, "message": {**message, "message_id": n, "text": f'{n} \u00e9 " {{[' * n}}
        for n in range(1, 200)
    ]
    result, raws = answer(*found)
    at_once = plain_texts(result, raws, 2)
    assert at_once is not None
    assert at_once == long_way(result[1:-1], monkeypatch)


def test_an_answer_with_another_update_is_read_one_by_one() -> None:
    other = {"update_id": 8, "message": {**PLAIN["message"], "entities": []}}
    result, raws = answer(PLAIN, other)
    assert plain_texts(result, raws, 0) is None
    assert plain_texts(*answer(PLAIN, PLAIN), 0) is not None
    events, ids = to_events(msgspec.Raw(result))
    assert [event.type for event in events] == ["message", "message"]
    assert ids == [7, 8]


def test_a_deep_user_does_not_go_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = {**PLAIN["message"]["from"], "more": json.loads("[" * 150 + "]" * 150)}
    result, raws = answer({"update_id": 7, "message": {**PLAIN["message"], "from": deep}})
    assert plain_texts(result, raws, 2) is None
    assert plain_text(result[1:-1], 2) is None
    events, _ = to_events(msgspec.Raw(result), epoch=2)
    assert events == long_way(result[1:-1], monkeypatch)[0]
    assert events[0].raw.count(b"[") < 150 or b'"[' in events[0].raw
