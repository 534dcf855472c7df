"""The fast path for plain text makes the same event as the general path, or leaves the update to it."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest

from rookery_telegram.bot_api.errors import ApiError, read_answer
from rookery_telegram.receiving import updates
from rookery_telegram.receiving.plain import plain_answer, plain_text
from rookery_telegram.receiving.updates import read_updates, to_events

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


def answer(*found: dict[str, Any], separators: tuple[str, str] = (",", ":")) -> bytes:
    return b'{"ok":true,"result":%b}' % json.dumps(found, separators=separators, ensure_ascii=False).encode()


def result_of(body: bytes) -> bytes:
    return bytes(msgspec.json.decode(body, type=dict[str, msgspec.Raw])["result"])


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (",\n", ":")])
def test_an_answer_of_plain_texts_is_read_at_once_with_the_same_result(
    separators: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    message = PLAIN["message"]
    texts = ['{n} \u00e9 " {{[', ',{"update_id":7', '},{"update_id":7,"message":{', "\\"]
    found = [
        {"update_id": n, "message": {**message, "message_id": n, "text": texts[n % 4] * (n % 7)}} for n in range(1, 200)
    ]
    body = answer(*found, separators=separators)
    at_once = plain_answer(body, 2)
    assert at_once is not None
    assert at_once == long_way(result_of(body)[1:-1], monkeypatch)
    assert read_updates((200, {}, body), epoch=2) == at_once


def test_an_answer_with_another_update_is_read_one_by_one() -> None:
    other = {"update_id": 8, "message": {**PLAIN["message"], "entities": []}}
    assert plain_answer(answer(PLAIN, PLAIN), 0) is not None
    body = answer(PLAIN, other)
    assert plain_answer(body, 0) is None
    events, ids = read_updates((200, {}, body))
    assert [event.type for event in events] == ["message", "message"]
    assert ids == [7, 8]


@pytest.mark.parametrize("of", ["from", "chat"])
def test_an_update_within_a_user_or_chat_is_not_taken_for_one(of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer has as many marks of an update as updates, but not between them."""
    strange = {**PLAIN["message"][of], "more": [1, {"update_id": 7}]}
    first = {"update_id": 7, "message": {**PLAIN["message"], of: strange}}
    compact = [json.dumps(each, separators=(",", ":")) for each in (first, {**PLAIN, "update_id": 8})]
    body = b'{"ok":true,"result":[%b]}' % ", ".join(compact).encode()
    assert plain_answer(body, 2) == long_way(result_of(body)[1:-1], monkeypatch)


@pytest.mark.parametrize("member", ["from", "message"])
def test_a_member_that_is_written_twice_hides_no_update(member: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder keeps the last one; what looks like an update in the first must not divide the answer."""
    first, second = (json.dumps({**PLAIN, "update_id": id}, separators=(",", ":")) for id in (7, 8))
    first = first.replace(f'"{member}":', f'"{member}":{{"from":[1,{{"update_id":7}}]}},"{member}":', 1)
    body = b'{"ok":true,"result":[%b]}' % ", ".join([first, second]).encode()
    expected = long_way(result_of(body)[1:-1], monkeypatch)
    assert plain_answer(body, 2) in (None, expected)
    events, ids = read_updates((200, {}, body), epoch=2)
    assert (events, list(ids)) == expected


@pytest.mark.parametrize(
    "body",
    [
        b'{"ok":true,"result":[]}',
        b'{"ok":true,"result":[],"description":[]}',
        b'{"ok":true,"result":[],"ok":false,"error_code":409,"parameters":{},"x":[]}',
        b'{"ok":true,"result":[]]}',
        b'{"ok":true,"result":[\xff]}',
        b'{"ok":false,"result":[]}',
    ],
)
def test_an_answer_of_no_updates_or_of_more_than_a_result_is_read_as_before(body: bytes) -> None:
    def outcome(short: bool) -> object:
        try:
            if short:
                events, ids = read_updates((200, {}, body))
            else:
                events, ids = to_events(read_answer(200, {}, body))
            return events, list(ids)
        except (ApiError, msgspec.DecodeError) as error:
            return type(error), str(error)

    assert outcome(True) == outcome(False)


def test_a_deep_user_does_not_go_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = {**PLAIN["message"]["from"], "more": json.loads("[" * 150 + "]" * 150)}
    body = answer({"update_id": 7, "message": {**PLAIN["message"], "from": deep}})
    result = result_of(body)
    assert plain_answer(body, 2) is None
    assert plain_text(result[1:-1], 2) is None
    events, _ = to_events(msgspec.Raw(result), epoch=2)
    assert events == long_way(result[1:-1], monkeypatch)[0]
    assert events[0].raw.count(b"[") < 150 or b'"[' in events[0].raw
