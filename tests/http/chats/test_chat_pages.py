"""Pages of a chat lose no message: neither where rows are left out, nor where one of two lists is longer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rookery.model.event import NewEvent

pytestmark = pytest.mark.usefixtures("messages")

MESSAGES = "/v1/sessions/polly/chats/7/messages"
LATER = 4_000_000_000.0
"""The platform's time of what was received, after all sends."""


async def receive(served: Any, *said: tuple[str, str, str]) -> None:
    """Events of the session as (type, message id, text)."""
    events = [
        NewEvent(f"{type} {id}", type, LATER, "7", "9", json.dumps({"text": text, "message_id": id}).encode(), b"{}")
        for type, id, text in said
    ]
    await served.parrot.inboxes["polly"].commit(events, None)


async def texts_of(served: Any, **query: Any) -> list[str]:
    texts: list[str] = []
    while True:
        page = (await served.client.get(MESSAGES, params=query)).json()
        texts += [one["text"] for one in page["messages"]]
        if page["next"] is None:
            return texts
        query["before"] = page["next"]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with hundreds of messages: a list is full with two rows."""
    monkeypatch.setattr("rookery.features.chats.MOST", 2)
    monkeypatch.setattr("rookery.features.chats.LEFT_OUT", 0, raising=False)


@pytest.mark.usefixtures("few")
async def test_doubles_of_a_history_do_not_end_a_chat(served: Any) -> None:
    await served.add()
    await receive(served, ("message", "1", "parcel"), ("message", "2", "hello"), ("history.message", "2", "hello"))
    page = await served.engine.chat_message_page("polly", "7", limit=500)
    assert [one.text for one in page.messages] == ["hello", "parcel"]
    assert await texts_of(served, limit=500) == ["hello", "parcel"]
    assert await texts_of(served, q="parcel") == ["parcel"]


@pytest.mark.usefixtures("few")
async def test_older_sends_hide_no_newer_events(served: Any) -> None:
    await served.add()
    for number in range(4):
        sent = await served.client.post("/v1/sessions/polly/messages", json={"to": "7", "text": f"sent {number}"})
        assert sent.status_code == 200
    await receive(served, *(("message", str(number), f"came {number}") for number in range(5)))
    wanted = [f"came {number}" for number in reversed(range(5))] + [f"sent {number}" for number in reversed(range(4))]
    for limit in (1, 2, 500):
        assert await texts_of(served, limit=limit) == wanted
    assert await texts_of(served, q="came 1") == ["came 1"]


async def test_the_largest_page_has_a_next_one(served: Any) -> None:
    await served.add()
    await receive(served, *(("message", str(number), f"{number}") for number in range(501)))
    page = (await served.client.get(MESSAGES, params={"limit": 500})).json()
    assert (len(page["messages"]), page["next"] is None) == (500, False)
    assert await texts_of(served, limit=500) == [f"{number}" for number in reversed(range(501))]
