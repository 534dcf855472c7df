"""Sends and deliveries where several instances share a database."""

from __future__ import annotations

import time

import httpx
import pytest
import trio

from rookery import EventQuery, MessageState
from rookery.errors import TooLate
from rookery.model.message import STATUS_EVENT
from store.backends import PostgresBackend
from support.answered_posts import answer_posts
from support.fake_platform import FakePlatform, event
from support.shared_engines import open_shared, running, until


async def test_a_scheduled_send_is_sent_by_whoever_runs_the_session_then(postgres: PostgresBackend) -> None:
    one, two = FakePlatform(), FakePlatform()
    async with open_shared(postgres, two, "two") as second:
        async with open_shared(postgres, one, "one") as first:
            await first.create_session(id="a", platform="fake")
            await until(lambda: running(first) | running(second) == {"a"})
            at = time.time() + 3
            message = await first.submit("a", to="7", text="later", send_at=at)
            taken_back = await second.submit("a", to="7", text="never", send_at=at)
            assert (await first.cancel_message(taken_back.id)).state is MessageState.CANCELLED
        assert not one.sent
        with trio.fail_after(30):
            done = await second.wait_message(message.id, 30)
        assert done.state is MessageState.SENT
        assert time.time() >= at
        assert [len(platform.sent) for platform in (one, two)] == [0, 1]
        told = await second.read_events(EventQuery(types=(STATUS_EVENT,)))
        assert [(found.body["id"], found.body["state"]) for found in told] == [
            (taken_back.id, "cancelled"),
            (message.id, "sent"),
        ]
        with pytest.raises(TooLate):
            await second.cancel_message(message.id)


async def test_how_deliveries_go_is_the_same_on_every_instance(
    postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        return httpx.Response(202)

    answer_posts(monkeypatch, answer)
    one, two = FakePlatform(), FakePlatform()
    async with open_shared(postgres, one, "one") as first, open_shared(postgres, two, "two") as second:
        await first.create_session(id="a", platform="fake")
        await until(lambda: running(first) | running(second) == {"a"})
        await second.create_webhook(url="http://one.example/in", id="w")
        platform = one if running(first) else two
        await platform.link().inbox.commit([event(number) for number in range(20)], None)
        with trio.fail_after(30):
            while (await first.webhook_facts())["w"].delivered < 20:
                await trio.sleep(0.05)
        for engine in (first, second):
            facts = (await engine.webhook_facts())["w"]
            assert (facts.delivered, facts.failed, facts.last_status) == (20, 0, 202)
            assert facts.rate > 0
