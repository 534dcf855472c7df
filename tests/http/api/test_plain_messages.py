"""A text without anything unusual is read in one pass; that pass accepts nothing else, and makes the same of it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import trio

from rookery.features import acceptance
from rookery.features.validation import PlainText
from rookery.model.document import iso, moment
from rookery_http.api import messages

SOON = datetime.fromtimestamp(time.time() + 86_400, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
USUAL: list[dict[str, Any]] = [
    {"to": "7", "type": "text", "text": "hello"},
    {"to": 7, "text": "without a type", "send_at": SOON, "ttl": 60},
    {"to": "7", "type": "text", "text": "<b>all</b>", "format": "html", "preview": False, "reply_to": "3", "ttl": 1.5},
    {"to": "äö", "text": "☺", "send_at": "2026-01-31T12:00:00.5+01:00", "idempotency_key": "k", "options": None},
]
ODD: tuple[Any, ...] = (
    *(None, True, 0, 1, -1, 2**63, 1.0, 1.5, 1e300, "", "x", " ", "0", "a\nb", "x" * 257, "y" * 65_537, "ä", "\x7f"),
    *([], {}, {"a": 1}, ["x"], "text", "image", "plain", "html", "telegram", "call", "media:abc", "whatsapp", "parrot"),
    *(SOON, "2026-01-31T12:00:00Z\n", "2099-01-31T12:00:00Z", "2026-02-31T12:00:00Z", "2026-13-01T12:00:00Z", "now"),
)
NAMES = (
    *("to", "type", "text", "format", "preview", "reply_to", "ttl", "send_at", "idempotency_key", "options"),
    *("session", "wait", "self", "unread", "caption", "url", "media", "message_id"),
)


def documents() -> Iterator[dict[str, Any]]:
    """The usual ones, each without a field or with an odd value in it, and some with several odd values."""
    yield from USUAL
    chance = random.Random(7)
    for usual in USUAL:
        yield from ({name: value for name, value in usual.items() if name != left} for left in usual)
        for name in NAMES:
            yield from (usual | {name: value} for value in ODD)
        for _ in range(100):
            yield usual | {chance.choice(NAMES): chance.choice(ODD) for _ in range(3)}


def comparable(answer: Any) -> Any:
    """Without what differs between two messages of the same content."""
    times = ("created_at", "updated_at", "expires_at")
    shown = {name: value for name, value in answer.items() if name not in ("id", "session", "attempts", *times)}
    if shown.get("state") in ("queued", "sending"):  # the first of its chat is sent at once
        shown["state"] = "accepted"
    if shown.get("state") == "scheduled":
        shown["expires_at"] = answer["expires_at"]
    elif "created_at" in answer:
        created, expires = (datetime.fromisoformat(answer[name]) for name in ("created_at", "expires_at"))
        shown["lasts"] = round((expires - created).total_seconds(), 1)
    return json.loads(json.dumps(shown).replace("'two'", "'one'"))


def creation_times(given: Sequence[dict[str, Any]], answers: Sequence[dict[str, Any]]) -> set[str]:
    """Of the messages that were stored, except those that may have been stored before under the same key."""
    return {
        answer["created_at"]
        for one, answer in zip(given, answers, strict=True)
        if "created_at" in answer and one.get("idempotency_key") is None
    }


async def test_the_quick_way_makes_the_same_messages(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve() as served:
        for session in ("one", "two"):
            await served.add(session)
        served.parrot.hold = trio.Event()
        found: dict[str, list[Any]] = {}
        given = list(documents())
        batches = 0
        for session in ("one", "two"):
            found[session] = []
            for start in range(0, len(given), 300):
                answer = await served.client.post(
                    f"/v1/sessions/{session}/messages/batch", json={"messages": given[start : start + 300]}
                )
                assert answer.status_code == 200, answer.text
                answers = answer.json()["messages"]
                found[session] += [comparable(each) for each in answers]
                times = creation_times(given[start : start + 300], answers)
                assert len(times) <= 1  # otherwise the chat shows them in another order
                batches += len(times)
            monkeypatch.setattr(messages, "plain_send", lambda body, now: None)
            monkeypatch.setattr(acceptance, "plain_text", lambda fields: None)
        different = [each for each in zip(given, found["one"], found["two"], strict=True) if each[1] != each[2]]
        assert different == []
        assert batches > 4
        assert sum("state" in answer for answer in found["one"]) > 100
        assert sum("status" in answer for answer in found["one"]) > 1000


def test_a_moment_is_written_as_the_calendar_writes_it() -> None:
    chance = random.Random(7)
    times = [0, 0.9999994, 0.9999995, 1.9999996, 1_700_000_000, 253402300799.0, 253402300798.9999999, -0.5, -1e9]
    times += [chance.random() * 10 ** chance.randint(0, 11) for _ in range(5000)]
    times += [chance.randint(0, 2**32) + chance.choice((0.0005, 0.9995, 0.9999995, 0.4999995)) for _ in range(5000)]
    for at in times:
        expected = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert iso(at) == expected
        assert moment(at) == (expected if at >= 0 else "1970-01-01T00:00:00.000Z")
    assert [iso(odd) for odd in (None, 1e300, float("nan"), float("inf"))] == [None] * 4
    assert moment(1e300) == moment(float("inf")) == "9999-12-31T23:59:59.000Z"
    assert moment(float("nan")) == "1970-01-01T00:00:00.000Z"


def test_only_the_check_makes_a_checked_text() -> None:
    make: Callable[..., object] = PlainText
    with pytest.raises(TypeError):
        make(to="", text="")
