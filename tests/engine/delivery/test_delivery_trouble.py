"""Deliveries while the store is away, across restarts, and when the engine stops."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from rookery.model.event import NewEvent
from support.engines.delivering import ONE, Endpoints, counts, open_delivering, receive
from support.fake_platform import (
    FakePlatform,
    open_fake_engine,
    open_troubled_store,
    settled,
)
from support.waiting import until


class TestTrouble:
    @pytest.mark.parametrize(
        ("method", "trouble"),
        [
            ("pending_deliveries", "down"),
            ("next_retry_at", "down"),
            ("list_webhooks", "down"),
            ("record_deliveries", "down"),
            ("record_deliveries", "hanging"),
        ],
    )
    async def test_the_store_is_away_for_a_while(
        self, method: str, trouble: str, endpoints: Endpoints, autojump_clock: MockClock
    ) -> None:
        async with open_troubled_store() as store, open_delivering(ONE, store=store) as (engine, platform):
            troubled = store.down_methods if trouble == "down" else store.hanging
            troubled.add(method)
            await receive(platform, "1", "2")
            await trio.sleep(20)
            troubled.clear()
            await receive(platform, "3")
            await trio.sleep(20)
            distinct = list(dict.fromkeys(endpoints.keys()))
            assert distinct == ["1", "2", "3"]
            assert await counts(engine) == (0, 0)

    async def test_what_was_not_recorded_comes_again_before_what_follows(
        self, endpoints: Endpoints, autojump_clock: MockClock
    ) -> None:
        async with open_troubled_store() as store, open_delivering(ONE, store=store) as (_, platform):
            store.hanging = {"record_deliveries"}
            await receive(platform, "1", "2")
            await trio.sleep(5.5)
            store.hanging = set()
            await trio.sleep(20)
            assert endpoints.keys() == ["1", "1", "2"]

    async def test_a_restart_in_the_middle(self, endpoints: Endpoints, autojump_clock: MockClock) -> None:
        async def slow(url: str, body: dict[str, Any]) -> int:
            await trio.sleep(0.3)
            return 200

        endpoints.on_post = slow
        async with open_troubled_store() as store:
            async with open_delivering(ONE, store=store) as (_, platform):
                await receive(platform, *[(f"{chat}.{n}", str(chat)) for n in range(10) for chat in range(3)])
                await trio.sleep(1)
            first = len(endpoints.posts[ONE])
            assert 0 < first < 30
            async with open_fake_engine(FakePlatform(), store) as engine:
                await trio.sleep(20)
                for chat in range(3):
                    assert endpoints.keys(chat=str(chat)) == [f"{chat}.{n}" for n in range(10)]
                assert await counts(engine) == (0, 0)

    async def test_a_hung_delivery_does_not_cost_the_grace(
        self, endpoints: Endpoints, autojump_clock: MockClock
    ) -> None:
        async def hang_all(url: str, body: dict[str, Any]) -> int:
            await trio.sleep_forever()
            return 200

        endpoints.on_post = hang_all
        async with open_troubled_store() as store:
            async with open_delivering(ONE, store=store) as (_, platform):
                await receive(platform, "1")
                await until(lambda: bool(endpoints.posts[ONE]))
                before = trio.current_time()
            assert trio.current_time() - before <= 2
            endpoints.on_post = endpoints.accept
            async with open_fake_engine(FakePlatform(), store):
                await until(lambda: endpoints.keys(chat="7") == ["1", "1"])
            assert (
                len({headers["webhook-id"] for _, body, headers in endpoints.posts[ONE] if body["data"]["chat"]}) == 1
            )

    async def test_times_beyond_the_calendar(self, endpoints: Endpoints, autojump_clock: MockClock) -> None:
        async with open_delivering(ONE) as (_, platform):
            events = [NewEvent(str(n), "x", at, "7", None, b"{}", b"{}") for n, at in enumerate([1e18, -1e18, 1e300])]
            await platform.link().inbox.commit(events, None)
            await receive(platform, "fine")
            await until(lambda: endpoints.keys() == ["0", "1", "2", "fine"], seconds=5)


async def test_no_url_in_the_log(
    endpoints: Endpoints, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    async def fail(url: str, body: dict[str, Any]) -> int:
        return 500 if len(endpoints.posts[url]) == 1 else 200

    endpoints.on_post = fail
    url = "http://one.example/hooks/SECRET-IN-PATH?key=SECRET-IN-QUERY"
    async with open_delivering(url) as (_, platform):
        await receive(platform, "1")
        await until(lambda: len(endpoints.posts[url]) == 2)
        await settled()
    assert caplog.records
    assert "SECRET" not in caplog.text
    assert not any("SECRET" in str(record.__dict__) for record in caplog.records)
