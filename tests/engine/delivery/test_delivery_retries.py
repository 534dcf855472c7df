"""Deliveries that fail: retries, Retry-After, dead letters, 410, and endpoints that are down or hang."""

from __future__ import annotations

from email.utils import formatdate
from itertools import pairwise
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from rookery import EngineSettings
from rookery.delivery.post import _retry_after
from rookery.delivery.strikes import retry_delay
from support.engines.delivering import ONE, TWO, Endpoints, counts, open_delivering, receive
from support.fake_platform import (
    EPOCH,
    open_troubled_store,
    wall_clock,
)
from support.waiting import until, until_found


async def test_failures_are_retried_in_order_and_harm_no_other_chat(
    endpoints: Endpoints, autojump_clock: MockClock
) -> None:
    async def moody(url: str, body: dict[str, Any]) -> int:
        fails = body["data"]["chat"] == "bad" and len(endpoints.keys(chat="bad")) <= 4
        return 500 if fails else 204

    endpoints.on_post = moody
    async with open_delivering(ONE) as (engine, platform):
        await receive(platform, ("b1", "bad"), ("g1", "good"), ("b2", "bad"), ("g2", "good"), ("b3", "bad"))
        await trio.sleep(0.5)
        assert endpoints.keys(chat="good") == ["g1", "g2"]
        await until(lambda: endpoints.keys(chat="bad") == ["b1"] * 5 + ["b2", "b3"], seconds=100)
        ids = endpoints.ids()
        assert len(set(ids)) == 5  # the same event, the same id
        times = [at for at, body, _ in endpoints.posts[ONE] if body["data"]["key"] == "b1"]
        waits = [later - sooner for sooner, later in pairwise(times)]
        for wait, expected in zip(waits, [1, 3, 9, 27], strict=True):
            assert expected <= wait <= expected * 1.1 + 0.1
        assert await counts(engine) == (0, 0)


def test_waits_between_retries() -> None:
    settings = EngineSettings()
    found = [retry_delay(settings, attempt, uniform=lambda low, high: low) for attempt in range(1, 13)]
    assert found == [1, 3, 9, 27, 81, 243, 729, 2187, 6561, 19683, 59049, 86400]
    assert retry_delay(settings, 1000, uniform=lambda low, high: high) == pytest.approx(86_400 * 1.1)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("99999999", 86400),
        ("9" * 400, 86400),
        (formatdate(EPOCH + 90, usegmt=True), 90),
        (formatdate(EPOCH - 90, usegmt=True), 0),
        ("soon", None),
        ("-5", None),
        ("nan", None),
        ("1e3", None),
        ("", None),
        (None, None),
    ],
)
def test_what_retry_after_means(value: str | None, seconds: float | None) -> None:
    assert _retry_after(None if value is None else value.encode(), EPOCH) == seconds


@pytest.mark.parametrize(("value", "seconds"), [("120", 120), ("soon", 1)])
async def test_retry_after_is_obeyed(
    value: str, seconds: float, endpoints: Endpoints, autojump_clock: MockClock
) -> None:
    async def busy(url: str, body: dict[str, Any]) -> httpx.Response:
        header = {"retry-after": value.encode()} if len(endpoints.posts[url]) == 1 else {}
        return httpx.Response(503 if header else 200, headers=header)  # type: ignore[arg-type]

    endpoints.on_post = busy
    async with open_delivering(ONE) as (_, platform):
        await receive(platform, "1")
        await until(lambda: len(endpoints.posts[ONE]) == 2, seconds=100_000, step=max(0.1, seconds / 100))
        first, second = endpoints.times()
        assert seconds <= second - first <= seconds * 1.1 + 0.2


async def test_retry_after_as_a_date(endpoints: Endpoints, autojump_clock: MockClock) -> None:
    async def busy(url: str, body: dict[str, Any]) -> httpx.Response:
        if len(endpoints.posts[url]) > 1:
            return httpx.Response(200)
        return httpx.Response(429, headers={"retry-after": formatdate(wall_clock() + 60, usegmt=True)})

    endpoints.on_post = busy
    async with open_delivering(ONE) as (_, platform):
        await receive(platform, "1")
        await until(lambda: len(endpoints.posts[ONE]) == 2, seconds=100)
        first, second = endpoints.times()
        assert second - first == pytest.approx(60, abs=1.1)


async def test_dead_letters_and_their_replay(endpoints: Endpoints, autojump_clock: MockClock) -> None:
    async def refuse(url: str, body: dict[str, Any]) -> int:
        return 500 if body["data"]["key"] == "bad" else 200

    endpoints.on_post = refuse
    settings = EngineSettings(backoff_jitter=0.0, webhook_attempts=3)
    async with open_delivering(ONE, settings=settings) as (engine, platform):
        await receive(platform, "bad", "next")
        await until(lambda: endpoints.keys() == ["bad", "bad", "bad", "next"])
        await trio.sleep(1)
        [dead] = await engine.dead_letters("wh-0")
        assert (dead.event.key, dead.attempts, dead.error) == ("bad", 3, "answered 500")
        assert await counts(engine) == (0, 1)
        endpoints.on_post = endpoints.accept
        assert await engine.replay("wh-0", [dead.event.id]) == 1
        await until(lambda: endpoints.keys() == ["bad", "bad", "bad", "next", "bad"])
        await trio.sleep(1)
        assert await counts(engine) == (0, 0)
        assert await engine.replay("wh-0") == 0


async def test_410_disables(endpoints: Endpoints, autojump_clock: MockClock) -> None:
    async def gone(url: str, body: dict[str, Any]) -> int:
        return 410

    endpoints.on_post = gone
    async with open_delivering(ONE) as (engine, platform):
        await receive(platform, "1")
        await trio.sleep(1)
        assert not (await engine.get_webhook("wh-0")).enabled
        await receive(platform, "2")
        await trio.sleep(1000)
        assert endpoints.keys() == ["1"]
        endpoints.on_post = endpoints.accept
        await engine.update_webhook("wh-0", enabled=True)
        await receive(platform, "3")
        await until(lambda: len(endpoints.posts[ONE]) == 3)
        assert endpoints.keys() == ["1", "1", "3"]  # a disabled webhook keeps its old deliveries and gets no new ones


async def test_410_for_an_address_that_was_just_replaced_disables_nothing(
    endpoints: Endpoints, autojump_clock: MockClock
) -> None:
    async with open_troubled_store() as store, open_delivering(ONE, store=store) as (engine, platform):

        async def gone(url: str, body: dict[str, Any]) -> int:
            if url == TWO:
                return 200
            await engine.update_webhook("wh-0", url=TWO)
            return 410

        endpoints.on_post = gone
        await receive(platform, "1")
        await until(lambda: endpoints.keys(TWO) == ["1"])
        assert (await engine.get_webhook("wh-0")).enabled


@pytest.mark.parametrize("status", [201, 204, 299])
async def test_every_2xx_is_success(status: int, endpoints: Endpoints, autojump_clock: MockClock) -> None:
    async def answer(url: str, body: dict[str, Any]) -> int:
        return status

    endpoints.on_post = answer
    async with open_delivering(ONE) as (_, platform):
        await receive(platform, "1")
        await trio.sleep(100)
        assert endpoints.keys() == ["1"]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 429, 500, 503])
async def test_everything_else_is_failure(status: int, endpoints: Endpoints, autojump_clock: MockClock) -> None:
    async def answer(url: str, body: dict[str, Any]) -> httpx.Response:
        code = status if len(endpoints.posts[url]) == 1 else 200
        return httpx.Response(code, headers={"location": TWO})

    endpoints.on_post = answer
    async with open_delivering(ONE) as (_, platform):
        await receive(platform, "1")
        await trio.sleep(100)
        assert endpoints.keys() == ["1", "1"]
        assert endpoints.posts[TWO] == []


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("x"), httpx.ReadTimeout("x"), OSError("x"), ValueError("x"), RuntimeError("x")],
    ids=repr,
)
async def test_whatever_a_library_raises_is_one_failed_delivery(
    error: Exception, endpoints: Endpoints, autojump_clock: MockClock
) -> None:
    async def fail(url: str, body: dict[str, Any]) -> int:
        if len(endpoints.posts[url]) == 1:
            raise error
        return 200

    endpoints.on_post = fail
    async with open_delivering(ONE) as (_, platform):
        await receive(platform, "1", "2")
        await until(lambda: endpoints.keys() == ["1", "1", "2"])


async def test_a_hung_endpoint_delays_no_other(endpoints: Endpoints, autojump_clock: MockClock) -> None:
    async def hang_one(url: str, body: dict[str, Any]) -> int:
        if url == ONE:
            await trio.sleep_forever()
        return 200

    endpoints.on_post = hang_one
    async with open_delivering(ONE, TWO) as (_, platform):
        before = trio.current_time()
        for number in range(50):
            await receive(platform, (str(number), str(number)))
        await until(lambda: len(endpoints.posts[TWO]) == 50)
        assert trio.current_time() - before < 1
        assert len(endpoints.posts[ONE]) == 16
        await trio.sleep(20)
        assert endpoints.most_under_way <= 16 + 1


async def test_waiting_for_a_hung_retry_costs_no_work(endpoints: Endpoints, autojump_clock: MockClock) -> None:
    """The lane stays parked in the store while its retry is under way, and that must not cause a busy loop."""

    async def fail_then_hang(url: str, body: dict[str, Any]) -> int:
        if len(endpoints.posts[url]) == 1:
            return 500
        await trio.sleep_forever()
        return 200

    endpoints.on_post = fail_then_hang
    async with open_troubled_store() as store, open_delivering(ONE, store=store) as (_, platform):
        await receive(platform, "1")
        await until(lambda: len(endpoints.posts[ONE]) == 2)
        store.calls.clear()
        await trio.sleep(10)
        assert store.calls["pending_deliveries"] <= 2


async def test_an_endpoint_that_is_down_is_tried_gently(endpoints: Endpoints, autojump_clock: MockClock) -> None:
    up_at = float("inf")

    async def down(url: str, body: dict[str, Any]) -> int:
        return 200 if trio.current_time() >= up_at else 503

    endpoints.on_post = down
    async with open_delivering(ONE) as (_, platform):
        await receive(platform, *[(str(chat), str(chat)) for chat in range(200)])
        await trio.sleep(300)
        assert len(endpoints.posts[ONE]) < 60
        up_at = trio.current_time()
        await until(lambda: len(set(endpoints.keys())) == 200, seconds=100)


async def test_how_gently_follows_the_backoff(endpoints: Endpoints, autojump_clock: MockClock) -> None:
    """Who sets short delays between attempts has dead letters soon, also of many events in one chat."""

    async def down(url: str, body: dict[str, Any]) -> int:
        return 503

    endpoints.on_post = down
    settings = EngineSettings(webhook_attempts=2, webhook_backoff=0.1)
    async with open_delivering(ONE, settings=settings) as (engine, platform):
        await receive(platform, *map(str, range(10)))
        await until_found(lambda: counts(engine), lambda found: found == (0, 10), seconds=40, step=0.1)


async def test_a_replay_waits_for_nothing(endpoints: Endpoints, autojump_clock: MockClock) -> None:
    """A caller who asks for a replay vouches that the endpoint works again."""

    async def down(url: str, body: dict[str, Any]) -> int:
        return 503

    endpoints.on_post = down
    settings = EngineSettings(webhook_attempts=2)
    async with open_delivering(ONE, settings=settings) as (engine, platform):
        await receive(platform, *map(str, range(10)))
        await until_found(lambda: counts(engine), lambda found: found == (0, 10), seconds=600, step=0.1)
        endpoints.on_post = endpoints.accept
        endpoints.posts.clear()
        started = trio.current_time()
        assert await engine.replay("wh-0") == 10
        await until(lambda: endpoints.keys() == list(map(str, range(10))), seconds=60)
        assert endpoints.times()[-1] - started < 2


async def test_a_moment_of_failure_is_soon_forgotten(endpoints: Endpoints, autojump_clock: MockClock) -> None:
    """An endpoint that is restarted fails all that is on its way to it at once; that says no more than one failure."""
    up_at = trio.current_time() + 1.5

    async def restarting(url: str, body: dict[str, Any]) -> int:
        await trio.sleep(0.1)
        return 204 if trio.current_time() >= up_at else 503

    endpoints.on_post = restarting
    async with open_delivering(ONE) as (_, platform):
        await receive(platform, *[(str(chat), str(chat)) for chat in range(200)])
        await until(lambda: len(set(endpoints.keys())) == 200, seconds=60)
        await until(lambda: not endpoints.under_way)
        assert trio.current_time() < up_at + 6
