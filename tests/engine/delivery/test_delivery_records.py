"""Outcomes of deliveries are stored in batches, and each is stored whatever happens around it."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from rookery.errors import InvalidInput
from rookery.model.instance import Duty
from rookery.model.webhook import DeliveryOutcome
from support.engines.delivering import ONE, Endpoints, counts, open_delivering, receive
from support.fake_platform import FakePlatform, open_fake_engine, open_troubled_store
from support.waiting import until


async def test_outcomes_of_the_same_moment_are_one_write(endpoints: Endpoints, autojump_clock: MockClock) -> None:
    async def second(url: str, body: dict[str, Any]) -> int:
        await trio.sleep(1)
        return 200

    endpoints.on_post = second
    async with open_troubled_store() as store, open_delivering(ONE, store=store) as (engine, platform):
        before = store.calls["record_deliveries"]
        await receive(platform, *[(f"{chat}.{number}", str(chat)) for number in range(10) for chat in range(10)])
        await until(lambda: len(endpoints.posts[ONE]) == 100)
        await trio.sleep(5)
        assert await counts(engine) == (0, 0)
        # Ten rounds of ten: of each round the first outcome is written at once and the others together.
        assert store.calls["record_deliveries"] - before <= 20
        for chat in range(10):
            assert endpoints.keys(chat=str(chat)) == [f"{chat}.{number}" for number in range(10)]


async def test_an_outcome_that_cannot_be_stored_spoils_no_other(
    endpoints: Endpoints, autojump_clock: MockClock
) -> None:
    async def fail_for_one(url: str, body: dict[str, Any]) -> int:
        await trio.sleep(1)
        return 500 if body["data"]["chat"] == "3" else 200

    endpoints.on_post = fail_for_one
    async with open_troubled_store() as store, open_delivering(ONE, store=store) as (engine, platform):
        inner, refusals = store.inner.record_deliveries, 0

        async def record(outcomes: list[DeliveryOutcome], *, duty: Duty | None = None) -> None:
            nonlocal refusals
            await trio.lowlevel.checkpoint()
            if any(outcome.error == "answered 500" for outcome in outcomes):
                refusals += 1
                raise InvalidInput("this text cannot be stored")
            await inner(outcomes, duty=duty)

        store.inner.record_deliveries = record  # type: ignore[method-assign,assignment]
        await receive(platform, *[(str(chat), str(chat)) for chat in range(10)])
        await trio.sleep(1.5)
        assert refusals
        assert await counts(engine) == (1, 0)  # the failed one waits for its next attempt
        endpoints.on_post = endpoints.accept
        await trio.sleep(60)
        assert await counts(engine) == (0, 0)
        assert endpoints.keys(chat="3") == ["3", "3"]
        assert sorted(endpoints.keys()) == sorted([str(chat) for chat in range(10)] + ["3"])


async def test_what_was_answered_before_the_engine_stops_is_stored(
    endpoints: Endpoints, autojump_clock: MockClock
) -> None:
    """The second outcome waits behind a slow write of the first when the engine is stopped."""
    writing = trio.Event()

    async def dawdle(method: str) -> None:
        if method == "record_deliveries":
            writing.set()
            await trio.sleep(0.5)

    async def by_chat(url: str, body: dict[str, Any]) -> int:
        await trio.sleep(0.1 * int(body["data"]["chat"] or 0))
        return 200

    endpoints.on_post = by_chat
    async with open_troubled_store() as store:
        store.before = dawdle
        async with open_delivering(ONE, store=store) as (_, platform):
            await receive(platform, ("a", "0"), ("b", "1"))
            await writing.wait()
            await trio.sleep(0.2)  # the other one was answered after 0.1 s; the write takes 0.5 s
        store.before, endpoints.on_post = None, endpoints.accept
        async with open_fake_engine(FakePlatform(), store) as engine:
            await trio.sleep(20)
            assert await counts(engine) == (0, 0)
    assert sorted(endpoints.keys(chat="0") + endpoints.keys(chat="1")) == ["a", "b"]


@pytest.mark.parametrize("method", ["get_webhook", "update_webhook"])
async def test_a_webhook_that_answers_410_is_disabled_even_if_the_store_is_away(
    method: str, endpoints: Endpoints, autojump_clock: MockClock
) -> None:
    async def gone(url: str, body: dict[str, Any]) -> int:
        return 410

    endpoints.on_post = gone
    async with open_troubled_store() as store, open_delivering(ONE, store=store) as (engine, platform):
        store.down_methods.add(method)
        await receive(platform, "1")
        await trio.sleep(5)
        store.down_methods.clear()
        await trio.sleep(5)
        assert not (await engine.get_webhook("wh-0")).enabled
