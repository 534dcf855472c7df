"""Chats over HTTP. The tests of each platform check their content."""

from __future__ import annotations

import json
from typing import Any

import pytest

CHATS = "/v1/sessions/polly/chats"


async def test_sends_are_listed_and_read_page_by_page(served: Any) -> None:
    await served.add()
    for number in range(5):
        for chat in ("7", "8"):
            body = {"to": chat, "text": f"{chat} {number}"}
            assert (await served.client.post("/v1/sessions/polly/messages", json=body)).status_code == 200
    first = (await served.client.get(CHATS, params={"limit": 1})).json()
    assert [chat["chat"] for chat in first["chats"]] == ["8"]
    second = (await served.client.get(CHATS, params={"limit": 1, "after": first["next"]})).json()
    assert [(chat["chat"], chat["last"]["text"]) for chat in second["chats"]] == [("7", "7 4")]
    assert second["next"] is None
    texts, before = [], {}  # type: ignore[var-annotated]
    while True:
        page = (await served.client.get(f"{CHATS}/7/messages", params={"limit": 2, **before})).json()
        texts += [message["text"] for message in page["messages"]]
        if page["next"] is None:
            break
        before = {"before": page["next"]}
    assert texts == [f"7 {number}" for number in reversed(range(5))]
    assert {message["direction"] for message in page["messages"]} == {"out"}
    assert {message["state"] for message in page["messages"]} == {"sent"}


async def test_erasing_and_keeping(served: Any) -> None:
    await served.add()
    await served.client.post("/v1/sessions/polly/messages", json={"to": "7", "text": "hi"})
    kept = await served.client.patch(f"{CHATS}/7", json={"retention": 3600})
    assert (kept.status_code, kept.json()) == (200, {"chat": "7", "retention": 3600.0})
    assert (await served.client.get(CHATS)).json()["chats"][0]["retention"] == 3600.0
    assert (await served.client.patch(f"{CHATS}/8", json={"retention": 3600})).status_code == 404
    assert (await served.client.patch(f"{CHATS}/7", json={"retention": 0})).status_code == 400
    erased = (await served.client.delete(f"{CHATS}/7")).json()
    assert (erased["chat"], erased["messages"]) == ("7", 1)
    assert (await served.client.get(CHATS)).json()["chats"] == []
    assert (await served.client.get(f"{CHATS}/7/messages")).json() == {"messages": [], "next": None}


async def test_invalid_parameters_are_named(served: Any) -> None:
    await served.add()
    for path in (CHATS.replace("polly", "nobody"), CHATS.replace("polly", "nobody") + "/7/messages"):
        assert (await served.client.get(path)).status_code == 404
    assert (await served.client.delete(CHATS.replace("polly", "nobody") + "/7")).status_code == 404
    for path, field in (
        (f"{CHATS}?after=x", "after"),
        (f"{CHATS}/7/messages?before=1~x~y", "before"),
        (f"{CHATS}/7/messages?before=1e~0~1", "before"),
        (f"{CHATS}/7/messages?before=1~0~99999999999999999999", "before"),
        (f"{CHATS}?after=1~%00", "after"),
        (f"{CHATS}?q=", "q"),
    ):
        answer = await served.client.get(path)
        assert (answer.status_code, answer.json()["field"]) == (400, field)


async def test_events_of_one_chat(served: Any) -> None:
    await served.add()
    await served.parrot.say("polly", "here", chat="7")
    await served.parrot.say("polly", "there", chat="8")
    events = (await served.client.get("/v1/events", params={"chat": "8"})).json()["events"]
    assert [event["body"]["text"] for event in events] == ["there"]


async def test_a_chat_is_found_by_any_form_of_its_name(served: Any) -> None:
    await served.add()
    await served.parrot.say("polly", "here", chat="7")
    for chat in ("7", "parrot:7", "8"):
        sent = await served.client.post("/v1/sessions/polly/messages", json={"to": chat, "text": f"to {chat}"})
        assert sent.status_code == 200
    page = (await served.client.get(f"{CHATS}/parrot:7/messages")).json()
    assert [message["text"] for message in page["messages"]] == ["to parrot:7", "to 7"]
    assert (await served.client.patch(f"{CHATS}/parrot:7", json={"retention": 3600})).status_code == 200
    assert [chat["retention"] for chat in (await served.client.get(CHATS)).json()["chats"]] == [None, 3600.0]
    erased = (await served.client.delete(f"{CHATS}/parrot:7")).json()
    assert (erased["events"], erased["messages"]) == (3, 2), "with the states of the two sends"
    assert [chat["chat"] for chat in (await served.client.get(CHATS)).json()["chats"]] == ["8"]


async def test_following_one_chat(served: Any) -> None:
    await served.add()
    for number in range(3):
        for chat in ("7", "8"):
            await served.parrot.say("polly", f"{chat} {number}", chat=chat)
    for chat in ("7", "parrot:7"):
        query = {"chat": chat, "session": "polly", "after": 0, "limit": 3, "timeout": 20}
        text = (await served.client.get("/v1/events/stream", params=query)).text
        bodies = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
        assert [body["body"]["text"] for body in bodies] == ["7 0", "7 1", "7 2"]
        assert {body["chat"] for body in bodies} == {"7"}


async def test_the_list_shows_the_last_message_as_it_is_now(served: Any) -> None:
    await served.add()
    sends = "/v1/sessions/polly/messages"
    first = (await served.client.post(sends, json={"to": "7", "text": "tpyo"})).json()
    await served.client.post(sends, json={"to": "8", "text": "elsewhere"})
    about = {"to": "7", "message_id": first["receipt"]["message_id"]}

    async def last() -> dict[str, Any]:
        chats = (await served.client.get(CHATS)).json()["chats"]
        return {chat["chat"]: chat["last"] for chat in chats}["7"]  # type: ignore[no-any-return]

    assert ((await last())["text"], (await last())["edited_at"]) == ("tpyo", None)
    answer = await served.client.post(sends, json={**about, "type": "edit", "text": "typo"})
    assert answer.status_code == 200, answer.text
    assert (await last())["text"] == "typo"
    assert (await last())["edited_at"] is not None
    answer = await served.client.post(sends, json={**about, "type": "delete"})
    assert answer.status_code == 200, answer.text
    assert (await last())["text"] is None
    assert (await last())["deleted_at"] is not None


async def test_a_chat_is_searched(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await served.add()
    sends = "/v1/sessions/polly/messages"
    made = [
        (await served.client.post(sends, json={"to": "7", "text": text})).json()
        for text in ("Your PARCEL 1", "hello", "parcel 2", "a percale", "Where is parcel 3?", "100 %", "GROẞ")
    ]
    wrong = {"to": "7", "message_id": made[2]["receipt"]["message_id"]}
    await served.client.post(sends, json={**wrong, "type": "edit", "text": "letter 2"})

    async def found(**query: Any) -> tuple[list[str], str | None]:
        answer = await served.client.get(f"{CHATS}/7/messages", params=query)
        assert answer.status_code == 200, answer.text
        return [one["text"] for one in answer.json()["messages"]], answer.json()["next"]

    assert await found(q="Parcel") == (["Where is parcel 3?", "Your PARCEL 1"], None)
    assert await found(q="letter") == (["letter 2"], None)
    assert await found(q="%") == (["100 %"], None)
    assert await found(q="gross") == (["GROẞ"], None)
    assert await found(q="nothing like it") == ([], None)
    texts, place = await found(q="parcel", limit=1)
    assert texts == ["Where is parcel 3?"]
    assert await found(q="parcel", before=place) == (["Your PARCEL 1"], None)
    assert (await served.client.get(f"{CHATS}/7/messages", params={"q": ""})).status_code == 400

    # A long chat is not examined in one call.
    monkeypatch.setattr("rookery.features.chats.SEARCHED", 4)
    monkeypatch.setattr("rookery.features.chats.MOST", 2)
    texts, place = await found(q="your parcel")
    assert (texts, place is None) == ([], False)
    assert await found(q="your parcel", before=place) == (["Your PARCEL 1"], None)


async def write_to(served: Any, *chats: str) -> None:
    for chat in chats:
        answer = await served.client.post("/v1/sessions/polly/messages", json={"to": chat, "text": "hello"})
        assert answer.status_code == 200, answer.text


async def test_chats_are_found_by_following_next(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await served.add()
    await write_to(served, *(f"{number}{'x' * (number % 3 == 0)}" for number in range(7)))

    async def walk(**query: Any) -> tuple[list[str], int]:
        found, pages, place = [], 0, {}  # type: ignore[var-annotated]
        while True:
            answer = await served.client.get(CHATS, params={**query, **place})
            assert answer.status_code == 200, answer.text
            found += [one["chat"] for one in answer.json()["chats"]]
            pages += 1
            if answer.json()["next"] is None:
                return found, pages
            place = {"after": answer.json()["next"]}

    assert await walk(q="X") == (["6x", "3x", "0x"], 1)
    assert await walk(q="x", limit=2) == (["6x", "3x", "0x"], 2)
    monkeypatch.setattr("rookery.features.chats.CHATS_SEARCHED", 2)
    assert await walk(q="X") == (["6x", "3x", "0x"], 4)
    assert await walk(q="x", limit=1) == (["6x", "3x", "0x"], 4)
    assert await walk(q="0x") == (["0x"], 4)
    assert await walk(q="absent") == ([], 4)
    first = (await served.client.get(CHATS, params={"q": "0x"})).json()
    assert (first["chats"], first["next"] is None) == ([], False)


async def test_an_engine_finds_as_many_chats_as_are_wanted(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await served.add()
    await write_to(served, *(f"{number}{'x' * (number % 3 == 0)}" for number in range(7)))
    monkeypatch.setattr("rookery.features.chats.CHATS_SEARCHED", 2)
    for limit, found in ((9, ["6x", "3x", "0x"]), (2, ["6x", "3x"]), (0, [])):
        assert [one.chat for one in await served.engine.chats("polly", q="x", limit=limit)] == found
    assert await served.engine.chats("polly", q="absent") == []
    assert len(await served.engine.chats("polly", q="")) == 7
    page = await served.engine.chats_page("polly", q="0x")
    assert (page.chats, page.next and page.next[1]) == ([], "5")


async def test_a_page_with_as_many_chats_as_an_answer_may_have_is_followed_by_another(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await served.add()
    await write_to(served, "0", "1", "2", "3")
    monkeypatch.setattr("rookery.features.chats.MOST", 3)
    first = (await served.client.get(CHATS, params={"limit": 3})).json()
    assert [one["chat"] for one in first["chats"]] == ["3", "2", "1"]
    second = (await served.client.get(CHATS, params={"limit": 3, "after": first["next"]})).json()
    assert ([one["chat"] for one in second["chats"]], second["next"]) == (["0"], None)
