"""Delivery statistics: counts, the current rate, the last outcome; and the cost of reading them."""

from __future__ import annotations

import httpx
import pytest
import trio
from trio.testing import MockClock

from rookery import Engine
from rookery.delivery import webhook_facts
from rookery.delivery.webhook_facts import WebhookFactsBoard
from rookery.model.event import NewEvent
from rookery.model.webhook import WebhookFacts
from support.answered_posts import answer_posts
from support.fake_platform import EPOCH, FakePlatform, add, connected, open_fake_engine, wall_clock

URL = "http://one.example/in"


async def receive(platform: FakePlatform, *keys: int) -> None:
    made = [NewEvent(str(key), "x", EPOCH, str(key), "9", b"{}", b"{}") for key in keys]
    await platform.link("a").inbox.commit(made, None)


async def test_counts_and_a_rate_that_passes(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    status = 204

    async def answer(request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        return httpx.Response(status)

    answer_posts(monkeypatch, answer)
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await add(engine)
        await connected(engine)
        await engine.create_webhook(url=URL, id="w")
        await receive(platform, *range(50))
        await trio.sleep(4)
        facts = await _facts(engine)
        assert (facts.delivered, facts.failed, facts.last_status, facts.pending) == (50, 0, 204, 0)
        assert facts.rate == 5.0, "50 in the last 10 s"
        assert facts.last_success_at is not None
        status = 503
        await receive(platform, 50)
        await trio.sleep(3)
        failing = await _facts(engine)
        assert (failing.delivered, failing.last_status, failing.last_error) == (50, 503, "answered 503")
        assert failing.failed >= 1
        assert failing.lag(wall_clock()) > 0
        assert failing.pending == 1
        status = 204
        await trio.sleep(100)
        after = await _facts(engine)
        assert (after.delivered, after.last_status, after.rate, after.pending) == (51, 204, 0.0, 0)


async def _facts(engine: Engine) -> WebhookFacts:
    return (await engine.webhook_facts())["w"]


class Counted:
    """Takes 0.2 s to count, and says how often it did."""

    def __init__(self, facts: WebhookFacts) -> None:
        self.facts = facts
        self.times = 0

    async def webhook_facts(self) -> dict[str, WebhookFacts]:
        self.times += 1
        await trio.sleep(0.2)
        return {"w": self.facts}

    async def note_deliveries(self, notes: object) -> None:
        raise AssertionError("nothing to note")

    async def oldest_delivery(self) -> float | None:
        await trio.lowlevel.checkpoint()
        return None


async def test_many_concurrent_readers_of_facts_cost_one_query(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_facts, "perf_counter", trio.current_time)
    store = Counted(WebhookFacts(pending=7))
    board = WebhookFactsBoard(store, wall_clock)
    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(board.read)
    assert store.times == 1
    await trio.sleep(3.9)
    assert (await board.read())[0]["w"].pending == 7
    assert store.times == 1, "counting took 0.2 s: it is worth 4 s"
    await trio.sleep(0.2)
    await board.read()
    assert store.times == 2


async def test_the_rate_of_an_instance_that_died_is_dropped(autojump_clock: MockClock) -> None:
    board = WebhookFactsBoard(Counted(WebhookFacts(delivered=7, rate=3.0, noted_at=EPOCH)), wall_clock)
    assert (await board.read())[0]["w"].rate == 3.0
    await trio.sleep(webhook_facts.STALE + 1)
    facts = (await board.read())[0]["w"]
    assert (facts.rate, facts.delivered) == (0.0, 7)
