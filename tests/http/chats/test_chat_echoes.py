"""A message that a platform reports twice is listed once, also when its two rows fall on different pages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rookery.model.event import NewEvent

CHATS = "/v1/sessions/polly/chats"
LATER = 4_000_000_000.0
"""The platform's time of what was received, after all sends."""


@pytest.fixture(autouse=True)
def short_lists(messages: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of rows is full with two of them."""
    monkeypatch.setattr("rookery.features.chats.MOST", 2)
    monkeypatch.setattr("rookery.features.chats.LEFT_OUT", 0)


async def receive(served: Any, type: str, id: str, text: str, time: float, *, from_me: bool = False) -> None:
    body = {"text": text, "message_id": id, "from_me": from_me}
    event = NewEvent(f"{type} {id}", type, time, "7", "9", json.dumps(body).encode(), b"{}")
    await served.parrot.inboxes["polly"].commit([event], None)


async def send(served: Any, text: str, **more: Any) -> dict[str, Any]:
    answer = await served.client.post("/v1/sessions/polly/messages", json={"to": "7", "text": text, **more})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def texts_of(served: Any, limit: int) -> list[str]:
    texts: list[str] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = (await served.client.get(f"{CHATS}/7/messages", params=query)).json()
        texts += [one["text"] for one in page["messages"]]
        if page["next"] is None:
            return texts
        query["before"] = page["next"]


async def test_the_echo_of_a_send_is_left_out_wherever_it_falls(served: Any) -> None:
    await served.add()
    ids = [(await send(served, f"sent {number}"))["receipt"]["message_id"] for number in range(6)]
    await receive(served, "message", ids[0], "sent 0", LATER, from_me=True)
    await receive(served, "message", ids[3], "sent 3", LATER + 1, from_me=True)
    await receive(served, "message", "phone", "from the phone", LATER + 2, from_me=True)
    wanted = ["from the phone", *(f"sent {number}" for number in reversed(range(6)))]
    for limit in (1, 2):
        assert await texts_of(served, limit) == wanted


async def test_a_double_of_a_history_is_left_out_wherever_it_falls(served: Any) -> None:
    await served.add()
    await receive(served, "history.message", "1", "hello", LATER)
    for number in range(5):
        await receive(served, "message", f"other {number}", f"came {number}", LATER + 1 + number)
    await receive(served, "message", "1", "hello", LATER + 50)
    for limit in (1, 2):
        assert await texts_of(served, limit) == ["hello", *(f"came {number}" for number in reversed(range(5)))]


async def test_the_last_message_of_a_chat_is_the_send_and_not_its_echo(served: Any) -> None:
    await served.add()
    first = await send(served, "first")
    second = await send(served, "second")
    await receive(served, "message", second["receipt"]["message_id"], "second", LATER, from_me=True)
    [chat] = (await served.client.get(CHATS)).json()["chats"]
    assert (chat["last"]["text"], chat["last"]["send"]) == ("second", second["id"])
    await receive(served, "message", first["receipt"]["message_id"], "first", LATER + 1, from_me=True)
    [chat] = (await served.client.get(CHATS)).json()["chats"]
    assert (chat["last"]["text"], chat["last"]["send"]) == ("second", second["id"])
