"""Deliveries: order, parallelism, filters and changes of webhooks."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from rookery import EventQuery
from support.engines.delivering import ONE, TWO, Endpoints, counts, open_delivering, receive
from support.fake_platform import (
    EPOCH,
    FakePlatform,
    open_fake_engine,
    open_troubled_store,
)
from support.waiting import until


async def second(url: str, body: dict[str, Any]) -> int:
    """An endpoint that takes a second."""
    await trio.sleep(1)
    return 200


async def test_an_event_is_posted_once(endpoints: Endpoints, autojump_clock: MockClock) -> None:
    async with open_delivering(ONE) as (engine, platform):
        await receive(platform, "1")
        await trio.sleep(100)
        [(_, body, headers)] = endpoints.posts[ONE]
        assert body["type"] == "x"
        assert body["timestamp"] == "2023-11-14T22:13:20.000Z"
        assert body["data"]["session"] == "a"
        assert body["data"]["body"] == {"text": "hi"}
        assert body["data"]["raw"] == {"raw": 1}
        [event] = await engine.read_events(EventQuery(types=("x",)))
        assert headers["webhook-id"] == f"evt_{event.id}"
        assert headers["content-type"] == "application/json"
        assert await counts(engine) == (0, 0)


async def test_in_order_within_a_chat_and_in_parallel_between_chats(
    endpoints: Endpoints, autojump_clock: MockClock
) -> None:
    endpoints.on_post = second
    async with open_delivering(ONE) as (_, platform):
        before = trio.current_time()
        await receive(platform, *[(f"{chat}.{number}", str(chat)) for number in range(5) for chat in range(10)])
        await until(lambda: len(endpoints.posts[ONE]) == 50)
        assert trio.current_time() - before == pytest.approx(4, abs=0.5)
        for chat in range(10):
            assert endpoints.keys(chat=str(chat)) == [f"{chat}.{number}" for number in range(5)]
        assert endpoints.most_under_way == 10


async def test_no_more_at_once_than_allowed(endpoints: Endpoints, autojump_clock: MockClock) -> None:
    endpoints.on_post = second
    async with open_delivering(ONE) as (_, platform):
        await receive(platform, *[(str(chat), str(chat)) for chat in range(100)])
        await until(lambda: len(endpoints.posts[ONE]) == 100)
        assert endpoints.most_under_way == 16


async def test_the_endpoint_is_busy_while_the_next_deliveries_are_read(
    endpoints: Endpoints, autojump_clock: MockClock
) -> None:
    async def slow(method: str) -> None:
        if method == "pending_deliveries":
            await trio.sleep(0.75)

    endpoints.on_post = second
    async with open_troubled_store() as store, open_delivering(ONE, store=store) as (_, platform):
        store.before = slow
        before = trio.current_time()
        await receive(platform, *[(f"{number}", str(number % 320)) for number in range(640)])
        await until(lambda: len(endpoints.posts[ONE]) == 640 and not endpoints.under_way)
        assert trio.current_time() - before < 640 / 16 + 2  # three more reads would take 2.25 s
        for chat in range(320):
            assert endpoints.keys(chat=str(chat)) == [str(chat), str(chat + 320)]


async def test_what_was_erased_is_not_delivered_from_memory(endpoints: Endpoints, autojump_clock: MockClock) -> None:
    endpoints.on_post = second
    async with open_delivering(ONE) as (engine, platform):
        await receive(platform, *[(f"{number}", str(number % 2)) for number in range(40)])
        await until(lambda: len(endpoints.posts[ONE]) >= 4)
        erased = await engine.erase_chat("a", "0")
        before = len(endpoints.keys(chat="0"))
        assert erased.events > 0
        await until(lambda: len(endpoints.keys(chat="1")) == 20 and not endpoints.under_way)
        assert endpoints.keys(chat="1") == [str(number) for number in range(1, 40, 2)]
        assert len(endpoints.keys(chat="0")) <= before + 1  # the one that was under way


class TestFilters:
    async def test_by_session_and_type(self, endpoints: Endpoints, autojump_clock: MockClock) -> None:
        async with open_delivering(sessions=("a", "b")) as (engine, platform):
            await engine.create_webhook(url="http://all/", id="all")
            await engine.create_webhook(url="http://a/", session="a")
            await engine.create_webhook(url="http://x/", events=["x"])
            await engine.create_webhook(url="http://b-y/", session="b", events=["y", "z"])
            await engine.create_webhook(url="http://off/", enabled=False)
            await receive(platform, "1", session="a", type="x")
            await receive(platform, "2", session="b", type="x")
            await receive(platform, "3", session="a", type="y")
            await receive(platform, "4", session="b", type="y")
            await trio.sleep(10)
            assert sorted(endpoints.keys("http://all/")) == ["1", "2", "3", "4"]
            assert endpoints.keys("http://a/") == ["1", "3"]
            assert sorted(endpoints.keys("http://x/")) == ["1", "2"]
            assert endpoints.keys("http://b-y/") == ["4"]
            assert endpoints.keys("http://off/") == []

    async def test_an_idle_endpoint_costs_nothing(self, endpoints: Endpoints, autojump_clock: MockClock) -> None:
        async with (
            open_troubled_store() as store,
            open_delivering(store=store, sessions=("a", "b")) as (
                engine,
                platform,
            ),
        ):
            await engine.create_webhook(url="http://b/", session="b")
            await receive(platform, "0", session="a")
            await trio.sleep(1)
            store.calls.clear()
            for number in range(20):
                await receive(platform, str(number), session="a")
                await trio.sleep(1)
            assert store.calls["pending_deliveries"] == 0
            await receive(platform, "1", session="b")
            await until(lambda: endpoints.keys("http://b/") == ["1"])


class TestChanges:
    async def test_created_while_events_arrive(self, endpoints: Endpoints, autojump_clock: MockClock) -> None:
        async with open_delivering(sessions=("a",)) as (engine, platform):
            await receive(platform, "before")
            await engine.create_webhook(url=ONE)
            await receive(platform, "after")
            await trio.sleep(1)
            assert endpoints.keys() == ["after"]

    @pytest.mark.parametrize("how", ["delete", "disable", "move"])
    async def test_while_a_delivery_hangs(self, how: str, endpoints: Endpoints, autojump_clock: MockClock) -> None:
        async def hang_one(url: str, body: dict[str, Any]) -> int:
            if url == ONE:
                await trio.sleep(10)
            return 200

        endpoints.on_post = hang_one
        async with open_delivering(ONE) as (engine, platform):
            await receive(platform, "1", "2")
            await until(lambda: bool(endpoints.posts[ONE]))
            if how == "delete":
                await engine.delete_webhook("wh-0")
            elif how == "disable":
                await engine.update_webhook("wh-0", enabled=False)
            else:
                await engine.update_webhook("wh-0", url=TWO)
            await trio.sleep(100)
            assert endpoints.keys() == ["1"]
            assert endpoints.under_way == 0
            assert endpoints.keys(TWO) == (["1", "2"] if how == "move" else [])
            if how == "disable":
                endpoints.on_post = endpoints.accept
                await engine.update_webhook("wh-0", enabled=True)
                await until(lambda: endpoints.keys() == ["1", "1", "2"])

    async def test_deleted_at_the_moment_of_a_410(self, endpoints: Endpoints, autojump_clock: MockClock) -> None:
        async with open_troubled_store() as store, open_delivering(ONE, store=store) as (engine, platform):

            async def gone(url: str, body: dict[str, Any]) -> int:
                await store.inner.delete_webhook("wh-0")
                return 410

            endpoints.on_post = gone
            await receive(platform, "1")
            await trio.sleep(10)
            await engine.create_webhook(url=TWO)
            await receive(platform, "2")
            await until(lambda: endpoints.keys(TWO) == ["2"])

    async def test_the_session_is_deleted(self, endpoints: Endpoints, autojump_clock: MockClock) -> None:
        async with open_delivering(ONE) as (engine, platform):
            await engine.create_webhook(url=TWO, session="a")
            await receive(platform, "1")
            await trio.sleep(1)
            await engine.delete_session("a")
            await trio.sleep(1)
            assert [webhook.url for webhook in await engine.list_webhooks()] == [ONE]

    async def test_a_secret_that_is_replaced(self, endpoints: Endpoints, autojump_clock: MockClock) -> None:
        from standardwebhooks import Webhook as Verifier

        async with open_delivering(ONE) as (engine, platform):
            secret = "whsec_" + "A" * 32
            await engine.update_webhook("wh-0", secret=secret)
            await receive(platform, "1")
            await until(lambda: bool(endpoints.posts[ONE]))
            headers = endpoints.posts[ONE][0][2]
            assert headers["webhook-signature"].startswith("v1,")
            assert headers["webhook-timestamp"] == str(int(EPOCH + endpoints.times()[0]))
            assert Verifier(secret)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": "ftp://x/"}, "url"),
        ({"url": "http://"}, "url"),
        ({"url": "http://x:99999/"}, "url"),
        ({"url": "http://x/ y"}, "url"),
        ({"url": 5}, "url"),
        ({"url": ONE, "secret": "whsec_short"}, "secret"),
        ({"url": ONE, "secret": "plain"}, "secret"),
        ({"url": ONE, "events": []}, "events"),
        ({"url": ONE, "events": "message"}, "events"),
        ({"url": ONE, "events": [""]}, "events"),
        ({"url": ONE, "id": "a b"}, "id"),
    ],
    ids=str,
)
async def test_bad_input(fields: dict[str, Any], field: str, autojump_clock: MockClock) -> None:
    from rookery.errors import InvalidInput

    async with open_fake_engine(FakePlatform()) as engine:
        with pytest.raises(InvalidInput) as caught:
            await engine.create_webhook(**fields)
        assert caught.value.field == field
        assert await engine.list_webhooks() == []
