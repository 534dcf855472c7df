"""Who did it, and when, in updates whose person may be a chat or come without a time of their own."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from rookery_telegram.receiving.updates import to_events

USER = {"id": 5, "is_bot": False, "first_name": "Ann"}
STAND_IN = {"id": 136817688, "is_bot": True, "first_name": "Channel", "username": "Channel_Bot"}
CHANNEL = {"id": -100, "type": "channel", "title": "News"}
CHAT = {"id": 7, "type": "supergroup", "title": "Group"}
REACTION = {"chat": CHAT, "message_id": 3, "date": 1_700_000_000, "old_reaction": [], "new_reaction": []}
BOOST = {"boost_id": "b", "add_date": 1_700_000_000, "expiration_date": 1_800_000_000}
GIVEN, GIVEAWAY = {"source": {"source": "premium", "user": USER}}, {"source": {"source": "giveaway"}}
GONE = {"boost_id": "b", "remove_date": 1_700_000_000, "source": {}}
ONE = {"poll_id": "p"}


@pytest.mark.parametrize(
    ("kind", "content", "sender", "body"),
    [
        ("poll_answer", ONE | {"user": USER, "option_ids": [1]}, "5", ONE | {"option_ids": [1]}),
        ("poll_answer", ONE | {"voter_chat": CHANNEL, "user": STAND_IN, "option_ids": []}, "-100", ONE),
        ("message_reaction", REACTION | {"user": USER}, "5", {"message_id": "3"}),
        ("message_reaction", REACTION | {"actor_chat": CHANNEL}, "-100", {"message_id": "3"}),
        ("chat_boost", {"chat": CHAT, "boost": BOOST | GIVEN}, "5", {"boost_id": "b"}),
        ("chat_boost", {"chat": CHAT, "boost": BOOST | GIVEAWAY}, None, {"boost_id": "b"}),
        ("removed_chat_boost", {"chat": CHAT} | GONE, None, {"boost_id": "b"}),
    ],
)
def test_the_actor_and_the_time(kind: str, content: dict[str, Any], sender: str | None, body: dict[str, Any]) -> None:
    raw = msgspec.Raw(json.dumps([{"update_id": 1, kind: content}]).encode())
    [event], _ = to_events(raw, now=lambda: 1_900_000_000.0)
    assert event.type == kind
    assert event.sender == sender
    assert event.chat == (None if kind == "poll_answer" else "7")
    assert event.time == (1_900_000_000.0 if kind == "poll_answer" else 1_700_000_000.0)
    said = json.loads(event.body)
    assert {name: said[name] for name in body} == body
    if sender is not None:
        assert said.get("sender", said.get("actor_chat"))["id"] == sender
