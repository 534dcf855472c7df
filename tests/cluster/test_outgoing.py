"""Sends and deliveries where several instances share a database."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httpx
import msgspec
import pytest
import trio

from rookery import EventQuery, MessageState, open_engine
from rookery.errors import OutcomeUnknown, StoreUnavailable, TooLate
from rookery.model.message import STATUS_EVENT
from store.backends import PostgresBackend
from support.answered_posts import answer_posts
from support.engines.shared_engines import QUICK, open_shared, running
from support.fake_platform import FakePlatform, event
from support.waiting import until, until_found


async def test_a_scheduled_send_is_sent_by_the_instance_that_runs_the_session_then(postgres: PostgresBackend) -> None:
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


async def test_a_send_that_is_stored_after_its_owner_lost_the_session_is_sent_by_the_next(
    postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database stalls while a send is being stored. Its statement arrives when another instance has the session."""
    one, two = FakePlatform(), FakePlatform()
    stalled = postgres.make()
    settings = msgspec.structs.replace(QUICK, lease_ttl=2.5, lease_margin=0.5, store_timeout=0.5)
    async with open_engine(providers=[one], store=stalled, settings=settings, instance="one") as first:
        await first.create_session(id="a", platform="fake")
        await until(lambda: running(first) == {"a"})
        late: list[Callable[[], Awaitable[object]]] = []
        enqueue = stalled.enqueue

        async def stall(*arguments: Any, **options: Any) -> Any:
            late.append(partial(enqueue, *arguments, **options))
            await trio.sleep_forever()

        async def refuse(*_: Any, **__: Any) -> Any:
            await trio.lowlevel.checkpoint()
            raise StoreUnavailable("stalled")

        monkeypatch.setattr(stalled, "enqueue", stall)
        for number in range(3):
            with pytest.raises(OutcomeUnknown):
                await first.submit("a", to=str(number), text="late", idempotency_key=str(number))
        monkeypatch.setattr(stalled, "renew", refuse)
        monkeypatch.setattr(stalled, "claim", refuse)
        async with open_shared(postgres, two, "two") as second:
            await until(lambda: running(second) == {"a"}, seconds=30)
            for statement in late:
                await statement()
            await until(lambda: len(two.sent) == 3)
            for number in range(3):
                again = await second.submit("a", to=str(number), text="late", idempotency_key=str(number))
                assert (await second.wait_message(again.id, 10)).state is MessageState.SENT
            assert not one.sent
            assert len(two.sent) == 3


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
        await second.create_webhook(url="http://one.example/in", id="w", events=["message"])
        platform = one if running(first) else two
        await platform.link().inbox.commit([event(number) for number in range(20)], None)
        await until_found(first.webhook_facts, lambda facts: facts["w"].delivered >= 20, seconds=30)
        for engine in (first, second):
            facts = (await engine.webhook_facts())["w"]
            assert (facts.delivered, facts.failed, facts.last_status) == (20, 0, 202)
            assert facts.rate > 0


async def test_an_outcome_that_is_heard_before_the_answer_of_the_insert_is_not_missed(
    postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner may be faster than the answer to the instance that stored the send."""
    monkeypatch.setattr("rookery.features.messages.POLL_INTERVAL", 600.0)
    platform, store = FakePlatform(), postgres.make()
    async with (
        open_shared(postgres, platform, "one") as first,
        open_engine(providers=[FakePlatform()], store=store, settings=QUICK, instance="two") as second,
    ):
        await first.create_session(id="a", platform="fake")
        await until(lambda: running(first) | running(second) == {"a"})
        sender: Any = first if running(second) else second
        monkeypatch.setattr(sender.store, "enqueue", slowly(sender, sender.store.enqueue))
        with trio.fail_after(30):
            done = await sender.submit("a", to="7", text="x", wait=600)
        assert done.state is MessageState.SENT


def slowly(engine: Any, enqueue: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Answers when the engine has heard how the send ended."""

    async def enqueue_slowly(message: Any, **options: Any) -> Any:
        with engine._signals.watch(message.id) as watch:
            stored = await enqueue(message, **options)
            await watch.newer_than(0)
        return stored

    return enqueue_slowly
