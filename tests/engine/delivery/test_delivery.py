"""Webhooks under a virtual clock, with endpoints in memory (F3)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from itertools import pairwise
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from rookery import Engine, EngineSettings, EventQuery
from rookery.delivery.endpoint import retry_delay
from rookery.delivery.post import _retry_after
from rookery.model.event import NewEvent
from support.answered_posts import answer_posts
from support.fake_platform import (
    CALM,
    EPOCH,
    FakePlatform,
    TroubledStore,
    add,
    connected,
    open_fake_engine,
    open_troubled_store,
    settled,
    until,
    wall_clock,
)

ONE = "http://one.example/in"
TWO = "http://two.example/in"


class Endpoints:
    """What was posted, by URL, and what is answered: `on_post` may return a status or a response, hang or raise."""

    def __init__(self) -> None:
        self.posts: dict[str, list[tuple[float, dict[str, Any], httpx.Headers]]] = defaultdict(list)
        self.on_post: Callable[[str, dict[str, Any]], Awaitable[int | httpx.Response]] = self.accept
        self.under_way = 0
        self.most_under_way = 0

    async def accept(self, url: str, body: dict[str, Any]) -> int | httpx.Response:
        return 200

    async def handle(self, request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        url, body = str(request.url), json.loads(request.content)
        self.posts[url].append((trio.current_time(), body, request.headers))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            answer = await self.on_post(url, body)
        finally:
            self.under_way -= 1
        return answer if isinstance(answer, httpx.Response) else httpx.Response(answer)

    def keys(self, url: str = ONE, chat: str | None = None) -> list[str]:
        """The keys of the events posted there, in order."""
        return [body["data"]["key"] for _, body, _ in self.posts[url] if chat is None or body["data"]["chat"] == chat]

    def times(self, url: str = ONE) -> list[float]:
        return [at for at, _, _ in self.posts[url]]

    def ids(self, url: str = ONE) -> list[str]:
        return [headers["webhook-id"] for _, _, headers in self.posts[url]]


@pytest.fixture
def endpoints(monkeypatch: pytest.MonkeyPatch) -> Endpoints:
    found = Endpoints()
    answer_posts(monkeypatch, found.handle)
    return found


@asynccontextmanager
async def open_delivering(
    *urls: str, store: TroubledStore | None = None, settings: EngineSettings = CALM, sessions: tuple[str, ...] = ("a",)
) -> AsyncIterator[tuple[Engine, FakePlatform]]:
    """An engine with connected sessions and one webhook for each URL, `wh-0` and so on."""
    platform = FakePlatform()
    async with open_fake_engine(platform, store, settings=settings) as engine:
        await add(engine, *sessions)
        await connected(engine, *sessions)
        for number, url in enumerate(urls):
            await engine.create_webhook(url=url, id=f"wh-{number}")
        yield engine, platform


async def receive(platform: FakePlatform, *events: tuple[str, str] | str, session: str = "a", type: str = "x") -> None:
    """Commit events: keys, or keys with chats."""
    made = []
    for one in events:
        key, chat = one if isinstance(one, tuple) else (one, "7")
        made.append(NewEvent(key, type, EPOCH, chat, "9", b'{"text":"hi"}', b'{"raw":1}'))
    await platform.link(session).inbox.commit(made, None)


async def counts(engine: Engine) -> tuple[int, int]:
    health = await engine.health()
    return health.pending_deliveries, health.dead_letters


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
    async def second(url: str, body: dict[str, Any]) -> int:
        await trio.sleep(1)
        return 200

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
    async def second(url: str, body: dict[str, Any]) -> int:
        await trio.sleep(1)
        return 200

    endpoints.on_post = second
    async with open_delivering(ONE) as (_, platform):
        await receive(platform, *[(str(chat), str(chat)) for chat in range(100)])
        await until(lambda: len(endpoints.posts[ONE]) == 100)
        assert endpoints.most_under_way == 16


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
    """The lane stays parked in the store while its retry is under way: nobody may spin on that."""

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
        with trio.fail_after(40):
            while (await counts(engine)) != (0, 10):
                await trio.sleep(0.1)


async def test_a_replay_waits_for_nothing(endpoints: Endpoints, autojump_clock: MockClock) -> None:
    """Whoever asks for it says that the endpoint is well again."""

    async def down(url: str, body: dict[str, Any]) -> int:
        return 503

    endpoints.on_post = down
    settings = EngineSettings(webhook_attempts=2)
    async with open_delivering(ONE, settings=settings) as (engine, platform):
        await receive(platform, *map(str, range(10)))
        while (await counts(engine)) != (0, 10):
            await trio.sleep(0.1)
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
