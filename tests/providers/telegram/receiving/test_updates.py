"""Every update becomes an event, whatever it holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rookery.model.document import iso
from rookery.model.event import NewEvent
from rookery_telegram.bot_api.errors import ApiError, read_answer
from rookery_telegram.receiving.updates import ALL_KINDS, MESSAGE_KINDS, to_events
from support.storage import LONG

BENCH = Path(__file__).parents[4] / "bench"
USER = {"id": 5, "is_bot": False, "first_name": "Ann", "last_name": "Lee"}
CHAT = {"id": 7, "type": "private", "first_name": "Ann"}
MESSAGE = {"message_id": 3, "from": USER, "chat": CHAT, "date": 1_700_000_000}
NOW = 1_800_000_000.0


def events_of(*updates: Any) -> list[NewEvent]:
    raw = [update if isinstance(update, str) else json.dumps(update) for update in updates]
    events, _ = to_events(msgspec.Raw(f"[{','.join(raw)}]".encode()), now=lambda: NOW)
    return events


def event_of(kind: str, content: Any, *, id: int = 1000) -> NewEvent:
    [event] = events_of({"update_id": id, kind: content})
    return event


def body_of(event: NewEvent) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(event.body)
    return body


SAMPLES: dict[str, dict[str, Any]] = {
    **{kind: MESSAGE | {"text": "hi"} for kind in MESSAGE_KINDS},
    "business_connection": {"id": "bc", "user": USER, "user_chat_id": 5, "date": 1_700_000_000, "is_enabled": True},
    "deleted_business_messages": {"business_connection_id": "bc", "chat": CHAT, "message_ids": [1, 2]},
    "message_reaction": {
        "chat": CHAT,
        "message_id": 3,
        "user": USER,
        "date": 1_700_000_000,
        "old_reaction": [],
        "new_reaction": [{"type": "emoji", "emoji": "x"}],
    },
    "message_reaction_count": {"chat": CHAT, "message_id": 3, "date": 1_700_000_000, "reactions": []},
    "inline_query": {"id": "q", "from": USER, "query": "cats", "offset": ""},
    "chosen_inline_result": {"result_id": "r", "from": USER, "query": "cats"},
    "callback_query": {"id": "q", "from": USER, "message": MESSAGE, "chat_instance": "c", "data": "yes"},
    "shipping_query": {"id": "q", "from": USER, "invoice_payload": "p", "shipping_address": {}},
    "pre_checkout_query": {"id": "q", "from": USER, "currency": "EUR", "total_amount": 1, "invoice_payload": "p"},
    "purchased_paid_media": {"from": USER, "paid_media_payload": "p"},
    "poll": {"id": "p", "question": "?", "options": [], "total_voter_count": 0},
    "poll_answer": {"poll_id": "p", "user": USER, "option_ids": [1]},
    "my_chat_member": {"chat": CHAT, "from": USER, "date": 1_700_000_000, "old_chat_member": {}, "new_chat_member": {}},
    "chat_member": {"chat": CHAT, "from": USER, "date": 1_700_000_000, "old_chat_member": {}, "new_chat_member": {}},
    "chat_join_request": {"chat": CHAT, "from": USER, "date": 1_700_000_000, "user_chat_id": 5},
    "chat_boost": {"chat": CHAT, "boost": {"boost_id": "b"}},
    "managed_bot": {"user": USER, "bot": {"id": 9}},
    "subscription": {"user": USER, "invoice_payload": "p", "state": "active"},
    "stopped_message_generation": {"chat": CHAT, "draft_id": 1},
    "removed_chat_boost": {"chat": CHAT, "boost_id": "b", "remove_date": 1, "source": {}},
}
WITHOUT_CHAT = {
    "business_connection",
    "inline_query",
    "chosen_inline_result",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "managed_bot",
    "subscription",
}
WITHOUT_SENDER = {
    "deleted_business_messages",
    "message_reaction_count",
    "poll",
    "chat_boost",
    "removed_chat_boost",
    "stopped_message_generation",
}


def test_there_is_a_sample_of_each() -> None:
    assert set(SAMPLES) == set(ALL_KINDS)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_every_kind(kind: str) -> None:
    event = event_of(kind, SAMPLES[kind])
    assert (event.type, event.key) == (kind, "1000")
    assert event.chat == (None if kind in WITHOUT_CHAT else "7")
    assert event.sender == (None if kind in WITHOUT_SENDER else "5")
    assert json.loads(event.raw) == {"update_id": 1000, kind: SAMPLES[kind]}
    removed = 1.0 if kind == "removed_chat_boost" else NOW
    assert event.time == (1_700_000_000.0 if "date" in SAMPLES[kind] else removed)
    assert isinstance(body_of(event), dict)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"text": "hi"}, {"kind": "text", "text": "hi"}),
        ({"text": ""}, {"kind": "text", "text": ""}),
        (
            {"caption": "c", "photo": [{"file_id": "s"}, {"file_id": "l", "file_size": 9}]},
            {"kind": "photo", "text": "c", "media": {"file_id": "l", "size": 9}},
        ),
        (
            {"document": {"file_id": "d", "file_name": "a.pdf", "mime_type": "application/pdf", "file_size": 1}},
            {
                "kind": "document",
                "media": {"file_id": "d", "filename": "a.pdf", "mime_type": "application/pdf", "size": 1},
            },
        ),
        ({"voice": {"file_id": "v"}}, {"kind": "voice", "media": {"file_id": "v"}}),
        ({"sticker": {"file_id": "s"}}, {"kind": "sticker", "media": {"file_id": "s"}}),
        (
            {"location": {"latitude": 1, "longitude": 2}},
            {"kind": "location", "location": {"latitude": 1, "longitude": 2}},
        ),
        ({"contact": {"phone_number": "1"}}, {"kind": "contact", "contact": {"phone_number": "1"}}),
        ({"new_chat_title": "x"}, {"kind": "new_chat_title", "service": True, "new_chat_title": "x"}),
        ({"text": "re", "reply_to_message": MESSAGE}, {"reply_to": "3"}),
        ({"photo": []}, {"kind": "service"}),
    ],
    ids=str,
)
def test_messages(content: dict[str, Any], expected: dict[str, Any]) -> None:
    body = body_of(event_of("message", MESSAGE | content))
    assert {name: body[name] for name in expected} == expected
    assert body["message_id"] == "3"
    assert body["sender_name"] == "Ann Lee"
    assert body["chat_type"] == "private"


def test_an_edit_has_the_time_of_the_edit() -> None:
    assert event_of("edited_message", MESSAGE | {"text": "x", "edit_date": 1_700_000_500}).time == 1_700_000_500


def test_a_channel_post_is_from_the_channel() -> None:
    post = {
        "message_id": 1,
        "sender_chat": {"id": -1001, "title": "News"},
        "chat": {"id": -1001},
        "date": 1,
        "text": "x",
    }
    event = event_of("channel_post", post)
    assert event.sender == "-1001"
    assert body_of(event)["sender_name"] == "News"


def test_a_button_tells_its_message() -> None:
    event = event_of("callback_query", SAMPLES["callback_query"])
    assert event.chat == "7"
    body = body_of(event)
    assert (body["message_id"], body["id"], body["data"], body["chat"]["name"]) == ("3", "q", "yes", "Ann")
    assert body["message"]["message_id"] == "3"


@pytest.mark.parametrize(
    ("update", "key"),
    [
        ({"update_id": 5, "telepathy": {"from": USER}}, "5"),
        ({"update_id": 5}, "5"),
        ({"update_id": 5, "message": None}, "5"),
        ({"update_id": 5, "message": []}, "5"),
        ({"update_id": 5, "message": {}}, "5"),
        ({"update_id": 5, "message": MESSAGE | {"message_id": "x"}}, "5"),
        ({"update_id": 5, "message": MESSAGE | {"chat": None}}, "5"),
        ({"update_id": 5, "message": MESSAGE | {"date": "yesterday"}}, "5"),
        ('{"update_id": 5, "message": {"message_id": 1e400}}', "5"),
        ('{"update_id": 5, "update_id": 6}', "6"),
    ],
    ids=str,
)
def test_unknown_updates_are_kept(update: Any, key: str) -> None:
    [event] = events_of(update)
    assert (event.type, event.key) == ("unknown", key)
    assert json.loads(event.raw)["update_id"] == int(key)


@pytest.mark.parametrize(
    "update",
    [
        {},
        [],
        None,
        '"text"',
        17,
        {"update_id": "5"},
        {"update_id": None},
        {"update_id": 1.5},
        {"update_id": -1},
        {"update_id": 0},
        {"update_id": 10**30},
        {"update_id": 2**31},
        {"message": MESSAGE},
    ],
    ids=str,
)
def test_without_a_sensible_id_the_content_is_the_key_and_no_offset_moves(update: Any) -> None:
    raw = update if isinstance(update, str) else json.dumps(update)
    events, ids = to_events(msgspec.Raw(f"[{raw}]".encode()), now=lambda: NOW)
    assert ids == []
    [event] = events
    assert event.type == "unknown"
    assert event.key.startswith("sha256:")
    [again], _ = to_events(msgspec.Raw(f"[{raw}]".encode()), now=lambda: NOW)
    assert again.key == event.key


@pytest.mark.parametrize("date", [10**400, 10**18, -(10**18), 2**63, 253_402_300_800, -1])
def test_absurd_dates(date: int) -> None:
    event = event_of("message", MESSAGE | {"date": date, "text": "x"})
    assert iso(event.time) is not None


@pytest.mark.parametrize("id", [10**400, 2**63, -(2**63) - 1, 2**64])
@pytest.mark.parametrize("where", ["chat", "from", "message_id"])
def test_absurd_ids(where: str, id: int) -> None:
    content = MESSAGE | {"text": "x"} | {where: id if where == "message_id" else {"id": id}}
    event = event_of("message", content)
    assert event.type in ("message", "unknown")
    assert len(event.chat or "") < 100


def test_bytes_that_are_no_text_are_kept_readable() -> None:
    raw = b'[{"update_id": 5, "message": {"text": "\xff\xfe"}}]'
    [event], ids = to_events(msgspec.Raw(raw))
    assert event.type == "unknown"
    assert json.loads(event.raw) == {"update_id": 5, "message": {"text": "\ufffd\ufffd"}}
    assert ids == [5]


@pytest.mark.parametrize("part", [b'"x\xff": 1', b'"x": "\xed\xa0\x80"', b'"poll": {"id": "\xc3"}'])
def test_bytes_that_are_no_text_cost_only_themselves(part: bytes) -> None:
    raw = b'[{"update_id": 5, %b, "message": %b}]' % (part, json.dumps(MESSAGE | {"text": "x"}).encode())
    [event], ids = to_events(msgspec.Raw(raw))
    assert (event.key, event.type, ids) == ("5", "poll" if b"poll" in part else "message", [5])
    assert json.loads(event.raw)["message"]["text"] == "x"


def test_half_of_a_surrogate_pair() -> None:
    texts = ["\\ud83d", "\\ude00 x", "\\ud83d\\u0041", "fine"]
    updates = [
        f'{{"update_id": {n}, "message": {json.dumps(MESSAGE)[:-1]}, "text": "{text}"}}}}'
        for n, text in enumerate(texts, 1)
    ]
    result = read_answer(200, {}, f'{{"ok": true, "result": [{",".join(updates)}]}}'.encode())
    events, ids = to_events(result)
    assert ids == [1, 2, 3, 4]
    assert [body_of(event)["text"] for event in events] == ["?", "? x", "?A", "fine"]


@pytest.mark.parametrize(
    "other",
    [b"1e400", b"-1E+99999", b"9" * 5_000, b"[" * 1_200 + b"]" * 1_200, b'"\xff"', b'"\\\\ud800"', b'"\\ud83d\\ude00"'],
    ids=lambda other: other[:12].decode(errors="replace"),
)
@pytest.mark.parametrize("half", [b"\\ud83d", b"\\uDE00", b"\\ude00\\ud83d"])
def test_half_of_a_surrogate_pair_beside_what_decoders_refuse(half: bytes, other: bytes) -> None:
    content = json.dumps(MESSAGE).encode()[:-1]
    updates = (
        b'{"update_id": 1, "message": %b, "text": "%b"}}' % (content, half),
        b'{"update_id": 2, "message": %b, "text": "fine", "extra": %b}}' % (content, other),
        b'{"update_id": 3, "message": %b, "text": "fine"}}' % content,
    )
    events, ids = to_events(read_answer(200, {}, b'{"ok": true, "result": [%b]}' % b",".join(updates)))
    assert ids == [1, 2, 3]
    assert body_of(events[0])["text"] == "?" * (len(half) // 6)
    assert body_of(events[2])["text"] == "fine"
    if other.startswith(b'"\\'):
        assert json.loads(events[1].raw)["message"]["extra"] == json.loads(other)


def test_an_answer_may_begin_with_a_byte_order_mark() -> None:
    body = b'\xef\xbb\xbf{"ok": true, "result": [{"update_id": 1}]}'
    assert to_events(read_answer(200, {}, body))[1] == [1]


@pytest.mark.parametrize("field", ["migrate_to_chat_id", "migrate_from_chat_id"])
@pytest.mark.parametrize("other", ["-1001", "\0", "x" * 5_000, None, True, 1.5, {"id": 5}, [], 2**63])
def test_a_migration_to_an_invalid_chat_id_is_ignored(field: str, other: Any) -> None:
    [event] = events_of({"update_id": 5, "message": MESSAGE | {field: other}})
    assert (event.type, event.key) == ("unknown", "5")


@pytest.mark.parametrize("id", ["x", None, [], 1.5, True])
def test_a_pinned_message_without_a_sensible_id(id: Any) -> None:
    body = body_of(event_of("message", MESSAGE | {"pinned_message": {"message_id": id}}))
    assert (body["kind"], body["pinned_message"]) == ("pinned_message", {})


@pytest.mark.parametrize("depth", [150, 900, 5_000, 200_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"x":', "}")])
def test_nesting_beyond_what_decoders_take_costs_nothing_else(depth: int, opening: str, closing: str) -> None:
    deep = f'{{"text": "] \\" }} [", "x": {opening * depth}1{closing * depth}}}'
    updates = [json.dumps({"update_id": n, "message": MESSAGE | {"text": f"t{n}"}}) for n in (1, 2, 3)]
    updates[1] = updates[1][:-2] + f', "extra": {deep}}}}}'
    result = read_answer(200, {}, f'{{"ok": true, "result": [{",".join(updates)}]}}'.encode())
    events, ids = to_events(result)
    assert ids == [1, 2, 3]
    assert [(event.type, body_of(event)["text"]) for event in events] == [("message", f"t{n}") for n in (1, 2, 3)]
    extra = msgspec.json.decode(events[1].raw)["message"]["extra"]
    assert extra["text"] == '] " } ['
    kept = events[1].raw.decode().replace("\\", "")
    assert kept.count(opening.replace(" ", "")) >= depth, "the text of what was too deep is still there"


@pytest.mark.parametrize(
    "body", [b"[" * 300_000, b'{"a":' * 300_000, b'{"ok": true, "result": [' + b"[" * 300_000 + b'"x']
)
def test_nesting_that_never_ends_is_no_answer(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        read_answer(200, {}, body)
    assert not caught.value.readable


def test_one_bad_update_costs_nothing_but_itself() -> None:
    good = {"update_id": 2, "message": MESSAGE | {"text": "x"}}
    assert [event.type for event in events_of({"update_id": 1, "message": 5}, good)] == ["unknown", "message"]


@pytest.mark.parametrize("result", [b"{}", b"null", b"5", b'"x"', b"[", b""])
def test_a_result_that_is_not_a_list_is_an_error(result: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        to_events(msgspec.Raw(result))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**62, max_value=2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(
        {"id", "chat", "from", "user", "date", "message", "message_id", "text", "photo", "reply_to_message", "sender_chat",
         "edit_date", "data", "query", "new_reaction", "option_ids", "first_name", "title", "location", "poll", "type"}
    )), inner, max_size=6),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from([*ALL_KINDS, "novelty"]), content=JSON, id=st.integers(1, 2**31 - 1))
@example(kind="message", content=MESSAGE | {"date": 10**400}, id=5)
@example(kind="poll", content={"date": 10**400}, id=5)
def test_no_content_ever_raises(kind: str, content: Any, id: int) -> None:
    update = {"update_id": id, kind: content}
    events, ids = to_events(msgspec.Raw(json.dumps([update]).encode()), now=lambda: NOW)
    [event] = events
    assert ids == [id]
    assert event.key == str(id)
    assert event.type in (kind, "unknown")
    assert isinstance(json.loads(event.body), dict)
    assert json.loads(event.raw) == update
    assert iso(event.time) is not None
    for text in (event.key, event.type, event.chat or "", event.sender or ""):
        assert "\0" not in text
        text.encode()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_ever_raise_anything_else(noise: bytes) -> None:
    raw = b'[{"update_id": 5, "message": {"text": "' + noise + b'"}}]'
    try:
        events, _ = to_events(msgspec.Raw(raw))
    except msgspec.DecodeError:
        return
    for event in events:
        event.raw.decode()


def test_mutated_answers_become_events() -> None:
    cases = 100_000 if LONG else 1_000
    command = [sys.executable, str(BENCH / "fuzz/updates.py"), "--cases", str(cases)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"{cases} getUpdates answers" in done.stdout
