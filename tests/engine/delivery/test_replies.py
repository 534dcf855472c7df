"""An endpoint that answers with messages: each is sent once, whatever else happens."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from rookery import Engine, MessageState
from rookery.model.message import MessageQuery
from support.answered_posts import answer_posts
from support.fake_platform import (
    FakePlatform,
    add,
    connected,
    event,
    open_fake_engine,
    open_troubled_store,
)
from support.waiting import until, until_found

URL = "http://bot.example/in"


class Bot:
    """What a function behind a URL answers: bytes or a document, and a status."""

    def __init__(self, answer: Any, status: int = 200) -> None:
        self.answer = answer
        self.status = status
        self.posts: list[dict[str, Any]] = []

    async def handle(self, request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        self.posts.append(json.loads(request.content))
        content = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        return httpx.Response(self.status, content=content)


async def sent(engine: Engine) -> list[tuple[str, str | None, str]]:
    rows = await engine.list_messages(MessageQuery(session="a"))
    return [(row.to, row.idempotency_key, row.state.value) for _, row in reversed(rows)]


async def talk(engine: Engine, platform: FakePlatform, bot: Bot, *, replies: bool = True) -> None:
    """One message to the bot, until it is delivered."""
    await add(engine)
    await connected(engine)
    await engine.create_webhook(id="w", url=URL, events=["message"], replies=replies)
    await platform.link().inbox.commit([event(1)], None)
    await until(lambda: bool(bot.posts))
    await until_found(engine.webhook_facts, lambda facts: not facts["w"].pending, seconds=600, step=0.1)
    await trio.sleep(5)


async def test_messages_of_an_answer_are_sent_with_the_keys_of_the_delivery(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = Bot({"messages": [{"text": "one"}, {"to": "8", "text": "two"}, "three"]})
    answer_posts(monkeypatch, bot.handle)
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await talk(engine, platform, bot)
        id = bot.posts[0]["data"]["id"]
        assert await sent(engine) == [
            ("7", f"evt_{id}:0", "sent"),
            ("8", f"evt_{id}:1", "sent"),
            ("7", f"evt_{id}:2", "sent"),
        ]
        assert platform.sent_texts() == ["one", "two", "three"]
        assert (await engine.webhook_facts())["w"].last_error is None


async def test_without_the_flag_an_answer_is_only_an_answer(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = Bot({"messages": [{"text": "one"}]})
    answer_posts(monkeypatch, bot.handle)
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await talk(engine, platform, bot, replies=False)
        assert await sent(engine) == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"ok", "not JSON"),
        (b"[1]", "an object is needed"),
        (b'{"messages": 5}', "lists"),
        ({"messages": [{"text": "x"}] * 101}, "100"),
        ({"messages": [{"text": ""}]}, "reply 0: "),
        ({"messages": [{"type": "nonsense"}]}, "reply 0: "),
        ({"messages": [{"text": "hi", "colour": "red"}]}, "reply 0: "),
        ({"messages": [None]}, "reply 0: "),
        ({"calls": [{"method": "no such thing"}]}, "reply 0: "),
        (b"\xff\xfe", "not JSON"),
        (b'{"messages":' + b"[" * 5000, "not JSON"),
        ({"messages": [{"text": "x", "options": "x"}]}, "reply 0: options: an object is needed"),
        ({"messages": [{"text": "x", "options": [[]]}]}, "reply 0: options: an object is needed"),
        ({"messages": [{"text": "x", "ttl": "x"}]}, "reply 0: ttl: a number of seconds is needed"),
        ({"messages": [{"text": "x", "to": {}}]}, "reply 0: to: a chat is needed"),
    ],
)
async def test_invalid_replies_are_reported_and_break_nothing(
    answer: Any, words: str, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = Bot(answer)
    answer_posts(monkeypatch, bot.handle)
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await talk(engine, platform, bot)
        facts = (await engine.webhook_facts())["w"]
        assert (len(bot.posts), facts.delivered, facts.failed, facts.dead) == (1, 1, 0, 0)
        assert facts.last_error is not None
        assert words in facts.last_error
        assert await sent(engine) == []


async def test_a_bad_reply_does_not_stop_the_good_ones(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = Bot({"messages": [{"text": "one"}, {"text": ""}, {"text": "three"}]})
    answer_posts(monkeypatch, bot.handle)
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await talk(engine, platform, bot)
        assert platform.sent_texts() == ["one", "three"]


async def test_an_answer_that_fails_the_delivery_sends_nothing(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = Bot({"messages": [{"text": "one"}]}, status=500)
    answer_posts(monkeypatch, bot.handle)
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        await engine.create_webhook(id="w", url=URL, events=["message"], replies=True)
        await platform.link().inbox.commit([event(1)], None)
        await until(lambda: len(bot.posts) >= 2)
        assert await sent(engine) == []


async def test_a_reply_waits_for_nothing_and_chooses_neither_key_nor_session(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"wait": 1e6, "session": "b", "idempotency_key": 5}
    bot = Bot({"messages": [{"text": "one", **more}], "calls": [{"type": "text", "to": "8", "text": "two", **more}]})
    answer_posts(monkeypatch, bot.handle)
    platform = FakePlatform()
    platform.on_send = never_answered
    async with open_fake_engine(platform) as engine:
        with trio.fail_after(10):  # a send may take 30 s
            await talk(engine, platform, bot)
        id = bot.posts[0]["data"]["id"]
        assert [(to, key) for to, key, _ in await sent(engine)] == [("7", f"evt_{id}:0"), ("8", f"evt_{id}:1")]
        assert (await engine.webhook_facts())["w"].last_error is None


async def never_answered(*_: Any) -> Any:
    await trio.sleep_forever()


async def test_a_repeated_delivery_sends_nothing_twice(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replies were stored, and the outcome of the delivery was not: the engine delivers again."""
    bot = Bot({"messages": [{"text": "one"}, {"text": "two"}]})
    answer_posts(monkeypatch, bot.handle)
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine)
        await connected(engine)
        await engine.create_webhook(id="w", url=URL, events=["message"], replies=True)
        store.down_methods = {"record_deliveries"}
        await platform.link().inbox.commit([event(1)], None)
        await until(lambda: len(bot.posts) >= 3)
        store.down_methods = set()
        await trio.sleep(60)
        assert (await engine.webhook_facts())["w"].pending == 0
        assert platform.sent_texts() == ["one", "two"]
        assert [state for _, _, state in await sent(engine)] == ["sent", "sent"]


async def test_replies_that_cannot_be_stored_make_the_delivery_wait(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = Bot({"messages": [{"text": "one"}]})
    answer_posts(monkeypatch, bot.handle)
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine)
        await connected(engine)
        await engine.create_webhook(id="w", url=URL, events=["message"], replies=True)
        store.down_methods = {"enqueue", "enqueue_batch", "enqueue_all"}
        await platform.link().inbox.commit([event(1)], None)
        await until(lambda: bool(bot.posts))
        await trio.sleep(1)
        assert (await engine.webhook_facts())["w"].pending == 1
        store.down_methods = set()
        await trio.sleep(600)
        assert platform.sent_texts() == ["one"]
        rows = await engine.list_messages(MessageQuery(session="a"))
        assert [row.state for _, row in rows] == [MessageState.SENT]


async def test_a_cloud_event_has_the_event_as_its_data(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[httpx.Request] = []

    async def take(request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        seen.append(request)
        return httpx.Response(204)

    answer_posts(monkeypatch, take)
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        await engine.create_webhook(id="w", url=URL, events=["message"], format="cloudevents")
        await platform.link().inbox.commit([event(1)], None)
        await until(lambda: bool(seen))
        [stored] = [one for one in await engine.read_events() if one.type == "message"]
        document = json.loads(seen[0].content)
        data = document.pop("data")
        assert document == {
            "specversion": "1.0",
            "id": f"evt_{stored.id}",
            "source": f"/rookery/{engine.installation}/sessions/a",
            "type": "rookery.message",
            "subject": "7",
            "time": "2023-11-14T22:13:20.000Z",
            "datacontenttype": "application/json",
        }
        assert (data["id"], data["body"]) == (stored.id, {"text": "hi"})
        assert seen[0].headers["content-type"] == "application/cloudevents+json"
        assert seen[0].headers["webhook-signature"]
