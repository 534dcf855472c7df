"""Typed events of the client library: made from the server's catalogue, the same for both clients and for webhooks."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
import trio

from rookery_client import AsyncClient, Client, Event, events, typed_events
from support.checks.typed_events import CATALOGUE, PLACE, formatted

DOCUMENT: dict[str, Any] = {
    "id": 7,
    "session": "shop",
    "platform": "telegram",
    "type": "message",
    "key": "1",
    "time": "2026-01-31T12:00:00.000Z",
    "chat": "7",
    "sender": "9",
    "body": {"text": "hi"},
    "raw": None,
}


def test_the_module_is_what_the_catalogue_makes() -> None:
    assert PLACE.read_text() == formatted(), "run `python -m support.checks.typed_events` in tests/"


def test_each_type_has_a_class_with_the_fields_of_its_body() -> None:
    assert set(typed_events.EVENTS) == {row.name for row in CATALOGUE}
    for name, kind in typed_events.EVENTS.items():
        event = typed_events.event_of(DOCUMENT | {"type": name})
        assert type(event) is kind
        assert isinstance(event, Event)
        assert (event.id, event.text, event.time.year) == (7, "hi", 2026)
        assert "body" in get_type_hints(kind, vars(events) | vars(typed_events))


def test_an_event_that_this_version_does_not_know_is_a_plain_one() -> None:
    event = typed_events.event_of(DOCUMENT | {"type": "next.year"})
    assert type(event) is Event
    assert event.body == {"text": "hi"}
    with pytest.raises(ValueError, match="not an event"):
        typed_events.event_of({"type": "message"})


async def test_both_clients_yield_them(served: Any) -> None:
    await served.add()
    await served.parrot.say("polly", "hello")
    async with AsyncClient(served.url, None) as client:
        found = [event async for event in client.read_events(session="polly", type="message")]
    assert [type(event) for event in found] == [typed_events.Message]

    def read() -> list[Event]:
        with Client(served.url, None) as rookery:
            return list(rookery.read_events(session="polly"))

    kinds = [type(event) for event in await trio.to_thread.run_sync(read)]
    assert typed_events.SessionStatus in kinds
    assert typed_events.Message in kinds
